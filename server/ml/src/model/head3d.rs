//! The dense head of the 3-D family: a feature pyramid on the encoder's maps, brought back to
//! full resolution and joined with the input.
//!
//! ProFound publishes two segmentation heads (UPerNet and UNETR) that are far larger than a
//! `mini` encoder; this one keeps their parts that matter at this size: per-map normalisation,
//! lateral connections with top-down addition, and a path from the raw image at full resolution.

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};

use crate::nn::{
    conv::SameConv3d,
    gelu::gelu,
    kernels::Kernels,
    layer_norm::{channels_first, layer_norm},
    patch::{PatchConv3d, PatchUp3d},
    repeat::repeat,
};

/// Channels of the pyramid.
const PYRAMID: usize = 48;
/// Channels at full resolution.
const FINE: usize = 8;

/// Head from an encoder's maps (four of a ConvNeXt, one of a transformer) to `out` channels at the
/// input's resolution.
#[derive(Module, Debug)]
pub struct DenseHead3d<B: Backend> {
    pub norms: Vec<LayerNorm<B>>,
    pub laterals: Vec<PatchConv3d<B>>,
    pub smooth: SameConv3d<B>,
    pub up: PatchUp3d<B>,
    pub fine: SameConv3d<B>,
    pub out: SameConv3d<B>,
}

impl<B: Backend> DenseHead3d<B> {
    /// A head of zeros for maps of `dims` channels, finest first; a voxel of the finest one covers
    /// `cell` voxels of the input.
    pub fn new(dims: &[usize], cell: [usize; 3], in_channels: usize, out: usize, device: &B::Device) -> Self {
        Self {
            norms: dims.iter().map(|d| layer_norm(*d, device)).collect(),
            laterals: dims.iter().map(|d| PatchConv3d::new(*d, PYRAMID, [1; 3], device)).collect(),
            smooth: SameConv3d::new(PYRAMID, PYRAMID, 3, device),
            up: PatchUp3d::new(PYRAMID, FINE, cell, device),
            fine: SameConv3d::new(FINE + in_channels, FINE, 3, device),
            out: SameConv3d::new(FINE, out, 1, device),
        }
    }

    /// # Shapes
    /// `maps` as the encoder gives them, `input [B, C, D, H, W]` -> `[B, out, D, H, W]`.
    pub fn forward(&self, maps: Vec<Tensor<B, 5>>, input: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let mut lateral: Vec<Tensor<B, 5>> = maps
            .into_iter()
            .zip(self.norms.iter().zip(&self.laterals))
            .map(|(map, (norm, conv))| conv.forward(channels_first(norm, map)))
            .collect();
        let mut top = lateral.pop().expect("an encoder gives a map");
        // The last two stages of a ConvNeXt share a resolution; the others are finer by two each.
        for finer in lateral.into_iter().rev() {
            let same = finer.dims()[2..] == top.dims()[2..];
            top = finer + if same { top } else { repeat(top, 2) };
        }
        let coarse = gelu(self.smooth.forward(top));
        let fine = Tensor::cat(vec![self.up.forward(coarse), input], 1);
        self.out.forward(gelu(self.fine.forward(fine)))
    }
}
