//! The residual image head of restoration, the same for every foundation family: the dense head's
//! maps and the input itself, through in-plane convolutions at full resolution.
//!
//! Restoration is decided by detail of a few pixels, which an encoder with patches of four to
//! eight pixels has given away; the maps say what is there, this head puts the detail back. The
//! kernels lie in the slice because that is where the image was degraded, and cost a third of
//! cubic ones.

use burn::module::Module;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::io::Outputs;
use crate::nn::{conv::SameConv2d, kernels::Kernels, rows::group_norm};

/// Maps that a dense head hands to this one.
pub const MAPS: usize = 8;
/// Channels between its convolutions.
const WIDTH: usize = 16;

/// How loud the maps are beside the input when training begins: the sums of a pyramid over four levels have no detail
/// and drown the input's, and then a few epochs do not find it.
const MAPS_SCALE: f64 = 0.1;

/// Two normalised 3x3 convolutions and a sum over channels.
#[derive(Module, Debug)]
pub struct ImageHead<B: Backend> {
    pub conv1: SameConv2d<B>,
    pub norm1: GroupNorm<B>,
    pub conv2: SameConv2d<B>,
    pub norm2: GroupNorm<B>,
    pub out: SameConv2d<B>,
}

impl<B: Backend> ImageHead<B> {
    /// A head of zeros for inputs of `channels` channels, to be filled by [`crate::init`].
    pub fn new(channels: usize, out: usize, device: &B::Device) -> Self {
        let norm = || GroupNormConfig::new(WIDTH / 2, WIDTH).init(device);
        Self {
            conv1: SameConv2d::new(MAPS + channels, WIDTH, 3, device),
            norm1: norm(),
            conv2: SameConv2d::new(WIDTH, WIDTH, 3, device),
            norm2: norm(),
            out: SameConv2d::new(WIDTH, out, 1, device),
        }
    }

    /// What is to be added to the degraded image; without an image head, the maps as they are.
    ///
    /// # Shapes
    /// As [`Self::forward`].
    pub fn finish(head: &Option<Self>, maps: Tensor<B, 5>, input: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        match head {
            Some(head) => head.forward(maps, input),
            None => maps,
        }
    }

    /// The same of all that a dense head gives; a second head's maps are no image.
    ///
    /// # Shapes
    /// As [`Self::forward`].
    pub fn after(head: &Option<Self>, out: Outputs<B>, input: Tensor<B, 5>) -> Outputs<B>
    where
        B: Kernels,
    {
        match head {
            Some(head) => head.forward(out.main, input).into(),
            None => out,
        }
    }

    /// What is to be added to the degraded image.
    ///
    /// # Shapes
    /// `maps [B, 8, D, H, W]`, `input [B, channels, D, H, W]` -> `[B, out, D, H, W]`.
    pub fn forward(&self, maps: Tensor<B, 5>, input: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let x = Tensor::cat(vec![maps * MAPS_SCALE, input], 1);
        let x = group_norm(&self.norm1, self.conv1.forward_slices(x), 0.0);
        let x = group_norm(&self.norm2, self.conv2.forward_slices(x), 0.0);
        self.out.forward_slices(x)
    }
}
