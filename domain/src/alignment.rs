//! Alignment between feature sets, layer by layer.

use serde::{Deserialize, Serialize};

/// One alignment value with everything needed to read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlignmentValue {
    pub epoch: f64,
    /// Layer of the encoder, e.g. `stage2` or `block3`.
    pub layer: String,
    /// Depth of the layer, 0 = first; pages order by it.
    pub depth: u32,
    /// One of [`names`].
    pub metric: String,
    pub value: f64,
    /// Permutation p-value, where one was computed.
    pub p: Option<f64>,
    /// Bandwidth sigma of the RBF kernel, in standardised feature units.
    pub bandwidth: f64,
    /// Rows in each of the two sets.
    pub n: u32,
}

/// Kernel of all values written now.
pub const KERNEL: &str = "rbf";
/// Estimator of all values written now; it can be slightly negative.
pub const ESTIMATOR: &str = "unbiased";

/// What is measured between features of the same cases.
pub mod names {
    /// Unbiased MMD² to the features before training.
    pub const D2P: &str = "d2p";
    /// Unbiased MMD² to the features of random weights.
    pub const D2R: &str = "d2r";
    /// Linear CKA with the features before training: 1 for the same up to rotation and scale.
    pub const CKA: &str = "cka";
    /// Procrustes distance to the features before training: 0 for the same up to rotation and scale.
    pub const PROCRUSTES: &str = "procrustes";
    /// Unbiased MMD² of the features before training with themselves: at most 0.
    pub const CONTROL_IDENTITY: &str = "control-identity";
    /// Unbiased MMD² between the features before training and those of random weights.
    pub const CONTROL_RANDOM: &str = "control-random";
    /// Linear CKA with the features before training where the cases are shuffled.
    pub const CONTROL_SHUFFLED: &str = "control-shuffled";
}
