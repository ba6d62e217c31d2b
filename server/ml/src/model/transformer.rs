//! The plain layer of vision transformers: pre-norm attention and feed-forward, no layer scale.

use crate::nn::precision::affine;
use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};

use super::{
    convnext::{layer_norm, linear},
    vit::{Attention, Mlp},
};
use crate::nn::{drop_path::BlockDrop, gelu::gelu, kernels::Kernels};

/// `x + attention(LN x)`, then `x + mlp(LN x)`.
#[derive(Module, Debug)]
pub struct PlainBlock<B: Backend> {
    pub norm1: LayerNorm<B>,
    pub attn: Attention<B>,
    pub norm2: LayerNorm<B>,
    pub mlp: Mlp<B>,
}

impl<B: Backend> PlainBlock<B> {
    /// A block of zeros for tokens of `dim` values, its feed-forward part four times as wide.
    pub fn new(dim: usize, device: &B::Device) -> Self {
        Self {
            norm1: layer_norm(dim, device),
            attn: Attention { qkv: linear(dim, 3 * dim, device), proj: linear(dim, dim, device), lora: None },
            norm2: layer_norm(dim, device),
            mlp: feed_forward(dim, device),
        }
    }

    /// # Shapes
    /// `[B, N, E]` -> the same; `heads` divides E.
    pub fn forward(&self, x: Tensor<B, 3>, heads: usize) -> Tensor<B, 3>
    where
        B: Kernels,
    {
        self.dropping_forward(x, heads, BlockDrop::NONE)
    }

    /// The same, its branches left out for some samples.
    pub fn dropping_forward(&self, x: Tensor<B, 3>, heads: usize, drop: BlockDrop) -> Tensor<B, 3>
    where
        B: Kernels,
    {
        let mixed = self.attn.forward(self.norm1.forward(x.clone()), heads);
        let x = x + drop.apply("attention", mixed);
        x.clone() + drop.apply("mlp", fed_forward(&self.mlp, self.norm2.forward(x)))
    }
}

/// Two layers of zeros, four times as wide between.
fn feed_forward<B: Backend>(dim: usize, device: &B::Device) -> Mlp<B> {
    Mlp { fc1: linear(dim, 4 * dim, device), fc2: linear(4 * dim, dim, device) }
}

/// Two layers with GELU between.
fn fed_forward<B: Kernels>(mlp: &Mlp<B>, x: Tensor<B, 3>) -> Tensor<B, 3> {
    affine(&mlp.fc2, gelu(affine(&mlp.fc1, x)))
}

/// A map as tokens: `[B, E, D, H, W]` -> `[B, D * H * W, E]`.
pub(super) fn token_rows<B: Backend>(map: Tensor<B, 5>) -> Tensor<B, 3> {
    let [b, e, d, h, w] = map.dims();
    map.reshape([b, e, d * h * w]).swap_dims(1, 2)
}
