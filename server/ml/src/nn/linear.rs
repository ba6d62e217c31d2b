//! Linear layers to be filled.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::backend::Backend;

/// A linear layer of zeros, to be filled by [`crate::init`] or a checkpoint.
pub(crate) fn linear<B: Backend>(from: usize, to: usize, device: &B::Device) -> Linear<B> {
    LinearConfig::new(from, to).with_initializer(Initializer::Zeros).init(device)
}
