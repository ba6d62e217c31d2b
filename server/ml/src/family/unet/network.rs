//! The specialist: a residual 3-D U-Net, trained from random weights for one task.

use burn::module::Module;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::{Tensor, activation::leaky_relu, backend::Backend};

use transferscope_domain::{Head, task::Output};

use super::OneSize;
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

/// Channels by level; strides between levels are 2 in each direction but the first, which keeps
/// the slices apart (voxels are three times as thick as wide).
const CHANNELS: [usize; 4] = [8, 16, 32, 64];
const STRIDES: [[usize; 3]; 3] = [[1, 2, 2], [2, 2, 2], [2, 2, 2]];

/// Slope of the rectifier below zero.
const SLOPE: f32 = 0.01;

/// Voxels, by axis, that an input must be a multiple of.
pub const MULTIPLE: [usize; 3] = [4, 8, 8];

/// Encoder with residual blocks, decoder with skip connections.
#[derive(Module, Debug)]
pub struct Unet<B: Backend> {
    pub stem: SameConv3d<B>,
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

/// Transposed convolution to the finer level, sum with the skip, then one convolution.
#[derive(Module, Debug)]
pub struct UpLevel<B: Backend> {
    pub up: PatchUp3d<B>,
    pub conv: SameConv3d<B>,
    pub norm: GroupNorm<B>,
}

/// `act(x + norm(conv(act(norm(conv x)))))`.
#[derive(Module, Debug)]
pub struct Residual<B: Backend> {
    pub conv1: SameConv3d<B>,
    pub norm1: GroupNorm<B>,
    pub conv2: SameConv3d<B>,
    pub norm2: GroupNorm<B>,
}

fn norm<B: Backend>(channels: usize, device: &B::Device) -> GroupNorm<B> {
    GroupNormConfig::new(channels.min(8), channels).init(device)
}

fn act<B: Backend>(x: Tensor<B, 5>) -> Tensor<B, 5> {
    leaky_relu(x, f64::from(SLOPE))
}

impl<B: Backend> Residual<B> {
    fn new(c: usize, device: &B::Device) -> Self {
        Self {
            conv1: SameConv3d::new(c, c, 3, device),
            norm1: norm(c, device),
            conv2: SameConv3d::new(c, c, 3, device),
            norm2: norm(c, device),
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
    pub fn new(in_channels: usize, out: usize, output: Output, device: &B::Device) -> Self {
        let levels = match output {
            Output::Classes | Output::Image => 0..3,
            Output::Label => 0..0,
        };
        let end = match output {
            Output::Classes | Output::Image => UnetEnd::Dense(SameConv3d::new(CHANNELS[0], out, 1, device)),
            Output::Label => UnetEnd::Label(LabelHead::compact(&CHANNELS[1..], false, out, device)),
        };
        Self {
            stem: SameConv3d::new(in_channels, CHANNELS[0], 3, device),
            encoder: (0..3)
                .map(|i| Level {
                    down: PatchConv3d::new(CHANNELS[i], CHANNELS[i + 1], STRIDES[i], device),
                    block: Residual::new(CHANNELS[i + 1], device),
                })
                .collect(),
            decoder: levels
                .map(|i| UpLevel {
                    up: PatchUp3d::new(CHANNELS[i + 1], CHANNELS[i], STRIDES[i], device),
                    conv: SameConv3d::new(CHANNELS[i], CHANNELS[i], 3, device),
                    norm: norm(CHANNELS[i], device),
                })
                .collect(),
            out: end,
        }
    }

    /// The maps of the four levels, finest first.
    pub fn levels(&self, x: Tensor<B, 5>) -> Vec<Tensor<B, 5>>
    where
        B: Kernels,
    {
        let mut maps = vec![act(self.stem.forward(x))];
        for level in &self.encoder {
            let down = level.down.forward(maps[maps.len() - 1].clone());
            maps.push(level.block.forward(down));
        }
        maps
    }

    /// # Shapes
    /// `[B, C, D, H, W]`, sizes multiples of [`MULTIPLE`] -> `[B, out, D, H, W]`, or one voxel for a
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
                return head.forward(maps.into_iter().skip(1).map(places).collect());
            }
        };
        let mut y = maps.remove(3);
        for (skip, level) in maps.into_iter().zip(&self.decoder).rev() {
            let joined = level.up.forward(y) + skip;
            y = group_norm(&level.norm, level.conv.forward(joined), SLOPE);
        }
        out.forward(y)
    }
}

/// Features of the levels.
fn rows<B: Backend>(maps: &[Tensor<B, 5>]) -> LayerRows<B> {
    maps.iter().enumerate().map(|(i, map)| (format!("level{i}"), octants(map.clone()))).collect()
}

impl<B: Backend> TaskNetwork<B> for Unet<B> {
    type Size = OneSize;

    fn build(_size: &OneSize, _head: Head, io: TaskIo, device: &B::Device) -> Self {
        Self::new(io.images, io.out, io.output, device)
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
