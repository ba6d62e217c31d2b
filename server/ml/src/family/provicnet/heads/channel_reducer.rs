//! The sum over channels in front of ProViCNet's ultrasound encoder.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use crate::nn::{conv::SameConv2d, kernels::Kernels};

/// A convolution of one pixel from all slices of a window to the three channels of the backbone.
#[derive(Module, Debug)]
pub struct ChannelReducer<B: Backend> {
    pub reduce_channels: SameConv2d<B>,
}

impl<B: Backend> ChannelReducer<B> {
    /// A layer of zeros.
    pub fn new(from: usize, to: usize, device: &B::Device) -> Self {
        Self { reduce_channels: SameConv2d::new(from, to, 1, device) }
    }

    /// # Shapes
    /// `[S, from, H, W]` -> `[S, to, H, W]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        self.reduce_channels.forward(x)
    }
}
