//! ProFound's 3-D vision transformer, the encoder of a masked autoencoder.

use serde::{Deserialize, Serialize};

use super::{
    Architecture, Depths, Encoder, Facts, Family, StepDefaults, listed,
    transformer::{self, Shape},
};
use crate::objective::Objective;

/// What is said of the family.
pub const FACTS: Facts = Facts {
    name: "profound-vit",
    label: "ProFound (3-D ViT)",
    step: StepDefaults { batch_size: 2, samples_per_case: 1, lr: 1e-3 },
    heads: &[],
    objectives: &[Objective::Mae],
    sizes: &["mini", "base"],
    named: |name| Size::named(name).map(Architecture::from),
};

/// 3-D vision transformer of a masked autoencoder (ProFound).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Size {
    pub in_channels: usize,
    /// Voxels of the image, D, H, W: the position table is for this size only.
    pub image: [usize; 3],
    /// Voxels of a patch, D, H, W.
    pub patch: [usize; 3],
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
}

impl Size {
    /// The size that fine-tunes on two CPU cores.
    pub const MINI: Self =
        Self { in_channels: 3, image: [24, 96, 96], patch: [4, 16, 16], dim: 192, depth: 4, heads: 3 };

    /// The one size that is published.
    pub const BASE: Self =
        Self { in_channels: 3, image: [64, 256, 256], patch: [16, 32, 32], dim: 768, depth: 12, heads: 12 };

    /// [`Self::MINI`] or [`Self::BASE`].
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "mini" => Some(Self::MINI),
            "base" => Some(Self::BASE),
            _ => None,
        }
    }

    fn shape(&self) -> Shape {
        Shape { dim: self.dim, depth: self.depth, heads: self.heads }
    }
}

impl Encoder for Size {
    fn family(&self) -> Family {
        Family::ProfoundVit
    }

    fn size(&self) -> Option<&'static str> {
        transformer::name(self.shape())
    }

    fn is_small(&self) -> bool {
        self.shape().is_small()
    }

    fn unusual_depth(&self) -> Option<Depths> {
        self.shape().unusual_depth()
    }

    fn input_problem(&self, images: usize) -> Option<String> {
        super::too_few_channels(self.in_channels, images)
    }

    fn spelled_out(&self) -> String {
        self.shape().to_string()
    }

    fn details(&self) -> String {
        format!(
            "{} input channels, image {}, patch {}, {}",
            self.in_channels,
            listed(&self.image),
            listed(&self.patch),
            self.shape()
        )
    }
}
