//! One layer of a vision transformer: attention and feed-forward, each with a residual.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Tensor, activation::silu, backend::Backend};

use crate::{
    model::transformer::{Attention, Mlp},
    nn::{drop_path::BlockDrop, kernels::Kernels, layer_norm::layer_norm, linear::linear, precision::affine},
};

/// `x + ls1 * attention(LN x)`, then `x + ls2 * mlp(LN x)`.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    pub norm1: LayerNorm<B>,
    pub attn: Attention<B>,
    pub ls1: LayerScale<B>,
    pub norm2: LayerNorm<B>,
    pub mlp: FeedForward<B>,
    pub ls2: LayerScale<B>,
}

/// How a feed-forward part is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForwardKind {
    /// [`Mlp`]
    Gelu,
    /// [`SwiGlu`], of DINOv2's largest size.
    SwiGlu,
}

/// The feed-forward part; named `mlp` in checkpoints whichever it is.
#[derive(Module, Debug)]
pub enum FeedForward<B: Backend> {
    Gelu(Mlp<B>),
    SwiGlu(SwiGlu<B>),
}

/// `w3(silu(a) * b)` where `w12` gives `a` and `b` side by side.
///
/// # Source
/// Shazeer, "GLU Variants Improve Transformer" (2020), as DINOv2 fuses its first two matrices.
#[derive(Module, Debug)]
pub struct SwiGlu<B: Backend> {
    pub w12: Linear<B>,
    pub w3: Linear<B>,
}

/// A factor for each channel, 1 at the start.
#[derive(Module, Debug)]
pub struct LayerScale<B: Backend> {
    pub gamma: Param<Tensor<B, 1>>,
}

impl<B: Backend> Block<B> {
    /// A block of zeros for tokens of `dim` values, its feed-forward part four times as wide.
    pub fn new(dim: usize, device: &B::Device) -> Self {
        Self::with(dim, FeedForwardKind::Gelu, 4 * dim, device)
    }

    /// A block of zeros for tokens of `dim` values, `hidden` of them inside the feed-forward part.
    pub fn with(dim: usize, kind: FeedForwardKind, hidden: usize, device: &B::Device) -> Self {
        let scale = || LayerScale { gamma: Initializer::Ones.init([dim], device) };
        Self {
            norm1: layer_norm(dim, device),
            attn: Attention::new(dim, device),
            ls1: scale(),
            norm2: layer_norm(dim, device),
            mlp: match kind {
                FeedForwardKind::Gelu => FeedForward::Gelu(Mlp::new(dim, hidden, device)),
                FeedForwardKind::SwiGlu => FeedForward::SwiGlu(SwiGlu {
                    w12: linear(dim, 2 * hidden, device),
                    w3: linear(hidden, dim, device),
                }),
            },
            ls2: scale(),
        }
    }

    /// # Shapes
    /// `[S, N, E]` -> the same; `heads` divides E.
    pub fn forward(&self, x: Tensor<B, 3>, heads: usize) -> Tensor<B, 3>
    where
        B: Kernels,
    {
        self.dropping_forward(x, heads, BlockDrop::NONE)
    }

    /// [`Block::forward`] in a training step.
    pub fn dropping_forward(&self, x: Tensor<B, 3>, heads: usize, drop: BlockDrop) -> Tensor<B, 3>
    where
        B: Kernels,
    {
        let e = x.dims()[2];
        let scale = |s: &LayerScale<B>| s.gamma.val().reshape([1, 1, e]);
        let mixed = self.attn.forward(self.norm1.forward(x.clone()), heads) * scale(&self.ls1);
        let x = x + drop.apply("attention", mixed);
        let fed = self.mlp.forward(self.norm2.forward(x.clone())) * scale(&self.ls2);
        x + drop.apply("mlp", fed)
    }
}

impl<B: Kernels> FeedForward<B> {
    /// # Shapes
    /// `[S, N, E]` -> the same.
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        match self {
            Self::Gelu(mlp) => mlp.forward(x),
            Self::SwiGlu(glu) => {
                let [gate, value] = affine(&glu.w12, x).chunk(2, 2).try_into().expect("halves of a vector");
                affine(&glu.w3, silu(gate) * value)
            }
        }
    }
}
