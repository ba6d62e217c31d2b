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
    /// `d2p`: unbiased MMD² between fine-tuned and initial features of the same cases.
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
