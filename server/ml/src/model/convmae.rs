//! ConvMAE, ProFound's third autoencoder: masked convolution stages, a vision transformer on the
//! visible cells, and a decoder whose hidden tokens look at the visible ones.
//!
//! # Source
//! Gao et al., "ConvMAE" (2022), in the 3-D form of ProFound (`models/convmae.py`). Names follow its
//! checkpoints. Upstream also sends the class token through the decoder and drops it there; queries
//! do not see each other, so that it is left out here.

use crate::nn::precision::affine;
use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Tensor, backend::Backend};

use super::{
    convnext::linear,
    masked::{Masking, cells, masked_error, standardised},
    transformer::token_rows,
};
use crate::nn::{
    kernels::Kernels,
    patch::PatchConv3d,
    positions::{FixedTable, sine_cosine},
};
use attend::{AttendBlock, layer_norm_5};
use stage::ConvStage;

pub mod attend;
pub mod stage;

/// Size of an autoencoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvMaeConfig {
    pub in_channels: usize,
    /// Voxels D, H, W of the image.
    pub image: [usize; 3],
    /// Stride of the first stage.
    pub patch: [usize; 3],
    /// Stride of every further stage and of the patches after the last one.
    pub scale: [usize; 3],
    /// Channels of the stages.
    pub conv_channels: Vec<usize>,
    /// Blocks of a stage.
    pub conv_blocks: usize,
    /// Values of a token; a multiple of 6 and of `heads`.
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    /// As `dim`, in the decoder.
    pub decoder_dim: usize,
    pub decoder_depth: usize,
    pub decoder_heads: usize,
}

impl ConvMaeConfig {
    /// The published size, `convmae_vit_base`.
    pub fn base() -> Self {
        Self {
            in_channels: 3,
            image: [64, 256, 256],
            patch: [16, 8, 8],
            scale: [1, 2, 2],
            conv_channels: vec![64, 128],
            conv_blocks: 2,
            dim: 768,
            depth: 12,
            heads: 12,
            decoder_dim: 384,
            decoder_depth: 8,
            decoder_heads: 16,
        }
    }

    /// Voxels, by axis, of the patches of stage `stage` that one cell covers.
    fn cover(&self, stage: usize) -> [usize; 3] {
        self.scale.map(|s| s.pow((self.conv_channels.len() - stage) as u32))
    }

    /// Voxels D, H, W of a cell.
    pub fn cell(&self) -> [usize; 3] {
        let cover = self.cover(0);
        std::array::from_fn(|axis| self.patch[axis] * cover[axis])
    }

    /// Cells D, H, W.
    pub fn grid(&self) -> [usize; 3] {
        let cell = self.cell();
        std::array::from_fn(|axis| self.image[axis] / cell[axis])
    }

    /// Values of a cell over all channels.
    pub fn values(&self) -> usize {
        self.cell().iter().product::<usize>() * self.in_channels
    }
}

/// The whole autoencoder.
#[derive(Module, Debug)]
pub struct ConvMae<B: Backend> {
    pub enc_down: Stages<B>,
    pub enc_fusion: Fusion<B>,
    pub encoder: Transformer<B>,
    pub dec_linear: Linear<B>,
    pub dec_embed: DecoderTokens<B>,
    pub decoder: Decoder<B>,
    pub pred_head: Linear<B>,
    #[module(skip)]
    config: ConvMaeConfig,
}

/// Convolution stages, and tokens from the last one.
#[derive(Module, Debug)]
pub struct Stages<B: Backend> {
    /// `[1, N, E]`
    pub pos_embed: FixedTable<B>,
    pub conv_blocks: Vec<ConvStage<B>>,
    pub patch_embed: PatchEmbed<B>,
    pub linear: Linear<B>,
}

/// Linear map of patches.
#[derive(Module, Debug)]
pub struct PatchEmbed<B: Backend> {
    pub proj: PatchConv3d<B>,
}

/// Adds what each stage has of a cell to the cell's token.
#[derive(Module, Debug)]
pub struct Fusion<B: Backend> {
    pub down_convs: Vec<PatchConv3d<B>>,
    pub norm: LayerNorm<B>,
}

/// Self-attention over the class token, which has no position, and the visible cells.
#[derive(Module, Debug)]
pub struct Transformer<B: Backend> {
    /// `[1, 1, E]`
    pub cls_token: Param<Tensor<B, 3>>,
    pub blocks: Vec<AttendBlock<B>>,
    pub norm: LayerNorm<B>,
}

/// What hidden cells start from.
#[derive(Module, Debug)]
pub struct DecoderTokens<B: Backend> {
    /// `[1, N, E]`
    pub pos_embed: FixedTable<B>,
    /// `[1, 1, E]`
    pub mask_token: Param<Tensor<B, 3>>,
}

/// Attention of hidden cells to visible ones.
#[derive(Module, Debug)]
pub struct Decoder<B: Backend> {
    pub blocks: Vec<AttendBlock<B>>,
    pub norm: LayerNorm<B>,
}

/// What the stages make of a volume.
#[derive(Debug, Clone)]
pub struct StageFeatures<B: Backend> {
    /// The stages' maps, from fine to coarse.
    pub maps: Vec<Tensor<B, 5>>,
    /// Tokens with positions, `[B, N, E]`; without those of hidden cells where there is a mask.
    pub tokens: Tensor<B, 3>,
}

impl<B: Backend> ConvMae<B> {
    /// An autoencoder of zeros, to be filled by [`crate::init`] or a checkpoint.
    ///
    /// # Panics
    /// When `dim` or `decoder_dim` is no multiple of 6, or there is no stage.
    pub fn new(config: &ConvMaeConfig, device: &B::Device) -> Self {
        let (grid, dim, narrow) = (config.grid(), config.dim, config.decoder_dim);
        let count = grid.iter().product();
        let table = |dim| FixedTable::new(sine_cosine(grid, dim), count, dim, device);
        let last = *config.conv_channels.last().expect("at least one convolution stage");
        let channels = config.conv_channels.iter();
        let stages = channels.clone().enumerate().map(|(i, to)| {
            let (from, stride) = match i {
                0 => (config.in_channels, config.patch),
                _ => (config.conv_channels[i - 1], config.scale),
            };
            let down = PatchConv3d::new(*to, dim, config.cover(i), device);
            ConvStage::new(from, *to, stride, config.conv_blocks, down, device)
        });
        let blocks = |depth, dim| (0..depth).map(|_| AttendBlock::new(dim, device)).collect();
        Self {
            enc_down: Stages {
                pos_embed: table(dim),
                conv_blocks: stages.collect(),
                patch_embed: PatchEmbed { proj: PatchConv3d::new(last, dim, config.scale, device) },
                linear: linear(dim, dim, device),
            },
            enc_fusion: Fusion {
                down_convs: channels
                    .enumerate()
                    .map(|(i, from)| PatchConv3d::new(*from, dim, config.cover(i), device))
                    .collect(),
                norm: layer_norm_5(dim, device),
            },
            encoder: Transformer {
                cls_token: Initializer::Zeros.init([1, 1, dim], device),
                blocks: blocks(config.depth, dim),
                norm: layer_norm_5(dim, device),
            },
            dec_linear: linear(dim, narrow, device),
            dec_embed: DecoderTokens {
                pos_embed: table(narrow),
                mask_token: Initializer::Zeros.init([1, 1, narrow], device),
            },
            decoder: Decoder {
                blocks: blocks(config.decoder_depth, narrow),
                norm: layer_norm_5(narrow, device),
            },
            pred_head: linear(narrow, config.values(), device),
            config: config.clone(),
        }
    }
}

impl<B: Kernels> ConvMae<B> {
    /// The stages' maps and the tokens that the transformer is given; without a mask, all of them.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` of the configured size.
    pub fn stages(&self, x: Tensor<B, 5>, masking: Option<&Masking>) -> StageFeatures<B> {
        let [gd, gh, gw] = self.config.grid();
        let visible = masking.map(|masking| {
            let hidden = masking.hidden::<B>(&x.device());
            (hidden.neg() + 1.0).reshape([masking.samples(), 1, gd, gh, gw])
        });
        let mut maps: Vec<Tensor<B, 5>> = Vec::with_capacity(self.enc_down.conv_blocks.len());
        let mut y = x;
        for (i, stage) in self.enc_down.conv_blocks.iter().enumerate() {
            y = stage.forward(y, visible.as_ref(), self.config.cover(i));
            maps.push(y.clone());
        }
        let tokens = token_rows(self.enc_down.patch_embed.proj.forward(y));
        let tokens = affine(&self.enc_down.linear, tokens) + self.enc_down.pos_embed.value();
        let tokens = match masking {
            Some(masking) => masking.take_visible(tokens),
            None => tokens,
        };
        StageFeatures { maps, tokens }
    }

    /// The class token and the given ones after the transformer.
    ///
    /// # Shapes
    /// `[B, N, E]` -> `[B, 1 + N, E]`.
    pub fn encode(&self, tokens: Tensor<B, 3>) -> Tensor<B, 3> {
        let [b, _, e] = tokens.dims();
        let class = self.encoder.cls_token.val().expand([b, 1, e]);
        let x = Tensor::cat(vec![class, tokens], 1);
        let x = self.encoder.blocks.iter().fold(x, |x, block| block.attend_self(x, self.config.heads));
        self.encoder.norm.forward(x)
    }

    /// Predictions for the hidden cells, from the stages' maps and [`ConvMae::encode`].
    ///
    /// # Shapes
    /// `encoded [B, 1 + visible, E]` -> `[B, hidden, values]`, both in the mask's order.
    pub fn decode(&self, maps: &[Tensor<B, 5>], encoded: Tensor<B, 3>, masking: &Masking) -> Tensor<B, 3> {
        let [b, n, e] = encoded.dims();
        let mut tokens = encoded.slice([0..b, 1..n, 0..e]);
        for (map, down) in maps.iter().zip(&self.enc_fusion.down_convs) {
            tokens = tokens + masking.take_visible(token_rows(down.forward(map.clone())));
        }
        let tokens = affine(&self.dec_linear, self.enc_fusion.norm.forward(tokens));
        let [_, _, e] = tokens.dims();
        let table = self.dec_embed.pos_embed.value().expand([b, masking.cells(), e]);
        let visible = tokens + masking.take_visible(table.clone());
        let hidden = masking.take_hidden(table + self.dec_embed.mask_token.val());
        let heads = self.config.decoder_heads;
        let blocks = self.decoder.blocks.iter();
        let hidden = blocks.fold(hidden, |x, block| block.attend(x, visible.clone(), heads));
        affine(&self.pred_head, self.decoder.norm.forward(hidden))
    }

    /// What [`ConvMae::decode`] should give, each cell standardised over its voxels and image types where
    /// `norm_pix` says so. (Upstream, which leaves that off, would divide by the deviation plus 1e-6
    /// instead of the root of the variance plus 1e-6.)
    pub fn target(&self, x: Tensor<B, 5>, masking: &Masking, norm_pix: bool) -> Tensor<B, 3> {
        let target = masking.take_hidden(cells(x, self.config.cell()));
        if norm_pix { standardised(target) } else { target }
    }

    /// Mean squared error on hidden cells.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` of the configured size -> `[1]`.
    pub fn objective(&self, x: Tensor<B, 5>, masking: &Masking, norm_pix: bool) -> Tensor<B, 1> {
        let StageFeatures { maps, tokens } = self.stages(x.clone(), Some(masking));
        let pred = self.decode(&maps, self.encode(tokens), masking);
        let [b, hidden, _] = pred.dims();
        let all = Tensor::ones([b, hidden], &pred.device());
        masked_error(pred, self.target(x, masking, norm_pix), all)
    }
}
