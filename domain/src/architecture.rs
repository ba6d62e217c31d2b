//! Architectures of encoders: everything that is needed to build one. What differs by family is in
//! [`crate::family`].

use std::fmt;

pub use crate::family::Architecture;
use crate::family::{Depths, Family};

/// The name of the size that fine-tunes on two CPU cores.
const MINI: &str = "mini";

impl Architecture {
    /// Says that networks of this width are published with another depth: a file that ends early looks like
    /// a smaller network. None for widths without a name and for our own small ones.
    pub fn unusual_depth(&self) -> Option<String> {
        let Depths { usual, found } = self.encoder().unusual_depth()?;
        Some(format!(
            "published networks of this width have {usual} blocks, this one has {found}: is the file complete?"
        ))
    }

    /// Says why a network with this encoder cannot take `images` images at once; none where it can.
    pub fn input_problem(&self, images: usize) -> Option<String> {
        self.encoder().input_problem(images)
    }

    /// Short name of the kind, as on the command line.
    pub fn kind(&self) -> &'static str {
        self.family().as_str()
    }

    /// The family whose networks have such an encoder.
    pub fn family(&self) -> Family {
        self.encoder().family()
    }

    /// The size of a family that fine-tunes on two CPU cores; none for the specialist, which has one
    /// size only.
    pub fn mini(family: Family) -> Option<Self> {
        (family.facts().named)(MINI)
    }

    /// The architecture of a name that [`Architecture::name`] gives, as published: `profound-conv-tiny`,
    /// `provicnet-base`.
    pub fn named(name: &str) -> Option<Self> {
        let (kind, size) = name.rsplit_once('-')?;
        let family = Family::ALL.into_iter().find(|f| f.as_str() == kind)?;
        (family.facts().named)(size)
    }

    /// Whether it is smaller than every published size, and so works on the small grid of images.
    pub fn is_small(&self) -> bool {
        self.encoder().is_small()
    }

    /// Name with size, e.g. `profound-conv-tiny`; sizes without a name are spelled out.
    pub fn name(&self) -> String {
        let kind = self.kind();
        match self.encoder().size() {
            Some(size) => format!("{kind}-{size}"),
            None => format!("{kind} ({})", self.encoder().spelled_out()),
        }
    }

    /// The same with an encoder for every image; none for a family whose encoder takes them all at once.
    pub fn for_each_image(&self) -> Option<Self> {
        self.encoder().for_each_image()
    }
}

/// Every size, for people: `provicnet-small: 3 slices, patch 14, ...`.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.encoder().size() {
            Some(size) => write!(f, "{}-{size}: ", self.kind())?,
            None => write!(f, "{}: ", self.kind())?,
        }
        f.write_str(&self.encoder().details())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{profound_conv, provicnet};

    fn conv(depths: [usize; 4], dims: [usize; 4]) -> Architecture {
        profound_conv::Size { in_channels: 3, depths, dims }.into()
    }

    #[test]
    fn published_sizes_have_names_and_others_are_spelled_out() {
        assert_eq!(conv([3, 3, 9, 3], [96, 192, 384, 768]).name(), "profound-conv-tiny");
        assert_eq!(
            conv([1, 1, 2, 1], [8, 16, 32, 64]).name(),
            "profound-conv (depths 1, 1, 2, 1, dims 8, 16, 32, 64)"
        );
        let dino = Architecture::named("provicnet-small").unwrap();
        assert_eq!(dino.name(), "provicnet-small");
        assert_eq!(
            dino.to_string(),
            "provicnet-small: 3 slices, patch 14, position grid 37 x 37, width 384, depth 12, 6 heads, \
             4 registers, with axis tokens"
        );
    }

    #[test]
    fn names_lead_back_to_their_architecture() {
        let conv = profound_conv::SIZES.iter().map(|(size, ..)| format!("profound-conv-{size}"));
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
        let conv = |in_channels| {
            Architecture::from(profound_conv::Size { in_channels, depths: [1; 4], dims: [24, 48, 96, 192] })
        };
        assert_eq!([conv(3).input_problem(3), conv(4).input_problem(1)], [None, None]);
        assert!(conv(1).input_problem(3).unwrap().contains("takes 1 images at once, and the task gives 3"));
        let dino = provicnet::Size::MINI;
        assert_eq!(Architecture::from(dino.clone()).input_problem(3), None);
        let flat = Architecture::from(provicnet::Size { slices: 1, ..dino });
        assert!(flat.input_problem(1).unwrap().contains("takes 1 neighbouring slices"));
    }

    #[test]
    fn an_unusual_depth_of_a_published_width_is_said() {
        assert_eq!(conv([3, 3, 9, 3], [96, 192, 384, 768]).unusual_depth(), None);
        let short = conv([3, 3, 4, 3], [96, 192, 384, 768]).unusual_depth().unwrap();
        assert!(short.contains("3, 3, 9, 3") && short.contains("3, 3, 4, 3"), "{short}");
        assert_eq!(conv([1, 1, 1, 1], [24, 48, 96, 192]).unusual_depth(), None);
    }

    #[test]
    fn it_goes_through_json() {
        let conv = conv([1; 4], [8; 4]);
        let json = serde_json::to_string(&conv).unwrap();
        assert!(json.starts_with(r#"{"kind":"profound-conv","in_channels":3"#), "{json}");
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), conv);
    }
}
