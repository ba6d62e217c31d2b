//! ProViCNet's 2.5-D vision transformer: DINOv2 on every slice with its neighbours.

use serde::{Deserialize, Serialize};

use super::{
    Architecture, Depths, Encoder, Facts, Family, StepDefaults,
    transformer::{self, Shape},
};
use crate::{objective::Objective, recipe::Head};

/// What is said of the family.
pub const FACTS: Facts = Facts {
    name: "provicnet",
    label: "ProViCNet (2.5-D ViT)",
    step: StepDefaults { batch_size: 4, samples_per_case: 2, lr: 1e-3 },
    heads: &[Head::Fusion],
    objectives: &[Objective::PatchContrast, Objective::SelfDistillation],
    sizes: &["mini", "small", "base", "large"],
    named: |name| Size::named(name).map(Architecture::from),
};

/// 2.5-D DINOv2 vision transformer (ProViCNet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Size {
    /// Neighbouring slices, the input channels.
    pub slices: usize,
    /// Pixels of a patch, in each direction.
    pub patch: usize,
    /// Patches of the stored position table, in each direction.
    pub grid: usize,
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub registers: usize,
    /// Whether there are tokens for the slice's index and the number of slices.
    pub axis_tokens: bool,
    /// Number of images that a further token distinguishes; 0 where there is none.
    pub modalities: usize,
    /// Whether every image has an encoder of its own, as published, or all share one.
    #[serde(default)]
    pub each: bool,
}

/// Neighbouring slices that a slice is seen with.
const SLICES: usize = 3;

/// Patches of the published position tables, in each direction.
const PUBLISHED_GRID: usize = 37;

impl Size {
    /// The size that fine-tunes on two CPU cores.
    pub const MINI: Self = Self {
        slices: SLICES,
        patch: 14,
        grid: 12,
        dim: 96,
        depth: 4,
        heads: 3,
        registers: 4,
        axis_tokens: true,
        modalities: 0,
        each: false,
    };

    /// [`Self::MINI`], or a size that DINOv2 is published in.
    pub fn named(name: &str) -> Option<Self> {
        if name == "mini" {
            return Some(Self::MINI);
        }
        let Shape { dim, depth, heads } = transformer::named(name)?;
        Some(Self { grid: PUBLISHED_GRID, dim, depth, heads, ..Self::MINI })
    }

    fn shape(&self) -> Shape {
        Shape { dim: self.dim, depth: self.depth, heads: self.heads }
    }
}

impl Encoder for Size {
    fn family(&self) -> Family {
        Family::Provicnet
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

    fn input_problem(&self, _images: usize) -> Option<String> {
        let slices = self.slices;
        (slices != SLICES)
            .then(|| format!("its encoder takes {slices} neighbouring slices, and {SLICES} are given"))
    }

    fn spelled_out(&self) -> String {
        self.shape().to_string()
    }

    fn details(&self) -> String {
        let Self { slices, patch, grid, registers, axis_tokens, modalities, each, .. } = self;
        let with = if *axis_tokens { "with" } else { "without" };
        let kinds = match modalities {
            0 => String::new(),
            n => format!(", a token for {n} images"),
        };
        let each = if *each { ", one for each image" } else { "" };
        format!(
            "{slices} slices, patch {patch}, position grid {grid} x {grid}, {}, {registers} registers, {with} \
             axis tokens{kinds}{each}",
            self.shape()
        )
    }

    fn for_each_image(&self) -> Option<Architecture> {
        Some(Self { each: true, ..self.clone() }.into())
    }
}
