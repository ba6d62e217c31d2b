//! Vision transformer in two dimensions, ProViCNet's backbone: DINOv2 in all its sizes, with or
//! without registers, and with further tokens between the registers and the patches.
//!
//! # Source
//! Oquab et al., "DINOv2" (2023); Darcet et al., "Vision Transformers Need Registers" (2023);
//! the axis tokens of ProViCNet. Names follow the published checkpoints.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Int, Tensor, backend::Backend};

use crate::{
    family::ModuleNames,
    nn::{
        drop_path::DropPath, kernels::Kernels, layer_norm::layer_norm, linear::linear, lora::AttentionLora,
        precision::product,
    },
};

pub mod block;
mod config;
mod positions;

pub use block::{Block, FeedForward, FeedForwardKind};
pub use config::{DinoSize, VitConfig};
pub use positions::PositionResize;

/// Backbone.
#[derive(Module, Debug)]
pub struct Vit<B: Backend> {
    /// `[1, 1, E]`
    pub cls_token: Param<Tensor<B, 3>>,
    /// `[1, 1 + grid * grid, E]`, the class token's first.
    pub pos_embed: Param<Tensor<B, 3>>,
    /// `[1, registers, E]`
    pub register_tokens: Option<Param<Tensor<B, 3>>>,
    /// `[1, E]`, unused
    pub mask_token: Option<Param<Tensor<B, 2>>>,
    pub patch_embed: PatchEmbed<B>,
    pub blocks: Vec<Block<B>>,
    pub norm: LayerNorm<B>,
    /// From the slice's index.
    pub axis_pos: Option<Linear<B>>,
    /// From the number of slices.
    pub axis_max: Option<Linear<B>>,
    /// From the kind of image, one-hot.
    pub modal: Option<Linear<B>>,
    grid: usize,
    heads: usize,
    #[module(skip)]
    positions: PositionResize,
}

/// Its tokens and its table of positions are learnt.
pub(crate) const NAMES: ModuleNames = ModuleNames {
    module: "Vit",
    parts: &[],
    tokens: &["cls_token", "pos_embed", "register_tokens", "mask_token"],
};

/// Linear map of patches, stored as the convolution that it is upstream.
#[derive(Module, Debug)]
pub struct PatchEmbed<B: Backend> {
    pub proj: Proj<B>,
}

/// `[E, C, p, p]` and `[E]`.
#[derive(Module, Debug)]
pub struct Proj<B: Backend> {
    pub weight: Param<Tensor<B, 4>>,
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> PatchEmbed<B> {
    /// # Shapes
    /// `[S, C, rows * p, columns * p]` -> `[S, rows * columns, E]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 3> {
        let [e, c, p, _] = self.proj.weight.dims();
        let [s, _, height, width] = x.dims();
        let (rows, columns) = (height / p, width / p);
        let patches = x
            .reshape([s, c, rows, p, columns, p])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([s * rows * columns, c * p * p]);
        let weight = self.proj.weight.val().reshape([e, c * p * p]).transpose();
        let patches = product(patches, weight) + self.proj.bias.val().reshape([1, e]);
        patches.reshape([s, rows * columns, e])
    }
}

/// Tokens of a layer's answers, in order: `[S, k]` each gives `[S, 1, E]`, joined.
pub fn tokens_of<B: Backend>(layers: Vec<(&Linear<B>, Tensor<B, 2>)>) -> Tensor<B, 3> {
    Tensor::cat(layers.into_iter().map(|(layer, x)| layer.forward(x).unsqueeze_dim(1)).collect(), 1)
}

/// The two columns of `axis [S, 2]`: slice index and slice count, `[S, 1]` each.
pub fn index_and_count<B: Backend>(axis: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
    [axis.clone().narrow(1, 0, 1), axis.narrow(1, 1, 1)]
}

/// What a backbone gives for a batch of slices.
#[derive(Debug, Clone)]
pub struct VitOutput<B: Backend> {
    /// Normalised patch tokens as a map, `[S, E, rows, columns]`.
    pub map: Tensor<B, 4>,
    /// All tokens after the final norm, `[S, N, E]`: class, registers, further ones, patches.
    pub tokens: Tensor<B, 3>,
    /// How many tokens of each kind there are but for the class.
    pub counts: TokenCounts,
}

/// Tokens of each kind that come after the class token, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCounts {
    pub registers: usize,
    pub further: usize,
    pub patches: usize,
}

impl<B: Backend> VitOutput<B> {
    /// `[S, E]`
    pub fn class(&self) -> Tensor<B, 2> {
        self.tokens.clone().narrow(1, 0, 1).squeeze_dim(1)
    }

    /// `[S, registers, E]`; none where the backbone has none.
    pub fn registers(&self) -> Option<Tensor<B, 3>> {
        self.part(1, self.counts.registers)
    }

    /// `[S, further, E]`; none where none were given.
    pub fn further(&self) -> Option<Tensor<B, 3>> {
        self.part(1 + self.counts.registers, self.counts.further)
    }

    /// `[S, rows * columns, E]`
    pub fn patches(&self) -> Tensor<B, 3> {
        let TokenCounts { registers, further, patches } = self.counts;
        self.tokens.clone().narrow(1, 1 + registers + further, patches)
    }

    fn part(&self, start: usize, n: usize) -> Option<Tensor<B, 3>> {
        (n > 0).then(|| self.tokens.clone().narrow(1, start, n))
    }
}

/// A forward pass with everything on the way.
#[derive(Debug, Clone)]
pub struct VitTrace<B: Backend> {
    /// Patches before positions are added, `[S, rows * columns, E]`.
    pub patch_embed: Tensor<B, 3>,
    /// All tokens before the first block, `[S, N, E]`.
    pub tokens_in: Tensor<B, 3>,
    /// All tokens after each block, before the final norm: `[S, N, E]` each.
    pub blocks: Vec<Tensor<B, 3>>,
    pub output: VitOutput<B>,
}

impl<B: Backend> Vit<B> {
    /// A backbone of zeros, to be filled by [`crate::init`] or a checkpoint.
    pub fn new(config: &VitConfig, device: &B::Device) -> Self {
        let (e, p) = (config.dim, config.patch);
        let zeros = |shape: [usize; 3]| Initializer::Zeros.init(shape, device);
        let block = || Block::with(e, config.feed_forward, config.hidden, device);
        Self {
            cls_token: zeros([1, 1, e]),
            pos_embed: zeros([1, 1 + config.grid * config.grid, e]),
            register_tokens: (config.registers > 0).then(|| zeros([1, config.registers, e])),
            mask_token: config.mask_token.then(|| Initializer::Zeros.init([1, e], device)),
            patch_embed: PatchEmbed {
                proj: Proj {
                    weight: Initializer::Zeros.init([e, config.in_channels, p, p], device),
                    bias: Initializer::Zeros.init([e], device),
                },
            },
            blocks: (0..config.depth).map(|_| block()).collect(),
            norm: layer_norm(e, device),
            axis_pos: config.axis.then(|| linear(1, e, device)),
            axis_max: config.axis.then(|| linear(1, e, device)),
            modal: (config.modalities > 0).then(|| linear(config.modalities, e, device)),
            grid: config.grid,
            heads: config.heads,
            positions: config.positions,
        }
    }

    /// Gives every attention layer low-rank additions of zeros.
    pub fn with_lora(mut self, rank: usize, device: &B::Device) -> Self {
        let dim = self.dim();
        for block in &mut self.blocks {
            block.attn.lora = Some(AttentionLora::new(dim, rank, device));
        }
        self
    }

    /// Values of a token.
    pub fn dim(&self) -> usize {
        self.norm.gamma.dims()[0]
    }

    /// Pixels of a patch, in each direction.
    pub fn patch(&self) -> usize {
        self.patch_embed.proj.weight.dims()[2]
    }

    /// The position table for `rows x columns` patches: `[1, 1 + rows * columns, E]`, the class
    /// token's first and never resized.
    pub fn position_table(&self, rows: usize, columns: usize) -> Tensor<B, 3> {
        let table = self.pos_embed.val();
        let patches = table.clone().narrow(1, 1, self.grid * self.grid);
        let patches = self.positions.resize(patches, self.grid, [rows, columns]);
        Tensor::cat(vec![table.narrow(1, 0, 1), patches], 1)
    }

    /// Tokens of the backbone's own layers for slice index, slice count and kind of image; none where it
    /// has no such layers. Without kinds there is no token of the kind.
    ///
    /// # Shapes
    /// `axis [S, 2]` (slice index, slice count), `kind [S]` (of each slice, from 0) -> `[S, 1 to 3, E]`
    pub fn own_tokens(&self, axis: Tensor<B, 2>, kind: Option<Tensor<B, 1, Int>>) -> Option<Tensor<B, 3>> {
        let [index, count] = index_and_count(axis);
        let mut layers = Vec::new();
        layers.extend(self.axis_pos.as_ref().map(|layer| (layer, index)));
        layers.extend(self.axis_max.as_ref().map(|layer| (layer, count)));
        layers.extend(self.modal.as_ref().zip(kind).map(|(layer, kind)| {
            let kinds = layer.weight.dims()[0];
            (layer, kind.one_hot::<2>(kinds).float())
        }));
        (!layers.is_empty()).then(|| tokens_of(layers))
    }

    /// Patches with their positions between the other tokens: patches alone and all tokens.
    fn tokens_in(
        &self,
        x: Tensor<B, 4>,
        further: Option<Tensor<B, 3>>,
    ) -> (Tensor<B, 3>, Tensor<B, 3>, TokenCounts) {
        let [s, _, height, width] = x.dims();
        let (rows, columns) = (height / self.patch(), width / self.patch());
        let embedded = self.patch_embed.forward(x);
        let e = embedded.dims()[2];
        let table = self.position_table(rows, columns);
        let counts = TokenCounts {
            registers: self.register_tokens.as_ref().map_or(0, |r| r.dims()[1]),
            further: further.as_ref().map_or(0, |t| t.dims()[1]),
            patches: rows * columns,
        };
        let cls = self.cls_token.val() + table.clone().narrow(1, 0, 1);
        let mut all = vec![cls.expand([s, 1, e])];
        all.extend(self.register_tokens.as_ref().map(|r| r.val().expand([s, counts.registers, e])));
        all.extend(further);
        all.push(embedded.clone() + table.narrow(1, 1, counts.patches));
        (embedded, Tensor::cat(all, 1), counts)
    }

    fn output(&self, x: Tensor<B, 3>, counts: TokenCounts, rows: usize) -> VitOutput<B> {
        let tokens = self.norm.forward(x);
        let [s, n, e] = tokens.dims();
        let map = tokens.clone().narrow(1, n - counts.patches, counts.patches).swap_dims(1, 2).reshape([
            s,
            e,
            rows,
            counts.patches / rows,
        ]);
        VitOutput { map, tokens, counts }
    }

    /// Runs the backbone; `further` tokens stand between registers and patches and get no position.
    /// Without them this is plain DINOv2.
    ///
    /// # Shapes
    /// `x [S, C, rows * p, columns * p]`, `further [S, k, E]`.
    pub fn forward(&self, x: Tensor<B, 4>, further: Option<Tensor<B, 3>>) -> VitOutput<B>
    where
        B: Kernels,
    {
        self.dropping_forward(x, further, DropPath::NONE)
    }

    /// [`Vit::forward`] in a training step.
    pub fn dropping_forward(
        &self,
        x: Tensor<B, 4>,
        further: Option<Tensor<B, 3>>,
        drop: DropPath,
    ) -> VitOutput<B>
    where
        B: Kernels,
    {
        let rows = x.dims()[2] / self.patch();
        let (_, mut tokens, counts) = self.tokens_in(x, further);
        for (i, block) in self.blocks.iter().enumerate() {
            tokens = block.dropping_forward(tokens, self.heads, drop.block(i, self.blocks.len()));
        }
        self.output(tokens, counts, rows)
    }

    /// [`Self::forward`] that keeps what it passes.
    pub fn trace(&self, x: Tensor<B, 4>, further: Option<Tensor<B, 3>>) -> VitTrace<B>
    where
        B: Kernels,
    {
        let rows = x.dims()[2] / self.patch();
        let (patch_embed, tokens_in, counts) = self.tokens_in(x, further);
        let mut blocks = Vec::with_capacity(self.blocks.len());
        let mut tokens = tokens_in.clone();
        for block in &self.blocks {
            tokens = block.forward(tokens, self.heads);
            blocks.push(tokens.clone());
        }
        VitTrace { patch_embed, tokens_in, blocks, output: self.output(tokens, counts, rows) }
    }
}
