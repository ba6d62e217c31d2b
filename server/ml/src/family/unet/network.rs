//! The specialist: a residual 3-D U-Net, trained from random weights for one task.

use burn::module::Module;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::{Tensor, activation::leaky_relu, backend::Backend};

use transferscope_domain::{Head, task::Output};

use super::Size;
use crate::{
    family::TaskNetwork,
    model::{
        features::{LayerRows, octants},
        io::{Input, Outputs, TaskIo},
        label_head::{LabelHead, places},
    },
    nn::{
        Mode,
        conv::SameConv3d,
        drop_path::DropPath,
        kernels::Kernels,
        patch::{PatchConv3d, PatchUp3d},
        rows::group_norm,
    },
};

/// Slope of the rectifier below zero.
const SLOPE: f32 = 0.01;

/// Encoder with residual blocks, decoder with skip connections.
#[derive(Module, Debug)]
pub struct Unet<B: Backend> {
    pub stem: SameConv3d<B>,
    /// At full resolution, where every level has a block.
    pub top: Option<Residual<B>>,
    pub encoder: Vec<Level<B>>,
    /// None for a label of the whole volume.
    pub decoder: Vec<UpLevel<B>>,
    pub out: UnetEnd<B>,
}

/// The last layers.
#[derive(Module, Debug)]
pub enum UnetEnd<B: Backend> {
    /// A sum over channels at full resolution.
    Dense(SameConv3d<B>),
    /// On all levels of the encoder but the finest.
    Label(LabelHead<B>),
}

/// Strided convolution to the next level, then a residual block.
#[derive(Module, Debug)]
pub struct Level<B: Backend> {
    pub down: PatchConv3d<B>,
    pub block: Residual<B>,
}

/// Transposed convolution to the finer level, sum with the skip, then one convolution, and a residual block where every
/// level has one.
#[derive(Module, Debug)]
pub struct UpLevel<B: Backend> {
    pub up: PatchUp3d<B>,
    pub conv: SameConv3d<B>,
    pub norm: GroupNorm<B>,
    pub block: Option<Residual<B>>,
}

/// `act(x + norm(conv(act(norm(conv x)))))`.
#[derive(Module, Debug)]
pub struct Residual<B: Backend> {
    pub conv1: SameConv3d<B>,
    pub norm1: GroupNorm<B>,
    pub conv2: SameConv3d<B>,
    pub norm2: GroupNorm<B>,
}

/// Over groups of maps, or each map for itself.
fn norm<B: Backend>(channels: usize, alone: bool, device: &B::Device) -> GroupNorm<B> {
    let groups = if alone { channels } else { channels.min(8) };
    GroupNormConfig::new(groups, channels).init(device)
}

fn act<B: Backend>(x: Tensor<B, 5>) -> Tensor<B, 5> {
    leaky_relu(x, f64::from(SLOPE))
}

impl<B: Backend> Residual<B> {
    fn new(c: usize, alone: bool, device: &B::Device) -> Self {
        Self {
            conv1: SameConv3d::new(c, c, 3, device),
            norm1: norm(c, alone, device),
            conv2: SameConv3d::new(c, c, 3, device),
            norm2: norm(c, alone, device),
        }
    }

    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let y = group_norm(&self.norm1, self.conv1.forward(x.clone()), SLOPE);
        act(x + group_norm(&self.norm2, self.conv2.forward(y), 1.0))
    }
}

impl<B: Backend> Unet<B> {
    /// A network of zeros, to be filled by [`crate::init`].
    pub fn new(size: &Size, in_channels: usize, out: usize, output: Output, device: &B::Device) -> Self {
        let Size { channels, strides, blocks } = size;
        let block = |c: usize| blocks.then(|| Residual::new(c, *blocks, device));
        let levels = match output {
            Output::Classes | Output::Image => 0..strides.len(),
            Output::Label => 0..0,
        };
        let end = match output {
            Output::Classes | Output::Image => UnetEnd::Dense(SameConv3d::new(channels[0], out, 1, device)),
            // A network of one level is told from that.
            Output::Label => {
                let told = &channels[usize::from(channels.len() > 1)..];
                UnetEnd::Label(LabelHead::compact(told, false, out, device))
            }
        };
        Self {
            stem: SameConv3d::new(in_channels, channels[0], 3, device),
            top: block(channels[0]),
            encoder: (0..strides.len())
                .map(|i| Level {
                    down: PatchConv3d::new(channels[i], channels[i + 1], strides[i], device),
                    block: Residual::new(channels[i + 1], *blocks, device),
                })
                .collect(),
            decoder: levels
                .map(|i| UpLevel {
                    up: PatchUp3d::new(channels[i + 1], channels[i], strides[i], device),
                    conv: SameConv3d::new(channels[i], channels[i], 3, device),
                    norm: norm(channels[i], *blocks, device),
                    block: block(channels[i]),
                })
                .collect(),
            out: end,
        }
    }

    /// The maps of the levels, finest first.
    pub fn levels(&self, x: Tensor<B, 5>) -> Vec<Tensor<B, 5>>
    where
        B: Kernels,
    {
        let first = act(self.stem.forward(x));
        let mut maps = vec![match &self.top {
            Some(top) => top.forward(first),
            None => first,
        }];
        for level in &self.encoder {
            let down = level.down.forward(maps[maps.len() - 1].clone());
            maps.push(level.block.forward(down));
        }
        maps
    }

    /// # Shapes
    /// `[B, C, D, H, W]`, sizes multiples of [`Size::multiple`] -> `[B, out, D, H, W]`, or one voxel for a
    /// label.
    pub fn forward(&self, x: Tensor<B, 5>, keep: Option<&mut LayerRows<B>>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let mut maps = self.levels(x);
        if let Some(layers) = keep {
            layers.extend(rows(&maps));
        }
        let out = match &self.out {
            UnetEnd::Dense(out) => out,
            UnetEnd::Label(head) => {
                let finest = usize::from(maps.len() > 1);
                return head.forward(maps.into_iter().skip(finest).map(places).collect());
            }
        };
        let mut y = maps.remove(self.encoder.len());
        for (skip, level) in maps.into_iter().zip(&self.decoder).rev() {
            let joined = level.up.forward(y) + skip;
            y = group_norm(&level.norm, level.conv.forward(joined), SLOPE);
            if let Some(block) = &level.block {
                y = block.forward(y);
            }
        }
        out.forward(y)
    }
}

/// Features of the levels.
fn rows<B: Backend>(maps: &[Tensor<B, 5>]) -> LayerRows<B> {
    maps.iter().enumerate().map(|(i, map)| (format!("level{i}"), octants(map.clone()))).collect()
}

impl<B: Backend> TaskNetwork<B> for Unet<B> {
    type Size = Size;

    fn build(size: &Size, _head: Head, io: TaskIo, device: &B::Device) -> Self {
        Self::new(size, io.images, io.out, io.output, device)
    }

    fn pass(
        &self,
        input: Input<B>,
        _drop: DropPath,
        _mode: Mode,
        keep: Option<&mut LayerRows<B>>,
    ) -> Outputs<B>
    where
        B: Kernels,
    {
        self.forward(input.volume(), keep).into()
    }

    fn features(&self, input: Input<B>) -> LayerRows<B>
    where
        B: Kernels,
    {
        rows(&self.levels(input.volume()))
    }

    fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>>
    where
        B: Kernels,
    {
        self.levels(input.volume())
    }
}
