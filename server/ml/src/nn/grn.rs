//! Global response normalisation (ConvNeXt-V2).

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Tensor, backend::Backend};

/// `y = gamma * (x * n) + beta + x`, `n = g / (mean over channels of g + 1e-6)`,
/// `g = sqrt(sum over space of x^2)`, per sample and channel.
///
/// # Source
/// Woo et al., "ConvNeXt V2" (2023), equation 3; the additive 1e-6 as in the published code.
#[derive(Module, Debug)]
pub struct Grn<B: Backend> {
    /// `[C]`, zero at the start.
    pub gamma: Param<Tensor<B, 1>>,
    /// `[C]`, zero at the start.
    pub beta: Param<Tensor<B, 1>>,
}

/// Keeps the square root's gradient finite where a channel is all zero.
const TINY: f64 = 1e-24;

impl<B: Backend> Grn<B> {
    pub fn new(channels: usize, device: &B::Device) -> Self {
        Self {
            gamma: Initializer::Zeros.init([channels], device),
            beta: Initializer::Zeros.init([channels], device),
        }
    }

    /// Statistics over the positions of each sample.
    ///
    /// # Shapes
    /// `[B, N, C]` (positions flattened, channels last) -> the same.
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let g = (x.clone().square().sum_dim(1) + TINY).sqrt();
        self.scale(x, g)
    }

    /// Statistics over all positions of the whole batch at once, as the sparse pre-training
    /// engine has them; masked positions must be zero.
    ///
    /// # Shapes
    /// As [`Grn::forward`].
    pub fn forward_over_batch(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let g = (x.clone().square().sum_dim(1).sum_dim(0) + TINY).sqrt();
        self.scale(x, g)
    }

    fn scale(&self, x: Tensor<B, 3>, g: Tensor<B, 3>) -> Tensor<B, 3> {
        let n = g.clone() / (g.mean_dim(2) + 1e-6);
        let c = x.dims()[2];
        let gamma = self.gamma.val().reshape([1, 1, c]);
        let beta = self.beta.val().reshape([1, 1, c]);
        x.clone() * (gamma * n + 1.0) + beta
    }
}
