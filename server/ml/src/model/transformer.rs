//! Parts of transformer blocks, which families share, and how their layers are numbered.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Tensor, backend::Backend};

use crate::nn::{
    attention::attention,
    gelu::gelu,
    kernels::Kernels,
    linear::linear,
    lora::{self, AttentionLora, LowRank},
    precision::{affine, product},
};

/// Multi-head self-attention with one matrix for queries, keys and values.
#[derive(Module, Debug)]
pub struct Attention<B: Backend> {
    pub qkv: Linear<B>,
    pub proj: Linear<B>,
    /// Fine-tuning with LoRA only.
    pub lora: Option<AttentionLora<B>>,
}

/// Two layers with GELU between.
#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    pub fc1: Linear<B>,
    pub fc2: Linear<B>,
}

impl<B: Backend> Attention<B> {
    /// Layers of zeros for tokens of `dim` values.
    pub fn new(dim: usize, device: &B::Device) -> Self {
        Self { qkv: linear(dim, 3 * dim, device), proj: linear(dim, dim, device), lora: None }
    }
}

impl<B: Kernels> Attention<B> {
    /// # Shapes
    /// `[S, N, E]` -> the same.
    pub fn forward(&self, x: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
        let [b, n, e] = x.dims();
        let size = e / heads;
        // Three products with parts of the matrix: cheaper than cutting the large result apart.
        let rows = x.reshape([b * n, e]);
        let lora = self.lora.as_ref();
        let part = |i: usize, addition: Option<&LowRank<B>>| {
            let weight = self.qkv.weight.val().slice([0..e, i * e..(i + 1) * e]);
            let y = product(rows.clone(), weight);
            let y = match &self.qkv.bias {
                Some(bias) => y + bias.val().slice(i * e..(i + 1) * e).reshape([1, e]),
                None => y,
            };
            lora::with(addition, rows.clone(), y).reshape([b, n, heads, size]).swap_dims(1, 2)
        };
        let (q, k, v) = (part(0, lora.map(|l| &l.q)), part(1, None), part(2, lora.map(|l| &l.v)));
        let mixed = attention(q * (size as f64).powf(-0.5), k, v);
        affine(&self.proj, mixed.swap_dims(1, 2).reshape([b, n, e]))
    }
}

impl<B: Backend> Mlp<B> {
    /// Layers of zeros for tokens of `dim` values, `hidden` between.
    pub fn new(dim: usize, hidden: usize, device: &B::Device) -> Self {
        Self { fc1: linear(dim, hidden, device), fc2: linear(hidden, dim, device) }
    }
}

impl<B: Kernels> Mlp<B> {
    /// # Shapes
    /// `[S, N, E]` -> the same.
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        affine(&self.fc2, gelu(affine(&self.fc1, x)))
    }
}

/// The layer of a parameter of a transformer with so many blocks, by its name within the encoder: patches, tokens
/// and tables come before the first block, and the last norm after all of them.
///
/// # Source
/// MAE's rule for layer-wise learning rates.
pub fn layer(depth: usize, inside: &str) -> usize {
    let mut parts = inside.split('.');
    match parts.next() {
        Some("blocks") => parts.next().and_then(|n| n.parse::<usize>().ok()).map_or(0, |i| i + 1),
        Some("norm") => depth + 1,
        _ => 0,
    }
}
