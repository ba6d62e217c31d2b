//! 3-D ConvNeXt-V2, ProFound's encoder.
//!
//! # Source
//! Woo et al., "ConvNeXt V2" (2023), in the 3-D form of ProFound: the last downsampling keeps its
//! resolution, so the strides of the four stages are 4, 8, 16, 16.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::family::profound_conv::Size;

use crate::{
    family::ModuleNames,
    nn::{
        depthwise::DepthwiseConv3d,
        drop_path::{BlockDrop, DropPath},
        gelu::gelu,
        grn::Grn,
        kernels::Kernels,
        layer_norm::{channels_first, from_channels_last, layer_norm, to_channels_last},
        linear::linear,
        lora::{self, PointwiseLora},
        patch::PatchConv3d,
        precision::affine,
        repeat::repeat,
    },
};

/// Size of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvNextConfig {
    pub in_channels: usize,
    pub depths: [usize; 4],
    pub dims: [usize; 4],
}

impl ConvNextConfig {
    /// The size that fine-tunes on two CPU cores.
    pub fn mini() -> Self {
        Self { in_channels: 3, depths: [1, 1, 2, 1], dims: [24, 48, 96, 192] }
    }

    /// The size of ProFound's published encoder.
    pub fn tiny() -> Self {
        Self { in_channels: 3, depths: [3, 3, 9, 3], dims: [96, 192, 384, 768] }
    }

    /// A published size, `atto` to `huge`, or ours, `mini`; three channels in.
    pub fn named(name: &str) -> Option<Self> {
        Size::named(name).as_ref().map(Self::of)
    }

    /// Of this size.
    pub fn of(size: &Size) -> Self {
        Self { in_channels: size.in_channels, depths: size.depths, dims: size.dims }
    }
}

/// Voxels, in each direction, of one cell of the coarsest map.
pub const STRIDE: usize = 16;

/// Encoder; inputs must be divisible by [`STRIDE`] in each direction.
#[derive(Module, Debug)]
pub struct ConvNext<B: Backend> {
    pub stem: Stem<B>,
    pub downsample: Vec<Downsample<B>>,
    pub stages: Vec<Vec<Block<B>>>,
    /// On the global average of the last map.
    pub norm: LayerNorm<B>,
}

/// Upstream's names of an encoder's parts.
pub(crate) const NAMES: ModuleNames = ModuleNames {
    module: "ConvNext",
    parts: &[
        ("stem.conv", "downsample_layers.0.0"),
        ("stem.norm", "downsample_layers.0.1"),
        ("downsample.0.norm", "downsample_layers.1.0"),
        ("downsample.0.conv", "downsample_layers.1.1"),
        ("downsample.1.norm", "downsample_layers.2.0"),
        ("downsample.1.conv", "downsample_layers.2.1"),
        ("downsample.2.norm", "downsample_layers.3.0"),
        ("downsample.2.conv", "downsample_layers.3.1"),
    ],
    tokens: &[],
};

/// Convolution of 4x4x4 patches, then layer normalisation.
#[derive(Module, Debug)]
pub struct Stem<B: Backend> {
    pub conv: PatchConv3d<B>,
    pub norm: LayerNorm<B>,
}

/// Layer normalisation, then convolution of patches.
#[derive(Module, Debug)]
pub struct Downsample<B: Backend> {
    pub norm: LayerNorm<B>,
    pub conv: PatchConv3d<B>,
}

/// `x + pw2(GRN(GELU(pw1(LN(dw(x))))))`.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    pub dwconv: DepthwiseConv3d<B>,
    pub norm: LayerNorm<B>,
    pub pwconv1: Linear<B>,
    pub grn: Grn<B>,
    pub pwconv2: Linear<B>,
    /// Fine-tuning with LoRA only.
    pub lora: Option<PointwiseLora<B>>,
}

impl<B: Backend> Block<B> {
    /// A block of zeros for `dim` channels.
    pub fn new(dim: usize, device: &B::Device) -> Self {
        Self {
            dwconv: DepthwiseConv3d::new(dim, 7, device),
            norm: layer_norm(dim, device),
            pwconv1: linear(dim, 4 * dim, device),
            grn: Grn::new(4 * dim, device),
            pwconv2: linear(4 * dim, dim, device),
            lora: None,
        }
    }
}

impl<B: Kernels> Block<B> {
    /// # Shapes
    /// `x [B, C, D, H, W]` -> the same; `visible [B, 1, D, H, W]` of 0 and 1 for masked pre-training.
    pub fn forward(&self, x: Tensor<B, 5>, visible: Option<&Tensor<B, 5>>) -> Tensor<B, 5> {
        self.dropping_forward(x, visible, BlockDrop::NONE)
    }

    /// [`Block::forward`] in a training step.
    pub fn dropping_forward(
        &self,
        x: Tensor<B, 5>,
        visible: Option<&Tensor<B, 5>>,
        drop: BlockDrop,
    ) -> Tensor<B, 5> {
        let mut y = self.dwconv.forward(x.clone());
        if let Some(visible) = visible {
            y = y * visible.clone();
        }
        let (y, space) = to_channels_last(y);
        let y = self.norm.forward(y);
        let lora = self.lora.as_ref();
        let y = gelu(lora::with(lora.map(|l| &l.pwconv1), y.clone(), affine(&self.pwconv1, y)));
        let y = match visible {
            None => self.grn.forward(y),
            Some(visible) => {
                let (flat, _) = to_channels_last(visible.clone());
                self.grn.forward_over_batch(y * flat)
            }
        };
        let y = lora::with(lora.map(|l| &l.pwconv2), y.clone(), affine(&self.pwconv2, y));
        let y = x + drop.apply("block", from_channels_last(y, space));
        match visible {
            None => y,
            Some(visible) => y * visible.clone(),
        }
    }
}

/// Which cells of the coarsest grid are visible in masked pre-training.
pub struct Visible<B: Backend> {
    by_stage: [Tensor<B, 5>; 4],
}

impl<B: Backend> Visible<B> {
    /// From the cells: `[B, 1, D/16, H/16, W/16]` of 0 and 1.
    pub fn from_cells(cells: Tensor<B, 5>) -> Self {
        let by_four = repeat(cells.clone(), 4);
        let by_two = repeat(cells.clone(), 2);
        Self { by_stage: [by_four, by_two, cells.clone(), cells] }
    }
}

impl<B: Backend> ConvNext<B> {
    /// An encoder of zeros, to be filled by [`crate::init`] or a checkpoint.
    pub fn new(config: &ConvNextConfig, device: &B::Device) -> Self {
        let d = config.dims;
        let stem = Stem {
            conv: PatchConv3d::new(config.in_channels, d[0], [4; 3], device),
            norm: layer_norm(d[0], device),
        };
        let downsample = (0..3)
            .map(|i| Downsample {
                norm: layer_norm(d[i], device),
                conv: PatchConv3d::new(d[i], d[i + 1], [if i < 2 { 2 } else { 1 }; 3], device),
            })
            .collect();
        let stages =
            (0..4).map(|i| (0..config.depths[i]).map(|_| Block::new(d[i], device)).collect()).collect();
        Self { stem, downsample, stages, norm: layer_norm(d[3], device) }
    }

    /// Gives every block low-rank additions of zeros.
    pub fn with_lora(mut self, rank: usize, device: &B::Device) -> Self {
        for block in self.stages.iter_mut().flatten() {
            let dim = block.norm.gamma.dims()[0];
            block.lora = Some(PointwiseLora::new(dim, rank, device));
        }
        self
    }
}

impl<B: Kernels> ConvNext<B> {
    /// The raw outputs of the four stages.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` -> `[B, dims[i], D/s, H/s, W/s]` with s = 4, 8, 16, 16.
    pub fn stages(&self, x: Tensor<B, 5>, visible: Option<&Visible<B>>) -> Vec<Tensor<B, 5>> {
        self.run(x, visible, DropPath::NONE)
    }

    /// [`ConvNext::stages`] in a training step, all voxels visible.
    pub fn dropping_stages(&self, x: Tensor<B, 5>, drop: DropPath) -> Vec<Tensor<B, 5>> {
        self.run(x, None, drop)
    }

    fn run(&self, x: Tensor<B, 5>, visible: Option<&Visible<B>>, drop: DropPath) -> Vec<Tensor<B, 5>> {
        let count = self.stages.iter().map(Vec::len).sum();
        let mut drops = (0..count).map(|index| drop.block(index, count));
        let mut maps: Vec<Tensor<B, 5>> = Vec::with_capacity(4);
        for (i, blocks) in self.stages.iter().enumerate() {
            let mut y = match maps.last() {
                None => channels_first(&self.stem.norm, self.stem.conv.forward(x.clone())),
                Some(previous) => {
                    let down = &self.downsample[i - 1];
                    down.conv.forward(channels_first(&down.norm, previous.clone()))
                }
            };
            let visible = visible.map(|v| &v.by_stage[i]);
            if let Some(visible) = visible {
                y = y * visible.clone();
            }
            for (block, drop) in blocks.iter().zip(&mut drops) {
                y = block.dropping_forward(y, visible, drop);
            }
            maps.push(y);
        }
        maps
    }

    /// `norm` of the global average of the last map.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` (the last of [`ConvNext::stages`]) -> `[B, C]`.
    pub fn pooled(&self, last: Tensor<B, 5>) -> Tensor<B, 2> {
        self.norm.forward(global_average(last))
    }
}

/// Mean over space: `[B, C, D, H, W]` -> `[B, C]`.
pub fn global_average<B: Backend>(x: Tensor<B, 5>) -> Tensor<B, 2> {
    let [b, c, d, h, w] = x.dims();
    x.reshape([b, c, d * h * w]).mean_dim(2).reshape([b, c])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;
    use burn_flex::Flex;

    #[test]
    fn sizes_of_a_name_have_their_parameters() {
        assert_eq!(ConvNextConfig::named("mini"), Some(ConvNextConfig::mini()));
        assert_eq!(ConvNextConfig::named("tiny"), Some(ConvNextConfig::tiny()));
        let huge = ConvNext::<Flex>::new(&ConvNextConfig::named("huge").unwrap(), &Default::default());
        assert_eq!(params::values(&huge), 665_176_512);
        assert_eq!(ConvNextConfig::named("giant"), None);
    }
}
