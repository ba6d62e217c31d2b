//! Architectures of encoders: everything that is needed to build one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::backbone::Family;

/// An encoder and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Architecture {
    /// 3-D ConvNeXt-V2 (ProFound).
    ProfoundConv {
        in_channels: usize,
        /// Blocks of the four stages.
        depths: [usize; 4],
        /// Channels of the four stages.
        dims: [usize; 4],
    },
    /// 3-D vision transformer of a masked autoencoder (ProFound).
    ProfoundVit {
        in_channels: usize,
        /// Voxels of the image, D, H, W: the position table is for this size only.
        image: [usize; 3],
        /// Voxels of a patch, D, H, W.
        patch: [usize; 3],
        dim: usize,
        depth: usize,
        heads: usize,
    },
    /// 2.5-D DINOv2 vision transformer (ProViCNet).
    Provicnet {
        /// Neighbouring slices, the input channels.
        slices: usize,
        /// Pixels of a patch, in each direction.
        patch: usize,
        /// Patches of the stored position table, in each direction.
        grid: usize,
        dim: usize,
        depth: usize,
        heads: usize,
        registers: usize,
        /// Whether there are tokens for the slice's index and the number of slices.
        axis_tokens: bool,
        /// Image types among which a further token tells; 0 where there is none.
        modalities: usize,
        /// Whether every image type has an encoder of its own, as published, or all share one.
        #[serde(default)]
        each: bool,
    },
}

/// Neighbouring slices that a slice is seen with.
const SLICES: usize = 3;

/// Sizes of ConvNeXt-V2 with a name, depths and dims; `mini` is ours, the others are published.
pub const CONV_SIZES: [(&str, [usize; 4], [usize; 4]); 9] = [
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

/// Sizes of vision transformers with a name: width, depth and heads; `mini` is ours.
const VIT_SIZES: [(&str, usize, usize, usize); 5] = [
    ("mini", 96, 4, 3),
    ("mini", 192, 4, 3),
    ("small", 384, 12, 6),
    ("base", 768, 12, 12),
    ("large", 1024, 24, 16),
];

/// Number of attention heads of the sizes with a name, by their width; weights do not tell it.
pub fn known_heads(dim: usize) -> Option<usize> {
    VIT_SIZES.iter().find(|(_, width, ..)| *width == dim).map(|(.., heads)| *heads)
}

impl Architecture {
    /// Says that networks of this width are published with another depth: a file that ends early looks like
    /// a smaller network. None for widths without a name and for our own small ones.
    pub fn unusual_depth(&self) -> Option<String> {
        let said = |usual: String, found: String| {
            Some(format!(
                "published networks of this width have {usual} blocks, this one has {found}: is the file whole?"
            ))
        };
        match self {
            Architecture::ProfoundConv { depths, dims, .. } => {
                let (_, usual, _) = CONV_SIZES.iter().find(|(.., known)| known == dims && known[0] >= 40)?;
                if usual == depths { None } else { said(listed(usual), listed(depths)) }
            }
            Architecture::ProfoundVit { dim, depth, .. } | Architecture::Provicnet { dim, depth, .. } => {
                let (_, _, usual, _) = VIT_SIZES.iter().find(|(_, known, ..)| known == dim && *dim >= 384)?;
                if usual == depth { None } else { said(usual.to_string(), depth.to_string()) }
            }
        }
    }

    /// Says why a network with this encoder cannot take `images` image types at once; none where it can.
    pub fn input_problem(&self, images: usize) -> Option<String> {
        match self {
            Architecture::ProfoundConv { in_channels, .. }
            | Architecture::ProfoundVit { in_channels, .. } => (*in_channels < images).then(|| {
                format!("its encoder takes {in_channels} image types at once, and the task gives {images}")
            }),
            Architecture::Provicnet { slices, .. } => (*slices != SLICES)
                .then(|| format!("its encoder takes {slices} neighbouring slices, and {SLICES} are given")),
        }
    }

    /// Short name of the kind, as on the command line.
    pub fn kind(&self) -> &'static str {
        match self {
            Architecture::ProfoundConv { .. } => "profound-conv",
            Architecture::ProfoundVit { .. } => "profound-vit",
            Architecture::Provicnet { .. } => "provicnet",
        }
    }

    /// The family whose networks have such an encoder.
    pub fn family(&self) -> Family {
        match self {
            Architecture::ProfoundConv { .. } => Family::ProfoundConv,
            Architecture::ProfoundVit { .. } => Family::ProfoundVit,
            Architecture::Provicnet { .. } => Family::Provicnet,
        }
    }

    /// The size of a family that fine-tunes on two CPU cores; none for the specialist, which has one
    /// size only.
    pub fn mini(family: Family) -> Option<Self> {
        match family {
            Family::ProfoundConv => Some(Architecture::ProfoundConv {
                in_channels: 3,
                depths: CONV_SIZES[0].1,
                dims: CONV_SIZES[0].2,
            }),
            Family::ProfoundVit => Some(Architecture::ProfoundVit {
                in_channels: 3,
                image: [24, 96, 96],
                patch: [4, 16, 16],
                dim: 192,
                depth: 4,
                heads: 3,
            }),
            Family::Provicnet => Some(Architecture::Provicnet {
                slices: 3,
                patch: 14,
                grid: 12,
                dim: 96,
                depth: 4,
                heads: 3,
                registers: 4,
                axis_tokens: true,
                modalities: 0,
                each: false,
            }),
            Family::Unet => None,
        }
    }

    /// The architecture of a name that [`Architecture::name`] gives, as published: `profound-conv-tiny`,
    /// `provicnet-base`.
    pub fn named(name: &str) -> Option<Self> {
        let (kind, size) = name.rsplit_once('-')?;
        let family = Family::ALL.into_iter().find(|f| f.as_str() == kind)?;
        let mini = Architecture::mini(family)?;
        if size == "mini" {
            return Some(mini);
        }
        let vit = VIT_SIZES.iter().find(|(known, ..)| *known == size);
        match (mini, vit) {
            (Architecture::ProfoundConv { in_channels, .. }, _) => {
                let (_, depths, dims) = CONV_SIZES.into_iter().find(|(known, ..)| *known == size)?;
                Some(Architecture::ProfoundConv { in_channels, depths, dims })
            }
            (Architecture::ProfoundVit { in_channels, .. }, Some((_, dim, depth, heads)))
                if size == "base" =>
            {
                Some(Architecture::ProfoundVit {
                    in_channels,
                    image: [64, 256, 256],
                    patch: [16, 32, 32],
                    dim: *dim,
                    depth: *depth,
                    heads: *heads,
                })
            }
            (
                Architecture::Provicnet { slices, patch, registers, axis_tokens, .. },
                Some((_, dim, depth, heads)),
            ) => Some(Architecture::Provicnet {
                slices,
                patch,
                grid: 37,
                dim: *dim,
                depth: *depth,
                heads: *heads,
                registers,
                axis_tokens,
                modalities: 0,
                each: false,
            }),
            _ => None,
        }
    }

    /// Whether it is smaller than every published size, and so works on the small grid of images.
    pub fn is_small(&self) -> bool {
        match self {
            Architecture::ProfoundConv { dims, .. } => dims[0] < 40,
            Architecture::ProfoundVit { dim, .. } | Architecture::Provicnet { dim, .. } => *dim < 384,
        }
    }

    /// The size's name, e.g. `tiny`; none for a size that was never published.
    fn size(&self) -> Option<&'static str> {
        match self {
            Architecture::ProfoundConv { depths, dims, .. } => {
                CONV_SIZES.iter().find(|(_, d, w)| d == depths && w == dims).map(|(size, ..)| *size)
            }
            Architecture::ProfoundVit { dim, depth, heads, .. }
            | Architecture::Provicnet { dim, depth, heads, .. } => {
                let same = |(_, w, d, h): &&(_, _, _, _)| (w, d, h) == (dim, depth, heads);
                VIT_SIZES.iter().find(same).map(|(size, ..)| *size)
            }
        }
    }

    /// Name with size, e.g. `profound-conv-tiny`; sizes without a name are spelled out.
    pub fn name(&self) -> String {
        let kind = self.kind();
        match (self.size(), self) {
            (Some(size), _) => format!("{kind}-{size}"),
            (None, Architecture::ProfoundConv { depths, dims, .. }) => {
                format!("{kind} (depths {}, dims {})", listed(depths), listed(dims))
            }
            (
                None,
                Architecture::ProfoundVit { dim, depth, heads, .. }
                | Architecture::Provicnet { dim, depth, heads, .. },
            ) => format!("{kind} (width {dim}, depth {depth}, {heads} heads)"),
        }
    }
}

/// `3, 3, 9, 3`
fn listed(values: &[usize]) -> String {
    values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// Every size, for people: `provicnet-small: 3 slices, patch 14, ...`.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size() {
            Some(size) => write!(f, "{}-{size}: ", self.kind())?,
            None => write!(f, "{}: ", self.kind())?,
        }
        match self {
            Architecture::ProfoundConv { in_channels, depths, dims } => {
                write!(f, "{in_channels} input channels, depths {}, dims {}", listed(depths), listed(dims))
            }
            Architecture::ProfoundVit { in_channels, image, patch, dim, depth, heads } => write!(
                f,
                "{in_channels} input channels, image {}, patch {}, width {dim}, depth {depth}, {heads} heads",
                listed(image),
                listed(patch)
            ),
            Architecture::Provicnet {
                slices,
                patch,
                grid,
                dim,
                depth,
                heads,
                registers,
                axis_tokens,
                modalities,
                each,
            } => {
                write!(
                    f,
                    "{slices} slices, patch {patch}, position grid {grid} x {grid}, width {dim}, depth {depth}, \
                     {heads} heads, {registers} registers, {} axis tokens",
                    if *axis_tokens { "with" } else { "without" }
                )?;
                match modalities {
                    0 => {}
                    n => write!(f, ", a token for {n} image types")?,
                }
                if *each { f.write_str(", one for each image type") } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_sizes_have_names_and_others_are_spelled_out() {
        let conv = |depths, dims| Architecture::ProfoundConv { in_channels: 3, depths, dims };
        assert_eq!(conv([3, 3, 9, 3], [96, 192, 384, 768]).name(), "profound-conv-tiny");
        assert_eq!(
            conv([1, 1, 2, 1], [8, 16, 32, 64]).name(),
            "profound-conv (depths 1, 1, 2, 1, dims 8, 16, 32, 64)"
        );
        let dino = Architecture::Provicnet {
            slices: 3,
            patch: 14,
            grid: 37,
            dim: 384,
            depth: 12,
            heads: 6,
            registers: 4,
            axis_tokens: true,
            modalities: 0,
            each: false,
        };
        assert_eq!(dino.name(), "provicnet-small");
        assert_eq!(
            dino.to_string(),
            "provicnet-small: 3 slices, patch 14, position grid 37 x 37, width 384, depth 12, 6 heads, \
             4 registers, with axis tokens"
        );
    }

    #[test]
    fn names_lead_back_to_their_architecture() {
        let conv = CONV_SIZES.iter().map(|(size, ..)| format!("profound-conv-{size}"));
        let others = [
            "profound-vit-mini",
            "profound-vit-base",
            "provicnet-mini",
            "provicnet-small",
            "provicnet-base",
            "provicnet-large",
        ];
        for name in conv.chain(others.map(str::to_owned)) {
            let found = Architecture::named(&name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(found.name(), name);
            assert_eq!(found.is_small(), name.ends_with("-mini"), "{name}");
        }
        for unknown in ["unet", "profound-vit-small", "provicnet-tiny", "tiny", ""] {
            assert_eq!(Architecture::named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn an_encoder_for_fewer_images_is_said_not_to_fit() {
        let conv =
            |in_channels| Architecture::ProfoundConv { in_channels, depths: [1; 4], dims: [24, 48, 96, 192] };
        assert_eq!([conv(3).input_problem(3), conv(4).input_problem(1)], [None, None]);
        assert!(
            conv(1).input_problem(3).unwrap().contains("takes 1 image types at once, and the task gives 3")
        );
        let mut dino = Architecture::mini(Family::Provicnet).unwrap();
        assert_eq!(dino.input_problem(3), None);
        if let Architecture::Provicnet { slices, .. } = &mut dino {
            *slices = 1;
        }
        assert!(dino.input_problem(1).unwrap().contains("takes 1 neighbouring slices"));
    }

    #[test]
    fn an_unusual_depth_of_a_published_width_is_said() {
        let conv = |depths, dims| Architecture::ProfoundConv { in_channels: 3, depths, dims };
        assert_eq!(conv([3, 3, 9, 3], [96, 192, 384, 768]).unusual_depth(), None);
        let short = conv([3, 3, 4, 3], [96, 192, 384, 768]).unusual_depth().unwrap();
        assert!(short.contains("3, 3, 9, 3") && short.contains("3, 3, 4, 3"), "{short}");
        assert_eq!(conv([1, 1, 1, 1], [24, 48, 96, 192]).unusual_depth(), None);
    }

    #[test]
    fn heads_are_known_for_widths_with_a_name_only() {
        assert_eq!([384, 768, 1024, 96, 24].map(known_heads), [Some(6), Some(12), Some(16), Some(3), None]);
    }

    #[test]
    fn it_goes_through_json() {
        let conv = Architecture::ProfoundConv { in_channels: 3, depths: [1; 4], dims: [8; 4] };
        let json = serde_json::to_string(&conv).unwrap();
        assert!(json.starts_with(r#"{"kind":"profound-conv","in_channels":3"#), "{json}");
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), conv);
    }
}
