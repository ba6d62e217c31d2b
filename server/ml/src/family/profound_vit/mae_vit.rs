//! 3-D masked autoencoder with a vision transformer, ProFound's other family.
//!
//! # Source
//! He et al., "Masked Autoencoders Are Scalable Vision Learners" (2022), in the 3-D form of ProFound
//! (`models/mae.py`). Names follow its checkpoints.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::family::{Encoder, profound_vit::Size};

use super::block::PlainBlock;
use crate::{
    family::ModuleNames,
    model::masked::{Masking, cells, masked_error, standardised},
    nn::{
        drop_path::DropPath,
        kernels::Kernels,
        layer_norm::layer_norm,
        linear::linear,
        lora::AttentionLora,
        patch::PatchConv3d,
        positions::{FixedTable, sine_cosine},
        precision::affine,
    },
};

/// Size of an autoencoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaeVitConfig {
    pub in_channels: usize,
    /// Voxels D, H, W that the stored position tables are for.
    pub image: [usize; 3],
    /// Voxels D, H, W of a patch.
    pub patch: [usize; 3],
    /// Values of a token; a multiple of 6 and of `heads`.
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    /// As `dim`, in the decoder.
    pub decoder_dim: usize,
    pub decoder_depth: usize,
    pub decoder_heads: usize,
}

impl MaeVitConfig {
    /// With an encoder of this size; the decoder is published or ours, as the encoder is.
    pub fn of(size: &Size) -> Self {
        let decoder = if size.is_small() { Self::mini() } else { Self::base() };
        Self {
            in_channels: size.in_channels,
            image: size.image,
            patch: size.patch,
            dim: size.dim,
            depth: size.depth,
            heads: size.heads,
            ..decoder
        }
    }

    /// The published size, `mae_vit_base_patch16`.
    pub fn base() -> Self {
        Self {
            in_channels: 3,
            image: [64, 256, 256],
            patch: [16, 32, 32],
            dim: 768,
            depth: 12,
            heads: 12,
            decoder_dim: 384,
            decoder_depth: 8,
            decoder_heads: 16,
        }
    }

    /// The size that fine-tunes on two CPU cores.
    ///
    /// A patch covers the same part of the body as the published one, which is 16 mm in each
    /// direction at 1 x 0.5 x 0.5 mm: 12 x 16 x 16 mm on our grid of 3 x 1 x 1 mm. A typical case of
    /// 24 slices then has 6 x 6 x 6 patches, few enough for a step in a fraction of a second, and a
    /// cubic grid is the one on which the position table keeps neighbours together.
    pub fn mini() -> Self {
        Self {
            in_channels: 3,
            image: [24, 96, 96],
            patch: [4, 16, 16],
            dim: 192,
            depth: 4,
            heads: 3,
            decoder_dim: 96,
            decoder_depth: 2,
            decoder_heads: 3,
        }
    }

    /// Patches D, H, W.
    pub fn grid(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.image[axis] / self.patch[axis])
    }

    /// Number of patches.
    pub fn patches(&self) -> usize {
        self.grid().iter().product()
    }

    /// Values of a patch over all channels.
    pub fn values(&self) -> usize {
        self.patch.iter().product::<usize>() * self.in_channels
    }
}

/// The part that is fine-tuned.
#[derive(Module, Debug)]
pub struct MaeEncoder<B: Backend> {
    /// `[1, 1, E]`
    pub cls_token: Param<Tensor<B, 3>>,
    /// `[1, 1 + patches, E]`, zero for the class token.
    pub pos_embed: FixedTable<B>,
    pub patch_embed: PatchEmbed<B>,
    pub blocks: Vec<PlainBlock<B>>,
    pub norm: LayerNorm<B>,
    heads: usize,
    grid: [usize; 3],
}

/// Linear map of patches.
#[derive(Module, Debug)]
pub struct PatchEmbed<B: Backend> {
    pub proj: PatchConv3d<B>,
}

/// Encoder and the decoder that is thrown away.
#[derive(Module, Debug)]
pub struct MaeVit<B: Backend> {
    /// Its parameters are named without this part.
    pub mae_encoder: MaeEncoder<B>,
    pub decoder_embed: Linear<B>,
    /// `[1, 1, E]`
    pub mask_token: Param<Tensor<B, 3>>,
    /// `[1, 1 + patches, E]`, zero for the class token.
    pub decoder_pos_embed: FixedTable<B>,
    pub decoder_blocks: Vec<PlainBlock<B>>,
    pub decoder_norm: LayerNorm<B>,
    pub decoder_pred: Linear<B>,
    decoder_heads: usize,
    patch: [usize; 3],
}

/// Upstream has the encoder's parts beside the decoder, not inside a part.
pub(crate) const NAMES: ModuleNames =
    ModuleNames { module: "MaeVit", parts: &[("mae_encoder", "")], tokens: &["mask_token"] };

/// The tables of positions are computed, so that the class token alone is drawn.
pub(crate) const ENCODER: ModuleNames =
    ModuleNames { module: "MaeEncoder", parts: &[], tokens: &["cls_token"] };

/// What the encoder makes of a whole volume.
#[derive(Debug, Clone)]
pub struct MaeFeatures<B: Backend> {
    /// Patches before positions are added, `[B, N, E]`.
    pub patches: Tensor<B, 3>,
    /// Tokens after each block, class token first: `[B, 1 + N, E]` each.
    pub blocks: Vec<Tensor<B, 3>>,
    /// The last of them normalised.
    pub tokens: Tensor<B, 3>,
    /// Patches D, H, W.
    pub grid: [usize; 3],
}

impl<B: Backend> MaeFeatures<B> {
    /// The normalised patch tokens as a map, `[B, E, D, H, W]`.
    pub fn map(&self) -> Tensor<B, 5> {
        self.map_of(self.tokens.clone())
    }

    /// The patch tokens among all tokens as a map: `[B, 1 + N, E]` -> `[B, E, D, H, W]`.
    pub fn map_of(&self, tokens: Tensor<B, 3>) -> Tensor<B, 5> {
        let [b, n, e] = tokens.dims();
        let [d, h, w] = self.grid;
        tokens.slice([0..b, 1..n, 0..e]).swap_dims(1, 2).reshape([b, e, d, h, w])
    }
}

/// A row of zeros, then the codes of a grid's cells.
fn positions<B: Backend>(grid: [usize; 3], dim: usize, device: &B::Device) -> FixedTable<B> {
    let mut table = vec![0.0; dim];
    table.extend(sine_cosine(grid, dim));
    FixedTable::new(table, 1 + grid.iter().product::<usize>(), dim, device)
}

impl<B: Backend> MaeEncoder<B> {
    /// An encoder of zeros, to be filled by [`crate::init`] or a checkpoint.
    ///
    /// # Panics
    /// When `dim` is no multiple of 6.
    pub fn new(config: &MaeVitConfig, device: &B::Device) -> Self {
        let grid = config.grid();
        Self {
            cls_token: Initializer::Zeros.init([1, 1, config.dim], device),
            pos_embed: positions(grid, config.dim, device),
            patch_embed: PatchEmbed {
                proj: PatchConv3d::new(config.in_channels, config.dim, config.patch, device),
            },
            blocks: (0..config.depth).map(|_| PlainBlock::new(config.dim, device)).collect(),
            norm: layer_norm(config.dim, device),
            heads: config.heads,
            grid,
        }
    }

    /// The same with low-rank additions of zeros to queries and values.
    pub fn with_lora(mut self, rank: usize, device: &B::Device) -> Self {
        let dim = self.cls_token.dims()[2];
        for block in &mut self.blocks {
            block.attn.lora = Some(AttentionLora::new(dim, rank, device));
        }
        self
    }

    /// Positions of the class token and of a grid's patches. Upstream knows one grid only; the table
    /// of another one is computed by the same rule.
    fn table(&self, grid: [usize; 3]) -> Tensor<B, 3> {
        let stored = self.pos_embed.value();
        if grid == self.grid {
            return stored;
        }
        positions(grid, stored.dims()[2], &stored.device()).value()
    }

    /// Patches as tokens, with and without their positions, and the class token.
    fn embed(&self, x: Tensor<B, 5>) -> Embedded<B> {
        let map = self.patch_embed.proj.forward(x);
        let [b, e, d, h, w] = map.dims();
        let n = d * h * w;
        let patches = token_rows(map);
        let table = self.table([d, h, w]);
        let placed = patches.clone() + table.clone().slice([0..1, 1..1 + n, 0..e]);
        let class = self.cls_token.val() + table.slice([0..1, 0..1, 0..e]);
        Embedded { patches, placed, class: class.expand([b, 1, e]), grid: [d, h, w] }
    }
}

/// A map as tokens: `[B, E, D, H, W]` -> `[B, D * H * W, E]`.
fn token_rows<B: Backend>(map: Tensor<B, 5>) -> Tensor<B, 3> {
    let [b, e, d, h, w] = map.dims();
    map.reshape([b, e, d * h * w]).swap_dims(1, 2)
}

struct Embedded<B: Backend> {
    patches: Tensor<B, 3>,
    placed: Tensor<B, 3>,
    class: Tensor<B, 3>,
    grid: [usize; 3],
}

impl<B: Kernels> MaeEncoder<B> {
    /// All tokens of a volume, for fine-tuning.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]`, sizes divisible by the patch's.
    pub fn forward(&self, x: Tensor<B, 5>) -> MaeFeatures<B> {
        self.dropping_forward(x, DropPath::NONE)
    }

    /// The same; blocks are skipped as `drop` says.
    pub fn dropping_forward(&self, x: Tensor<B, 5>, drop: DropPath) -> MaeFeatures<B> {
        let Embedded { patches, placed, class, grid } = self.embed(x);
        let mut tokens = Tensor::cat(vec![class, placed], 1);
        let count = self.blocks.len();
        let mut blocks = Vec::with_capacity(count);
        for (i, block) in self.blocks.iter().enumerate() {
            tokens = block.dropping_forward(tokens, self.heads, drop.block(i, count));
            blocks.push(tokens.clone());
        }
        MaeFeatures { patches, blocks, tokens: self.norm.forward(tokens), grid }
    }

    /// The class token and the visible patches after the final norm.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` -> `[B, 1 + visible, E]`.
    pub fn latent(&self, x: Tensor<B, 5>, masking: &Masking) -> Tensor<B, 3> {
        let Embedded { placed, class, .. } = self.embed(x);
        let tokens = Tensor::cat(vec![class, masking.take_visible(placed)], 1);
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(x, self.heads));
        self.norm.forward(tokens)
    }
}

impl<B: Backend> MaeVit<B> {
    /// An autoencoder of zeros, to be filled by [`crate::init`] or a checkpoint.
    ///
    /// # Panics
    /// When `dim` or `decoder_dim` is no multiple of 6.
    pub fn new(config: &MaeVitConfig, device: &B::Device) -> Self {
        let dim = config.decoder_dim;
        Self {
            mae_encoder: MaeEncoder::new(config, device),
            decoder_embed: linear(config.dim, dim, device),
            mask_token: Initializer::Zeros.init([1, 1, dim], device),
            decoder_pos_embed: positions(config.grid(), dim, device),
            decoder_blocks: (0..config.decoder_depth).map(|_| PlainBlock::new(dim, device)).collect(),
            decoder_norm: layer_norm(dim, device),
            decoder_pred: linear(dim, config.values(), device),
            decoder_heads: config.decoder_heads,
            patch: config.patch,
        }
    }
}

impl<B: Kernels> MaeVit<B> {
    /// Predictions for all patches, from [`MaeEncoder::latent`].
    ///
    /// # Shapes
    /// `[B, 1 + visible, E]` -> `[B, patches, values]`; volumes of the configured size only.
    pub fn decode(&self, latent: Tensor<B, 3>, masking: &Masking) -> Tensor<B, 3> {
        let x = affine(&self.decoder_embed, latent);
        let [b, n, e] = x.dims();
        let patches = masking.cells();
        let class = x.clone().slice([0..b, 0..1, 0..e]);
        let seen = x.slice([0..b, 1..n, 0..e]);
        let unseen = self.mask_token.val().expand([b, patches + 1 - n, e]);
        let ordered = masking.put_back(Tensor::cat(vec![seen, unseen], 1));
        let x = Tensor::cat(vec![class, ordered], 1) + self.decoder_pos_embed.value();
        let x = self.decoder_blocks.iter().fold(x, |x, block| block.forward(x, self.decoder_heads));
        let x = self.decoder_norm.forward(x).slice([0..b, 1..1 + patches, 0..e]);
        affine(&self.decoder_pred, x)
    }

    /// What [`MaeVit::decode`] should give: the patches' values, each patch standardised over its
    /// voxels and images where `norm_pix` says so.
    pub fn target(&self, x: Tensor<B, 5>, norm_pix: bool) -> Tensor<B, 3> {
        let target = cells(x, self.patch);
        if norm_pix { standardised(target) } else { target }
    }

    /// Mean squared error on hidden patches.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` of the configured size -> `[1]`.
    pub fn objective(&self, x: Tensor<B, 5>, masking: &Masking, norm_pix: bool) -> Tensor<B, 1> {
        let pred = self.decode(self.mae_encoder.latent(x.clone(), masking), masking);
        let hidden = masking.hidden(&pred.device());
        masked_error(pred, self.target(x, norm_pix), hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init;
    use burn::tensor::Distribution;
    use burn_flex::Flex;

    #[test]
    fn a_grid_without_a_stored_table_has_one_computed_by_the_same_rule() {
        let device = Default::default();
        let config = MaeVitConfig { depth: 1, ..MaeVitConfig::mini() };
        let net = init::random(MaeEncoder::<Flex>::new(&config, &device), 1);
        let taller = MaeVitConfig { image: [32, 96, 96], ..config };
        let other = init::random(MaeEncoder::<Flex>::new(&taller, &device), 1);
        let x = Tensor::<Flex, 5>::random([1, 3, 32, 96, 96], Distribution::Default, &device);
        let (a, b) = (net.forward(x.clone()), other.forward(x));
        assert_eq!(a.map().dims(), [1, 192, 8, 6, 6]);
        assert_eq!(a.tokens.into_data(), b.tokens.into_data());
    }
}
