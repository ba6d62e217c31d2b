//! Batch normalisation as PyTorch has it.

use burn::module::{Module, Param, RunningState};
use burn::nn::Initializer;
use burn::tensor::{Tensor, backend::Backend};

use super::Mode;

/// Share of a new batch in the running statistics.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// `(x - mean) / sqrt(var + 1e-5) * gamma + beta` by channel.
///
/// In training, mean and biased variance are those of the batch, and the running statistics move a tenth
/// of the way to them (with the unbiased variance, where burn's own layer keeps the biased one); in
/// evaluation, and where a batch has a single value a channel and so no variance, the running statistics
/// are used. The mode is said by the caller, since a frozen
/// encoder evaluates while its head trains.
#[derive(Module, Debug)]
pub struct BatchNorm<B: Backend> {
    /// `[C]`
    pub gamma: Param<Tensor<B, 1>>,
    /// `[C]`
    pub beta: Param<Tensor<B, 1>>,
    /// `[C]`
    pub running_mean: RunningState<Tensor<B, 1>>,
    /// `[C]`
    pub running_var: RunningState<Tensor<B, 1>>,
}

impl<B: Backend> BatchNorm<B> {
    pub fn new(channels: usize, device: &B::Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([channels], device),
            beta: Initializer::Zeros.init([channels], device),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
        }
    }

    /// # Shapes
    /// `[B, C, ...]` -> the same.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>, mode: Mode) -> Tensor<B, D> {
        let dims = x.dims();
        let channels = dims[1];
        let mut by_channel = [1; D];
        by_channel[1] = channels;
        let n = dims.iter().product::<usize>() / channels;
        let (mean, variance) = match mode {
            Mode::Train if n > 1 => {
                let flat = x.clone().swap_dims(0, 1).reshape([channels, n]);
                let mean = flat.clone().mean_dim(1);
                let variance = (flat - mean.clone()).square().mean_dim(1).reshape([channels]);
                let mean = mean.reshape([channels]);
                let unbiased = variance.clone().detach() * (n as f64 / (n - 1) as f64);
                for (state, new) in
                    [(&self.running_mean, mean.clone().detach()), (&self.running_var, unbiased)]
                {
                    state.update(state.value() * (1.0 - MOMENTUM) + new * MOMENTUM);
                    // What was updated is what `value` and a visit see from now on.
                    state.value_sync();
                }
                (mean, variance)
            }
            Mode::Train | Mode::Eval => (self.running_mean.value(), self.running_var.value()),
        };
        let scale = self.gamma.val() / (variance + EPSILON).sqrt();
        let shift = self.beta.val() - mean * scale.clone();
        x * scale.reshape(by_channel) + shift.reshape(by_channel)
    }
}
