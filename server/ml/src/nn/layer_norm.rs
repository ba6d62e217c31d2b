//! Layer normalisation over the channels of volumes and images.

use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Tensor, backend::Backend};

/// Layer normalisation with the eps of all families, 1e-6.
pub fn layer_norm<B: Backend>(channels: usize, device: &B::Device) -> LayerNorm<B> {
    LayerNormConfig::new(channels).with_epsilon(1e-6).init(device)
}

/// Channels that a normalisation is for.
pub fn width<B: Backend>(norm: &LayerNorm<B>) -> usize {
    norm.gamma.dims()[0]
}

/// Normalises the channels of every voxel.
///
/// # Shapes
/// `[B, C, D, H, W]` -> the same.
pub fn channels_first<B: Backend>(norm: &LayerNorm<B>, x: Tensor<B, 5>) -> Tensor<B, 5> {
    let (flat, back) = to_channels_last(x);
    from_channels_last(norm.forward(flat), back)
}

/// Spatial sizes to go back with.
#[derive(Clone, Copy)]
pub struct Space([usize; 3]);

/// `[B, C, D, H, W]` -> `[B, D*H*W, C]`.
pub fn to_channels_last<B: Backend>(x: Tensor<B, 5>) -> (Tensor<B, 3>, Space) {
    let [b, c, d, h, w] = x.dims();
    (x.reshape([b, c, d * h * w]).swap_dims(1, 2), Space([d, h, w]))
}

/// `[B, D*H*W, C]` -> `[B, C, D, H, W]`.
pub fn from_channels_last<B: Backend>(x: Tensor<B, 3>, Space([d, h, w]): Space) -> Tensor<B, 5> {
    let [b, _, c] = x.dims();
    x.swap_dims(1, 2).reshape([b, c, d, h, w])
}
