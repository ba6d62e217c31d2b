//! Sizes of vision transformers.

use transferscope_domain::family::provicnet::Size;

use super::{block::FeedForwardKind, positions::PositionResize};
use crate::model::io::SLICES;

/// Size of a backbone, and what it has beside patches.
#[derive(Debug, Clone, PartialEq)]
pub struct VitConfig {
    pub in_channels: usize,
    /// Patches in each direction of the stored position table.
    pub grid: usize,
    /// Pixels of a patch, in each direction.
    pub patch: usize,
    pub dim: usize,
    pub depth: usize,
    /// Divides `dim`.
    pub heads: usize,
    pub feed_forward: FeedForwardKind,
    /// Values inside the feed-forward part.
    pub hidden: usize,
    pub registers: usize,
    pub positions: PositionResize,
    /// The token of DINOv2's own pre-training, which nothing here uses: published files have it.
    pub mask_token: bool,
    /// Layers for the slice's index and the number of slices inside the backbone.
    pub axis: bool,
    /// Kinds of image that a layer inside the backbone tells apart; none without that layer.
    pub modalities: usize,
}

/// Sizes that DINOv2 is published in, with patches of 14 pixels and a table for 518.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DinoSize {
    Small,
    Base,
    Large,
    Giant,
}

impl VitConfig {
    /// The size that fine-tunes on two CPU cores.
    pub fn mini() -> Self {
        Self {
            in_channels: SLICES,
            grid: 12,
            patch: 14,
            dim: 96,
            depth: 4,
            heads: 3,
            feed_forward: FeedForwardKind::Gelu,
            hidden: 4 * 96,
            registers: 4,
            positions: PositionResize::SMOOTH,
            mask_token: false,
            axis: true,
            modalities: 0,
        }
    }

    /// An encoder of slices of this size.
    pub fn of(size: &Size) -> Self {
        Self {
            in_channels: size.slices,
            grid: size.grid,
            patch: size.patch,
            dim: size.dim,
            depth: size.depth,
            heads: size.heads,
            hidden: 4 * size.dim,
            registers: size.registers,
            positions: PositionResize::of_registers(size.registers),
            axis: size.axis_tokens,
            modalities: size.modalities,
            ..Self::mini()
        }
    }

    /// DINOv2 with or without its four registers, as an encoder of slices: axis layers inside, no
    /// mask token.
    pub fn dinov2(size: DinoSize, registers: bool) -> Self {
        let (dim, depth, heads) = match size {
            DinoSize::Small => (384, 12, 6),
            DinoSize::Base => (768, 12, 12),
            DinoSize::Large => (1024, 24, 16),
            DinoSize::Giant => (1536, 40, 24),
        };
        let (feed_forward, hidden) = match size {
            // Two thirds of four times the width, so that three matrices have the size of two.
            DinoSize::Giant => (FeedForwardKind::SwiGlu, 4096),
            _ => (FeedForwardKind::Gelu, 4 * dim),
        };
        let registers = if registers { 4 } else { 0 };
        Self {
            grid: 37,
            dim,
            depth,
            heads,
            feed_forward,
            hidden,
            registers,
            positions: PositionResize::of_registers(registers),
            ..Self::mini()
        }
    }

    /// The form of published files: the mask token is there, layers for further tokens are outside.
    pub fn published(self) -> Self {
        Self { mask_token: true, axis: false, modalities: 0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{family::provicnet::vit::Vit, params};
    use burn_flex::Flex;

    /// Parameters as published; nothing is allocated to count them.
    #[test]
    fn dinov2_has_its_parameters() {
        use DinoSize::{Base, Giant, Large, Small};
        for (size, registers, expected) in [
            (Small, false, 22_056_576),
            (Small, true, 22_058_112),
            (Base, false, 86_580_480),
            (Base, true, 86_583_552),
            (Large, false, 304_368_640),
            (Large, true, 304_372_736),
            (Giant, false, 1_136_480_768),
            (Giant, true, 1_136_486_912),
        ] {
            let config = VitConfig::dinov2(size, registers).published();
            let count = params::values(&Vit::<Flex>::new(&config, &Default::default()));
            assert_eq!(count, expected, "{size:?} {registers}");
        }
    }
}
