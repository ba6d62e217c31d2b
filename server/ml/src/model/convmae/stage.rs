//! ConvMAE's convolution stage, which mixes visible voxels only.

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};

use crate::{
    model::convnext::{layer_norm, repeat_by},
    nn::{
        depthwise::DepthwiseConv3d, gelu::gelu, kernels::Kernels, layer_norm::channels_first,
        patch::PatchConv3d,
    },
};

/// Voxels, in each direction, that a voxel is mixed with.
const KERNEL: usize = 5;

/// Convolution of patches, then blocks.
#[derive(Module, Debug)]
pub struct ConvStage<B: Backend> {
    pub patch_embed: NormedPatches<B>,
    pub conv: Vec<MaskedConvBlock<B>>,
    /// In checkpoints, but used nowhere.
    pub down: PatchConv3d<B>,
}

/// Convolution of patches, layer normalisation over channels, GELU.
#[derive(Module, Debug)]
pub struct NormedPatches<B: Backend> {
    pub conv: PatchConv3d<B>,
    pub norm: LayerNorm<B>,
}

/// `x + conv2(dw(visible * conv1(LN x)))`, then `x + mlp(LN x)`, by kernels of one voxel but the
/// depth-wise one.
#[derive(Module, Debug)]
pub struct MaskedConvBlock<B: Backend> {
    pub norm1: LayerNorm<B>,
    pub norm2: LayerNorm<B>,
    pub conv1: PatchConv3d<B>,
    pub conv2: PatchConv3d<B>,
    pub dw_conv: DepthwiseConv3d<B>,
    pub mlp: PointMlp<B>,
}

/// Two layers on every voxel with GELU between.
#[derive(Module, Debug)]
pub struct PointMlp<B: Backend> {
    pub fc1: PatchConv3d<B>,
    pub fc2: PatchConv3d<B>,
}

impl<B: Backend> ConvStage<B> {
    /// A stage of zeros.
    pub fn new(
        from: usize,
        to: usize,
        stride: [usize; 3],
        blocks: usize,
        down: PatchConv3d<B>,
        device: &B::Device,
    ) -> Self {
        Self {
            patch_embed: NormedPatches {
                conv: PatchConv3d::new(from, to, stride, device),
                norm: layer_norm(to, device),
            },
            conv: (0..blocks).map(|_| MaskedConvBlock::new(to, device)).collect(),
            down,
        }
    }

    /// # Shapes
    /// `x [B, from, D, H, W]`, `visible [B, 1, d, h, w]` of 0 and 1 for cells of `cover` voxels of the
    /// result -> `[B, to, D / stride, ...]`.
    pub fn forward(&self, x: Tensor<B, 5>, visible: Option<&Tensor<B, 5>>, cover: [usize; 3]) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let visible = visible.map(|cells| repeat_by(cells.clone(), cover));
        let x = gelu(channels_first(&self.patch_embed.norm, self.patch_embed.conv.forward(x)));
        self.conv.iter().fold(x, |x, block| block.forward(x, visible.as_ref()))
    }
}

impl<B: Backend> MaskedConvBlock<B> {
    fn new(channels: usize, device: &B::Device) -> Self {
        let point = |from, to| PatchConv3d::new(from, to, [1; 3], device);
        Self {
            norm1: layer_norm(channels, device),
            norm2: layer_norm(channels, device),
            conv1: point(channels, channels),
            conv2: point(channels, channels),
            dw_conv: DepthwiseConv3d::new(channels, KERNEL, device),
            mlp: PointMlp { fc1: point(channels, 4 * channels), fc2: point(4 * channels, channels) },
        }
    }

    fn forward(&self, x: Tensor<B, 5>, visible: Option<&Tensor<B, 5>>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let y = self.conv1.forward(channels_first(&self.norm1, x.clone()));
        let y = match visible {
            Some(visible) => y * visible.clone(),
            None => y,
        };
        let x = x + self.conv2.forward(self.dw_conv.forward(y));
        let y = gelu(self.mlp.fc1.forward(channels_first(&self.norm2, x.clone())));
        x + self.mlp.fc2.forward(y)
    }
}
