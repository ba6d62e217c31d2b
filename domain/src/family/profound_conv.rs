//! ProFound's 3-D ConvNeXt-V2.

use serde::{Deserialize, Serialize};

use super::{Architecture, Depths, Encoder, Facts, Family, StepDefaults, listed};
use crate::{objective::Objective, recipe::Head};

/// What is said of the family.
pub const FACTS: Facts = Facts {
    name: "profound-conv",
    label: "ProFound (3-D ConvNeXt-V2)",
    step: StepDefaults { batch_size: 2, samples_per_case: 1, lr: 1e-3 },
    heads: &[Head::Classifier, Head::Upernet, Head::Unetr],
    objectives: &[Objective::Mae],
    sizes: &["mini", "atto", "femto", "pico", "nano", "tiny", "base", "large", "huge"],
    named: |name| Size::named(name).map(Architecture::from),
};

/// 3-D ConvNeXt-V2 (ProFound).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Size {
    pub in_channels: usize,
    /// Blocks of the four stages.
    pub depths: [usize; 4],
    /// Channels of the four stages.
    pub dims: [usize; 4],
}

/// Image types that encoders of a name take.
const IN_CHANNELS: usize = 3;

/// Least channels of the first stage of a published size.
const PUBLISHED: usize = 40;

/// Sizes with a name, depths and dims; `mini` is ours, the others are published.
pub const SIZES: [(&str, [usize; 4], [usize; 4]); 9] = [
    ("mini", [1, 1, 2, 1], [24, 48, 96, 192]),
    ("atto", [2, 2, 6, 2], [40, 80, 160, 320]),
    ("femto", [2, 2, 6, 2], [48, 96, 192, 384]),
    ("pico", [2, 2, 6, 2], [64, 128, 256, 512]),
    ("nano", [2, 2, 8, 2], [80, 160, 320, 640]),
    ("tiny", [3, 3, 9, 3], [96, 192, 384, 768]),
    ("base", [3, 3, 27, 3], [128, 256, 512, 1024]),
    ("large", [3, 3, 27, 3], [192, 384, 768, 1536]),
    ("huge", [3, 3, 27, 3], [352, 704, 1408, 2816]),
];

impl Size {
    /// The size of a name in [`SIZES`], for three images.
    pub fn named(name: &str) -> Option<Self> {
        let (_, depths, dims) = SIZES.into_iter().find(|(known, ..)| *known == name)?;
        Some(Self { in_channels: IN_CHANNELS, depths, dims })
    }
}

impl Encoder for Size {
    fn family(&self) -> Family {
        Family::ProfoundConv
    }

    fn size(&self) -> Option<&'static str> {
        SIZES.iter().find(|(_, d, w)| *d == self.depths && *w == self.dims).map(|(size, ..)| *size)
    }

    fn is_small(&self) -> bool {
        self.dims[0] < PUBLISHED
    }

    fn unusual_depth(&self) -> Option<Depths> {
        let (_, usual, _) = SIZES.iter().find(|(.., known)| *known == self.dims && known[0] >= PUBLISHED)?;
        (*usual != self.depths).then(|| Depths { usual: listed(usual), found: listed(&self.depths) })
    }

    fn input_problem(&self, images: usize) -> Option<String> {
        super::too_few_channels(self.in_channels, images)
    }

    fn spelled_out(&self) -> String {
        format!("depths {}, dims {}", listed(&self.depths), listed(&self.dims))
    }

    fn details(&self) -> String {
        let Self { in_channels, depths, dims } = self;
        format!("{in_channels} input channels, depths {}, dims {}", listed(depths), listed(dims))
    }
}
