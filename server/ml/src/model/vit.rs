//! Vision transformer with registers, ProViCNet's backbone.
//!
//! # Source
//! Oquab et al., "DINOv2" (2023); Darcet et al., "Vision Transformers Need Registers" (2023);
//! the axis tokens of ProViCNet. Names follow the published checkpoints.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::convnext::{layer_norm, linear};
use crate::nn::resize::antialiased_bicubic;
use crate::nn::{
    drop_path::{BlockDrop, DropPath},
    gelu::gelu,
    kernels::Kernels,
    lora::{self, AttentionLora, LowRank},
    rows::softmax,
};

/// Size of a backbone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitConfig {
    /// Patches in each direction of the stored position table.
    pub grid: usize,
    /// Pixels of a patch, in each direction.
    pub patch: usize,
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub registers: usize,
}

impl VitConfig {
    /// The size that fine-tunes on two CPU cores.
    pub fn mini() -> Self {
        Self { grid: 12, patch: 14, dim: 96, depth: 4, heads: 3, registers: 4 }
    }
}

/// Three neighbouring slices of one sequence are the input channels.
pub const SLICES: usize = 3;

/// Backbone with the two axis tokens.
#[derive(Module, Debug)]
pub struct Vit<B: Backend> {
    /// `[1, 1, E]`
    pub cls_token: Param<Tensor<B, 3>>,
    /// `[1, registers, E]`
    pub register_tokens: Param<Tensor<B, 3>>,
    /// `[1, 1 + grid * grid, E]`, the class token's first.
    pub pos_embed: Param<Tensor<B, 3>>,
    pub patch_embed: PatchEmbed<B>,
    pub blocks: Vec<Block<B>>,
    pub norm: LayerNorm<B>,
    /// From the slice's index.
    pub axis_pos: Linear<B>,
    /// From the number of slices.
    pub axis_max: Linear<B>,
    grid: usize,
    heads: usize,
}

/// Linear map of patches, stored as the convolution that it is upstream.
#[derive(Module, Debug)]
pub struct PatchEmbed<B: Backend> {
    pub proj: Proj<B>,
}

/// `[E, 3, p, p]` and `[E]`.
#[derive(Module, Debug)]
pub struct Proj<B: Backend> {
    pub weight: Param<Tensor<B, 4>>,
    pub bias: Param<Tensor<B, 1>>,
}

/// `x + ls1 * attention(LN x)`, then `x + ls2 * mlp(LN x)`.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    pub norm1: LayerNorm<B>,
    pub attn: Attention<B>,
    pub ls1: LayerScale<B>,
    pub norm2: LayerNorm<B>,
    pub mlp: Mlp<B>,
    pub ls2: LayerScale<B>,
}

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

/// A factor for each channel, 1 at the start.
#[derive(Module, Debug)]
pub struct LayerScale<B: Backend> {
    pub gamma: Param<Tensor<B, 1>>,
}

impl<B: Backend> Block<B> {
    /// A block of zeros for tokens of `dim` values.
    pub fn new(dim: usize, device: &B::Device) -> Self {
        let scale = || LayerScale { gamma: Initializer::Ones.init([dim], device) };
        Self {
            norm1: layer_norm(dim, device),
            attn: Attention { qkv: linear(dim, 3 * dim, device), proj: linear(dim, dim, device), lora: None },
            ls1: scale(),
            norm2: layer_norm(dim, device),
            mlp: Mlp { fc1: linear(dim, 4 * dim, device), fc2: linear(4 * dim, dim, device) },
            ls2: scale(),
        }
    }

    /// # Shapes
    /// `[S, N, E]` -> the same.
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
        let hidden = gelu(self.mlp.fc1.forward(self.norm2.forward(x.clone())));
        x + drop.apply("mlp", self.mlp.fc2.forward(hidden) * scale(&self.ls2))
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
            let y = rows.clone().matmul(weight);
            let y = match &self.qkv.bias {
                Some(bias) => y + bias.val().slice(i * e..(i + 1) * e).reshape([1, e]),
                None => y,
            };
            lora::with(addition, rows.clone(), y).reshape([b, n, heads, size]).swap_dims(1, 2)
        };
        let (q, k, v) = (part(0, lora.map(|l| &l.q)), part(1, None), part(2, lora.map(|l| &l.v)));
        let scores = (q * (size as f64).powf(-0.5)).matmul(k.swap_dims(2, 3));
        let mixed = softmax(scores).matmul(v);
        self.proj.forward(mixed.swap_dims(1, 2).reshape([b, n, e]))
    }
}

/// What a backbone gives for a batch of slices.
pub struct VitOutput<B: Backend> {
    /// Normalised patch tokens as a map, `[S, E, rows, columns]`.
    pub map: Tensor<B, 4>,
    /// Tokens after each block, before the final norm: `[S, N, E]` each.
    pub blocks: Vec<Tensor<B, 3>>,
    /// All tokens after the final norm, `[S, N, E]`; patches are the last rows * columns.
    pub tokens: Tensor<B, 3>,
}

impl<B: Backend> Vit<B> {
    /// A backbone of zeros, to be filled by [`crate::init`] or a checkpoint.
    pub fn new(config: &VitConfig, device: &B::Device) -> Self {
        let (e, p) = (config.dim, config.patch);
        Self {
            cls_token: Initializer::Zeros.init([1, 1, e], device),
            register_tokens: Initializer::Zeros.init([1, config.registers, e], device),
            pos_embed: Initializer::Zeros.init([1, 1 + config.grid * config.grid, e], device),
            patch_embed: PatchEmbed {
                proj: Proj {
                    weight: Initializer::Zeros.init([e, SLICES, p, p], device),
                    bias: Initializer::Zeros.init([e], device),
                },
            },
            blocks: (0..config.depth).map(|_| Block::new(e, device)).collect(),
            norm: layer_norm(e, device),
            axis_pos: linear(1, e, device),
            axis_max: linear(1, e, device),
            grid: config.grid,
            heads: config.heads,
        }
    }

    /// Gives every attention layer low-rank additions of zeros.
    pub fn with_lora(mut self, rank: usize, device: &B::Device) -> Self {
        let dim = self.pos_embed.dims()[2];
        for block in &mut self.blocks {
            block.attn.lora = Some(AttentionLora::new(dim, rank, device));
        }
        self
    }

    /// Tokens in front of the patches: class, registers, slice index, slice count.
    fn prefix(&self) -> usize {
        1 + self.register_tokens.dims()[1] + 2
    }

    /// The position table of the patches, resized to `rows x columns`: `[1, rows * columns, E]`.
    fn patch_positions(&self, rows: usize, columns: usize) -> Tensor<B, 3> {
        let e = self.pos_embed.dims()[2];
        let g = self.grid;
        let table = self.pos_embed.val().slice([0..1, 1..1 + g * g, 0..e]);
        if (rows, columns) == (g, g) {
            return table;
        }
        let device = table.device();
        let matrix = |to: usize| {
            Tensor::<B, 2>::from_data(TensorData::new(antialiased_bicubic(g, to), [to, g]), &device)
        };
        // Columns first, then rows, as upstream does.
        let by_row = table.reshape([g, g, e]);
        let wide = matrix(columns).unsqueeze::<3>().expand([g, columns, g]).matmul(by_row);
        let tall = matrix(rows).matmul(wide.reshape([g, columns * e]));
        tall.reshape([1, rows * columns, e])
    }

    /// # Shapes
    /// `x [S, 3, rows * p, columns * p]`, `axis [S, 2]` (slice index, slice count).
    pub fn forward(&self, x: Tensor<B, 4>, axis: Tensor<B, 2>) -> VitOutput<B>
    where
        B: Kernels,
    {
        self.dropping_forward(x, axis, DropPath::NONE)
    }

    /// [`Vit::forward`] in a training step.
    pub fn dropping_forward(&self, x: Tensor<B, 4>, axis: Tensor<B, 2>, drop: DropPath) -> VitOutput<B>
    where
        B: Kernels,
    {
        let [e, c, p, _] = self.patch_embed.proj.weight.dims();
        let [s, _, height, width] = x.dims();
        let (rows, columns) = (height / p, width / p);
        let patches = x
            .reshape([s, c, rows, p, columns, p])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([s * rows * columns, c * p * p]);
        let weight = self.patch_embed.proj.weight.val().reshape([e, c * p * p]).transpose();
        let patches = patches.matmul(weight) + self.patch_embed.proj.bias.val().reshape([1, e]);
        let patches = patches.reshape([s, rows * columns, e]) + self.patch_positions(rows, columns);
        let cls = self.cls_token.val() + self.pos_embed.val().slice([0..1, 0..1, 0..e]);
        let registers = self.register_tokens.dims()[1];
        let axis_token = |layer: &Linear<B>, column: usize| {
            layer.forward(axis.clone().slice([0..s, column..column + 1])).reshape([s, 1, e])
        };
        let mut x = Tensor::cat(
            vec![
                cls.expand([s, 1, e]),
                self.register_tokens.val().expand([s, registers, e]),
                axis_token(&self.axis_pos, 0),
                axis_token(&self.axis_max, 1),
                patches,
            ],
            1,
        );
        let mut blocks = Vec::with_capacity(self.blocks.len());
        let count = self.blocks.len();
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.dropping_forward(x, self.heads, drop.block(i, count));
            blocks.push(x.clone());
        }
        let tokens = self.norm.forward(x);
        let prefix = self.prefix();
        let map = tokens
            .clone()
            .slice([0..s, prefix..prefix + rows * columns, 0..e])
            .swap_dims(1, 2)
            .reshape([s, e, rows, columns]);
        VitOutput { map, blocks, tokens }
    }
}
