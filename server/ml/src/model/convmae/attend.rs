//! ConvMAE's transformer layer, whose keys and values may come from other tokens.

use crate::nn::precision::{affine, product};
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Tensor, backend::Backend};

use crate::{
    model::{
        convnext::linear,
        transformer::{fed_forward, feed_forward},
        vit::Mlp,
    },
    nn::{kernels::Kernels, rows::softmax},
};

/// `x + attention(LN x, context)`, then `x + mlp(LN x)`.
#[derive(Module, Debug)]
pub struct AttendBlock<B: Backend> {
    pub norm1: LayerNorm<B>,
    pub attn: Attend<B>,
    pub norm2: LayerNorm<B>,
    pub mlp: Mlp<B>,
}

/// Multi-head attention with one matrix for queries and one for keys and values.
#[derive(Module, Debug)]
pub struct Attend<B: Backend> {
    pub q: Linear<B>,
    pub kv: Linear<B>,
    pub proj: Linear<B>,
}

/// Layer normalisation with PyTorch's own eps, 1e-5.
pub(super) fn layer_norm_5<B: Backend>(dim: usize, device: &B::Device) -> LayerNorm<B> {
    LayerNormConfig::new(dim).with_epsilon(1e-5).init(device)
}

impl<B: Backend> AttendBlock<B> {
    /// A block of zeros for tokens of `dim` values.
    pub fn new(dim: usize, device: &B::Device) -> Self {
        Self {
            norm1: layer_norm_5(dim, device),
            attn: Attend {
                q: linear(dim, dim, device),
                kv: linear(dim, 2 * dim, device),
                proj: linear(dim, dim, device),
            },
            norm2: layer_norm_5(dim, device),
            mlp: feed_forward(dim, device),
        }
    }
}

impl<B: Kernels> AttendBlock<B> {
    /// Tokens look at each other.
    ///
    /// # Shapes
    /// `[B, N, E]` -> the same; `heads` divides E.
    pub fn attend_self(&self, x: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
        let normed = self.norm1.forward(x.clone());
        self.rest(x, normed.clone(), normed, heads)
    }

    /// Tokens look at those of `context`, which is not normalised.
    ///
    /// # Shapes
    /// `x [B, N, E]`, `context [B, M, E]` -> `[B, N, E]`.
    pub fn attend(&self, x: Tensor<B, 3>, context: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
        let normed = self.norm1.forward(x.clone());
        self.rest(x, normed, context, heads)
    }

    fn rest(
        &self,
        x: Tensor<B, 3>,
        queries: Tensor<B, 3>,
        context: Tensor<B, 3>,
        heads: usize,
    ) -> Tensor<B, 3> {
        let x = x + self.attn.forward(queries, context, heads);
        x.clone() + fed_forward(&self.mlp, self.norm2.forward(x))
    }
}

impl<B: Kernels> Attend<B> {
    fn forward(&self, queries: Tensor<B, 3>, context: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
        let ([b, n, e], [_, m, _]) = (queries.dims(), context.dims());
        let size = e / heads;
        let apart = |x: Tensor<B, 3>, n| x.reshape([b, n, heads, size]).swap_dims(1, 2);
        let q = apart(affine(&self.q, queries) * (size as f64).powf(-0.5), n);
        let both = affine(&self.kv, context);
        let k = apart(both.clone().slice([0..b, 0..m, 0..e]), m);
        let v = apart(both.slice([0..b, 0..m, e..2 * e]), m);
        let mixed = product(softmax(product(q, k.swap_dims(2, 3))), v);
        affine(&self.proj, mixed.swap_dims(1, 2).reshape([b, n, e]))
    }
}
