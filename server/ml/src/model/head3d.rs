//! The dense head of the 3-D family: a feature pyramid on the encoder's maps, brought back to
//! full resolution and joined with the input.
//!
//! ProFound publishes two segmentation heads (UPerNet and UNETR) that are far larger than a
//! `mini` encoder; this one keeps their parts that matter at this size: per-map normalisation,
//! lateral connections with top-down addition, and a path from the raw image at full resolution.

use burn::module::Module;
use burn::nn::{
    Initializer, LayerNorm, PaddingConfig3d,
    conv::{Conv3d, Conv3dConfig},
};
use burn::tensor::{Tensor, activation::gelu, backend::Backend};

use super::convnext::{layer_norm, repeat};
use crate::nn::{
    layer_norm::channels_first,
    patch::{PatchConv3d, PatchUp3d},
};

/// Channels of the pyramid.
const PYRAMID: usize = 48;
/// Channels at full resolution.
const FINE: usize = 8;

/// Head from the maps of the four stages to `out` channels at the input's resolution.
#[derive(Module, Debug)]
pub struct DenseHead3d<B: Backend> {
    pub norms: Vec<LayerNorm<B>>,
    pub laterals: Vec<PatchConv3d<B>>,
    pub smooth: Conv3d<B>,
    pub up: PatchUp3d<B>,
    pub fine: Conv3d<B>,
    pub out: PatchConv3d<B>,
}

/// A 3x3x3 convolution with zero padding.
pub(crate) fn conv3<B: Backend>(from: usize, to: usize, device: &B::Device) -> Conv3d<B> {
    Conv3dConfig::new([from, to], [3; 3])
        .with_padding(PaddingConfig3d::Explicit(1, 1, 1))
        .with_initializer(Initializer::Zeros)
        .init(device)
}

impl<B: Backend> DenseHead3d<B> {
    pub fn new(dims: [usize; 4], in_channels: usize, out: usize, device: &B::Device) -> Self {
        Self {
            norms: dims.iter().map(|d| layer_norm(*d, device)).collect(),
            laterals: dims.iter().map(|d| PatchConv3d::new(*d, PYRAMID, [1; 3], device)).collect(),
            smooth: conv3(PYRAMID, PYRAMID, device),
            up: PatchUp3d::new(PYRAMID, FINE, [4; 3], device),
            fine: conv3(FINE + in_channels, FINE, device),
            out: PatchConv3d::new(FINE, out, [1; 3], device),
        }
    }

    /// # Shapes
    /// `maps` as the encoder gives them, `input [B, C, D, H, W]` -> `[B, out, D, H, W]`.
    pub fn forward(&self, maps: Vec<Tensor<B, 5>>, input: Tensor<B, 5>) -> Tensor<B, 5> {
        let mut lateral: Vec<Tensor<B, 5>> = maps
            .into_iter()
            .zip(self.norms.iter().zip(&self.laterals))
            .map(|(map, (norm, conv))| conv.forward(channels_first(norm, map)))
            .collect();
        let mut top = lateral.remove(3);
        // Stages 3 and 2 share a resolution; the others are finer by two each.
        for (i, finer) in lateral.into_iter().enumerate().rev() {
            top = finer + if i == 2 { top } else { repeat(top, 2) };
        }
        let coarse = gelu(self.smooth.forward(top));
        let fine = Tensor::cat(vec![self.up.forward(coarse), input], 1);
        self.out.forward(gelu(self.fine.forward(fine)))
    }
}
