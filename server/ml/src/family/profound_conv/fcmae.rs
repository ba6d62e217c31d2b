//! Masked autoencoder with the 3-D ConvNeXt-V2 (FCMAE), in a dense form: what the sparse layers of
//! upstream's pre-training compute on visible voxels, with zeros elsewhere.
//!
//! # Source
//! Woo et al., "ConvNeXt V2" (2023), in the 3-D form of ProFound (`models/fcmae.py`): cells of
//! 16 voxels in each direction over all images together, a dense decoder of ConvNeXt-V2
//! blocks, squared error on hidden cells. GRN's statistics run over all visible voxels of the batch.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::family::{Encoder, profound_conv::Size};

use super::convnext::{Block, ConvNext, ConvNextConfig, STRIDE, Visible};
use crate::{
    family::ModuleNames,
    model::masked::{cells, masked_error, standardised},
    nn::{kernels::Kernels, patch::PatchConv3d},
};

/// Voxels of a cell: the encoder's stride, since each of its last map's voxels stands for a cell.
pub const CELL: [usize; 3] = [STRIDE; 3];

/// Size of an autoencoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcmaeConfig {
    pub encoder: ConvNextConfig,
    /// Channels of the decoder.
    pub decoder_dim: usize,
    /// Blocks of the decoder.
    pub decoder_depth: usize,
}

impl FcmaeConfig {
    /// Our small size.
    pub fn mini() -> Self {
        Self { encoder: ConvNextConfig::mini(), decoder_dim: 128, decoder_depth: 1 }
    }

    /// With an encoder of this size; the decoder is published with all sizes.
    pub fn of(size: &Size) -> Self {
        let decoder = if size.is_small() { Self::mini() } else { Self::tiny() };
        Self { encoder: ConvNextConfig::of(size), ..decoder }
    }

    /// The size that ProFound publishes.
    pub fn tiny() -> Self {
        Self { encoder: ConvNextConfig::tiny(), decoder_dim: 512, decoder_depth: 1 }
    }
}

/// Encoder and the light decoder that is thrown away.
#[derive(Module, Debug)]
pub struct Fcmae<B: Backend> {
    pub encoder: ConvNext<B>,
    pub proj: PatchConv3d<B>,
    /// `[1, decoder_dim, 1, 1, 1]`
    pub mask_token: Param<Tensor<B, 5>>,
    pub decoder: Vec<Block<B>>,
    pub pred: PatchConv3d<B>,
}

/// What stands for hidden cells is a token.
pub(crate) const NAMES: ModuleNames = ModuleNames { module: "Fcmae", parts: &[], tokens: &["mask_token"] };

impl<B: Backend> Fcmae<B> {
    /// An autoencoder of zeros, to be filled by [`crate::init`] or a checkpoint.
    pub fn new(config: &FcmaeConfig, device: &B::Device) -> Self {
        let (encoder, dim) = (&config.encoder, config.decoder_dim);
        let values = CELL.iter().product::<usize>() * encoder.in_channels;
        Self {
            encoder: ConvNext::new(encoder, device),
            proj: PatchConv3d::new(encoder.dims[3], dim, [1; 3], device),
            mask_token: Initializer::Zeros.init([1, dim, 1, 1, 1], device),
            decoder: (0..config.decoder_depth).map(|_| Block::new(dim, device)).collect(),
            pred: PatchConv3d::new(dim, values, [1; 3], device),
        }
    }
}

/// What is to be predicted: the cells' values, each cell standardised over its voxels and images
/// where `norm_pix` says so.
///
/// # Shapes
/// `[B, C, D, H, W]` -> `[B, cells, 16^3 * C]`, image fastest.
pub fn target<B: Backend>(x: Tensor<B, 5>, norm_pix: bool) -> Tensor<B, 3> {
    let target = cells(x, CELL);
    if norm_pix { standardised(target) } else { target }
}

/// Mean squared error on hidden cells.
///
/// # Shapes
/// `pred` and `target [B, cells, values]`, `hidden [B, 1, D/16, H/16, W/16]` of 0 and 1 -> `[1]`.
pub fn error<B: Backend>(pred: Tensor<B, 3>, target: Tensor<B, 3>, hidden: Tensor<B, 5>) -> Tensor<B, 1> {
    let [b, cells, _] = target.dims();
    masked_error(pred, target, hidden.reshape([b, cells]))
}

impl<B: Kernels> Fcmae<B> {
    /// The encoder's last map, zero in hidden cells.
    ///
    /// # Shapes
    /// `x [B, C, D, H, W]`, `hidden [B, 1, D/16, H/16, W/16]` of 0 and 1 -> `[B, dims[3], D/16, H/16, W/16]`.
    pub fn latent(&self, x: Tensor<B, 5>, hidden: Tensor<B, 5>) -> Tensor<B, 5> {
        let visible = Visible::from_cells(hidden.neg() + 1.0);
        self.encoder.stages(x, Some(&visible)).pop().expect("an encoder has four stages")
    }

    /// Predictions for all cells, from [`Fcmae::latent`].
    ///
    /// # Shapes
    /// `[B, dims[3], d, h, w]`, `hidden [B, 1, d, h, w]` -> `[B, 16^3 * C, d, h, w]`.
    pub fn decode(&self, latent: Tensor<B, 5>, hidden: Tensor<B, 5>) -> Tensor<B, 5> {
        let visible = hidden.clone().neg() + 1.0;
        let x = self.proj.forward(latent) * visible + self.mask_token.val() * hidden;
        self.pred.forward(self.decoder.iter().fold(x, |x, block| block.forward(x, None)))
    }

    /// Predictions for all cells, `[B, cells, 16^3 * C]`; `hidden` as for [`Fcmae::latent`].
    pub fn predict(&self, x: Tensor<B, 5>, hidden: Tensor<B, 5>) -> Tensor<B, 3> {
        let pred = self.decode(self.latent(x, hidden.clone()), hidden);
        let [b, values, d, h, w] = pred.dims();
        pred.reshape([b, values, d * h * w]).swap_dims(1, 2)
    }

    /// [`error`] of the predictions.
    pub fn objective(&self, x: Tensor<B, 5>, hidden: Tensor<B, 5>, norm_pix: bool) -> Tensor<B, 1> {
        error(self.predict(x.clone(), hidden.clone()), target(x, norm_pix), hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use burn_flex::Flex;

    #[test]
    fn what_is_hidden_does_not_reach_the_encoder() {
        let device = Default::default();
        let net = crate::init::random(Fcmae::<Flex>::new(&FcmaeConfig::mini(), &device), 3);
        let x = Tensor::<Flex, 5>::random([1, 3, 16, 32, 32], Distribution::Default, &device);
        let hidden = Tensor::<Flex, 5>::from_data([[[[[1.0, 0.0], [0.0, 0.0]]]]], &device);
        // Another content of the hidden cell, at the first 16 rows and columns.
        let other = x
            .clone()
            .slice_assign([0..1, 0..3, 0..16, 0..16, 0..16], Tensor::ones([1, 3, 16, 16, 16], &device));
        let a = net.predict(x, hidden.clone());
        let b = net.predict(other, hidden);
        assert!((a - b).abs().max().into_scalar() < 1e-5);
    }
}
