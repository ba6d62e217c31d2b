//! The plain layer of vision transformers: pre-norm attention and feed-forward, no layer scale.

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};

use crate::{
    model::transformer::{Attention, Mlp},
    nn::{drop_path::BlockDrop, kernels::Kernels, layer_norm::layer_norm},
};

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
            attn: Attention::new(dim, device),
            norm2: layer_norm(dim, device),
            mlp: Mlp::new(dim, 4 * dim, device),
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
        x.clone() + drop.apply("mlp", self.mlp.forward(self.norm2.forward(x)))
    }
}
