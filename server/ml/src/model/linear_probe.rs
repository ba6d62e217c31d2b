//! The head of linear probing: one linear layer on an encoder's last features.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use crate::nn::{
    patch::PatchConv3d,
    resize::{linear, resize_axes},
};

/// A 1x1x1 convolution, its result enlarged linearly to the size of the input.
#[derive(Module, Debug)]
pub struct LinearProbe<B: Backend> {
    pub linear: PatchConv3d<B>,
}

impl<B: Backend> LinearProbe<B> {
    /// A head of zeros, to be filled by [`crate::init`].
    pub fn new(features: usize, out: usize, device: &B::Device) -> Self {
        Self { linear: PatchConv3d::new(features, out, [1; 3], device) }
    }

    /// # Shapes
    /// `features [B, C, d, h, w]`, `size` D, H, W -> `[B, out, D, H, W]`.
    pub fn forward(&self, features: Tensor<B, 5>, size: [usize; 3]) -> Tensor<B, 5> {
        resize_axes(self.linear.forward(features), size, linear)
    }
}
