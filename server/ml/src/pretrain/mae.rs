//! Masked autoencoding for the 3-D ConvNeXt-V2 (FCMAE), in a dense form.
//!
//! # Source
//! ProFound's pre-training: mask units of 16 voxels in each direction over all image types together,
//! ratio 0.6, one dense decoder block, squared error on masked cells of a target standardised
//! over the cell's voxels and image types. GRN's statistics run over all visible voxels of the batch.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use rand::seq::SliceRandom;
use transferscope_domain::Family;

use super::{Pretrain, Shown, Validation, volume};
use crate::{
    init::stream,
    model::convnext::{Block, ConvNext, ConvNextConfig, STRIDE, Visible, repeat},
    nn::{kernels::Kernels, patch::PatchConv3d},
    preview::{Panel, strip},
    train::{
        batch::{Item, boxes},
        evaluate::{scalar, values},
        example::Example,
    },
};

/// Share of cells that are hidden.
const MASK_RATIO: f64 = 0.6;
/// Channels of the decoder.
const DECODER: usize = 128;
/// Box of a case that one step sees, `[D, H, W]`.
const BOX: [usize; 3] = [16, 96, 96];

/// Encoder and the light decoder that is thrown away.
#[derive(Module, Debug)]
pub struct Fcmae<B: Backend> {
    pub encoder: ConvNext<B>,
    pub proj: PatchConv3d<B>,
    /// `[1, DECODER, 1, 1, 1]`
    pub mask_token: Param<Tensor<B, 5>>,
    pub decoder: Block<B>,
    pub pred: PatchConv3d<B>,
}

impl<B: Backend> Fcmae<B> {
    pub fn new(device: &B::Device) -> Self {
        let config = ConvNextConfig::mini();
        let values = STRIDE.pow(3) * config.in_channels;
        Self {
            encoder: ConvNext::new(&config, device),
            proj: PatchConv3d::new(config.dims[3], DECODER, [1; 3], device),
            mask_token: Initializer::Zeros.init([1, DECODER, 1, 1, 1], device),
            decoder: Block::new(DECODER, device),
            pred: PatchConv3d::new(DECODER, values, [1; 3], device),
        }
    }
}

/// `[B, C, D, H, W]` -> `[B, cells, 16^3 * C]`, image type fastest.
fn cells<B: Backend>(x: Tensor<B, 5>) -> Tensor<B, 3> {
    let [b, c, d, h, w] = x.dims();
    let (gd, gh, gw) = (d / STRIDE, h / STRIDE, w / STRIDE);
    x.reshape([b, c, gd, STRIDE, gh, STRIDE, gw, STRIDE]).permute([0, 2, 4, 6, 3, 5, 7, 1]).reshape([
        b,
        gd * gh * gw,
        STRIDE.pow(3) * c,
    ])
}

/// The way back from [`cells`].
fn from_cells<B: Backend>(cells: Tensor<B, 3>, [c, d, h, w]: [usize; 4]) -> Tensor<B, 5> {
    let b = cells.dims()[0];
    let (gd, gh, gw) = (d / STRIDE, h / STRIDE, w / STRIDE);
    cells
        .reshape([b, gd, gh, gw, STRIDE, STRIDE, STRIDE, c])
        .permute([0, 7, 1, 4, 2, 5, 3, 6])
        .reshape([b, c, d, h, w])
}

/// Mean and (unbiased) deviation of every cell, `[B, cells, 1]` each.
fn statistics<B: Backend>(cells: Tensor<B, 3>) -> (Tensor<B, 3>, Tensor<B, 3>) {
    let mean = cells.clone().mean_dim(2);
    let deviation = (cells.var(2) + 1e-6).sqrt();
    (mean, deviation)
}

/// The cells of an image, each standardised by its mean and unbiased variance.
///
/// # Shapes
/// `[B, C, D, H, W]` -> `[B, cells, 16^3 * C]`, image type fastest.
pub fn target<B: Backend>(x: Tensor<B, 5>) -> Tensor<B, 3> {
    let cells = cells(x);
    let (mean, deviation) = statistics(cells.clone());
    (cells - mean) / deviation
}

impl<B: Kernels> Fcmae<B> {
    /// Predictions for all cells, `[B, cells, 16^3 * C]`; `hidden [B, 1, D/16, H/16, W/16]` of 0 and 1.
    pub fn predict(&self, x: Tensor<B, 5>, hidden: Tensor<B, 5>) -> Tensor<B, 3> {
        let visible = hidden.clone().neg() + 1.0;
        let maps = self.encoder.stages(x, Some(&Visible::from_cells(visible.clone())));
        let last = maps.into_iter().next_back().expect("an encoder has four stages");
        let latent = self.proj.forward(last) * visible + self.mask_token.val() * hidden;
        let pred = self.pred.forward(self.decoder.forward(latent, None));
        let [b, values, d, h, w] = pred.dims();
        pred.reshape([b, values, d * h * w]).swap_dims(1, 2)
    }

    /// Mean squared error on hidden cells.
    pub fn objective(&self, x: Tensor<B, 5>, hidden: Tensor<B, 5>) -> Tensor<B, 1> {
        masked_error(self.predict(x.clone(), hidden.clone()), target(x), hidden)
    }
}

fn masked_error<B: Backend>(pred: Tensor<B, 3>, target: Tensor<B, 3>, hidden: Tensor<B, 5>) -> Tensor<B, 1> {
    let [b, cells, _] = target.dims();
    let error = (pred - target).square().mean_dim(2).reshape([b, cells]);
    let hidden = hidden.reshape([b, cells]);
    (error * hidden.clone()).sum() / hidden.sum()
}

/// Random cells for each sample: `[B, 1, D/16, H/16, W/16]`, 1 = hidden.
fn mask<B: Backend>(samples: &[String], size: [usize; 3], seed: u64, device: &B::Device) -> Tensor<B, 5> {
    let grid = size.map(|n| n / STRIDE);
    let cells: usize = grid.iter().product();
    let kept = (cells as f64 * (1.0 - MASK_RATIO)) as usize;
    let mut data = Vec::with_capacity(samples.len() * cells);
    for sample in samples {
        let mut order: Vec<usize> = (0..cells).collect();
        order.shuffle(&mut stream(seed, &format!("mask/{sample}")));
        let mut hidden = vec![1.0f32; cells];
        order[..kept].iter().for_each(|i| hidden[*i] = 0.0);
        data.extend(hidden);
    }
    Tensor::from_data(TensorData::new(data, [samples.len(), 1, grid[0], grid[1], grid[2]]), device)
}

fn labels(examples: &[Example], items: &[Item], epoch: u64) -> Vec<String> {
    items.iter().map(|i| format!("{epoch}/{}/{}", examples[i.example].case_id, i.draw)).collect()
}

impl<B: AutodiffBackend + Kernels> Pretrain<B> for Fcmae<B>
where
    B::InnerBackend: Kernels,
{
    fn loss(
        &self,
        examples: &[Example],
        items: &[Item],
        seed: u64,
        epoch: u64,
        device: &B::Device,
    ) -> Tensor<B, 1> {
        let x = volume(boxes::<B>(examples, items, BOX, Family::ProfoundConv, seed, epoch, device));
        let hidden = mask(&labels(examples, items, epoch), BOX, seed, device);
        self.objective(x, hidden)
    }

    fn validate(net: &Self::InnerModule, examples: &[Example], seed: u64, device: &B::Device) -> Validation {
        validate(net, examples, seed, device)
    }
}

/// Error on hidden cells of the validation cases, beside that of the mean of what is visible, and a
/// picture of the first cases.
fn validate<B: Kernels>(net: &Fcmae<B>, examples: &[Example], seed: u64, device: &B::Device) -> Validation {
    let (mut error, mut baseline) = (0.0, 0.0);
    let mut pictures = Vec::new();
    for (i, example) in examples.iter().enumerate() {
        let items = [Item { example: i, draw: 0 }];
        let x = volume(boxes::<B>(examples, &items, BOX, Family::ProfoundConv, seed, u64::MAX, device));
        let hidden = mask::<B>(&labels(examples, &items, u64::MAX), BOX, seed, device);
        let goal = target(x.clone());
        let trivial = visible_mean(x.clone(), hidden.clone());
        baseline += scalar(masked_error(trivial, goal.clone(), hidden.clone()));
        let pred = net.predict(x.clone(), hidden.clone());
        error += scalar(masked_error(pred.clone(), goal, hidden.clone()));
        if i < PICTURES {
            pictures.extend(picture(&example.case_id, x, pred, hidden));
        }
    }
    let n = examples.len() as f64;
    let metrics =
        [("loss", error / n), ("masked_error", error / n), ("masked_error@visible-mean", baseline / n)];
    Validation { metrics: metrics.map(|(name, value)| (name.to_owned(), value)).into(), pictures }
}

/// Validation cases that get a picture.
const PICTURES: usize = 2;

/// The prediction that fills every cell with each image type's mean over what is visible, in the
/// target's standardised units.
fn visible_mean<B: Backend>(x: Tensor<B, 5>, hidden: Tensor<B, 5>) -> Tensor<B, 3> {
    let [b, c, d, h, w] = x.dims();
    let visible = repeat(hidden.neg() + 1.0, STRIDE);
    let voxels = visible.clone().reshape([b, 1, d * h * w]).sum_dim(2);
    let sum = (x.clone() * visible).reshape([b, c, d * h * w]).sum_dim(2);
    let filled = (sum / voxels).reshape([b, c, 1, 1, 1]).expand([b, c, d, h, w]);
    let (mean, deviation) = statistics(cells(x));
    (cells(filled) - mean) / deviation
}

/// Input with hidden cells black, reconstruction with visible cells as they are, and the whole: the
/// first image type of the middle slice.
fn picture<B: Backend>(
    case_id: &str,
    x: Tensor<B, 5>,
    pred: Tensor<B, 3>,
    hidden: Tensor<B, 5>,
) -> Option<Shown> {
    let [_, c, d, h, w] = x.dims();
    let (mean, deviation) = statistics(cells(x.clone()));
    let rebuilt = from_cells(pred * deviation + mean, [c, d, h, w]);
    let hidden = repeat(hidden, STRIDE);
    let slice = |volume: Tensor<B, 5>| {
        values(volume.slice([0..1, 0..1, d / 2..d / 2 + 1, 0..h, 0..w]).reshape([h * w]))
    };
    let (whole, rebuilt, hidden) = (slice(x), slice(rebuilt), slice(hidden));
    let low = whole.iter().copied().fold(f32::MAX, f32::min);
    let high = whole.iter().copied().fold(f32::MIN, f32::max);
    let pick = |other: &dyn Fn(usize) -> f32| -> Vec<f32> {
        (0..h * w).map(|i| if hidden[i] > 0.5 { other(i) } else { whole[i] }).collect()
    };
    let range = [low, high.max(low + f32::EPSILON)];
    let (masked, joined) = (pick(&|_| low), pick(&|i| rebuilt[i]));
    let panels = [&masked, &joined, &whole].map(|pixels| Panel::Grey { pixels, range });
    Some(Shown {
        case_id: case_id.to_owned(),
        caption: format!("{case_id}, t2w: what is visible, reconstruction, original"),
        picture: strip([h, w], &panels).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use burn_flex::Flex;

    #[test]
    fn what_is_hidden_does_not_reach_the_encoder() {
        let device = Default::default();
        let net = crate::init::random(Fcmae::<Flex>::new(&device), 3);
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

    #[test]
    fn cells_go_back_and_the_visible_mean_costs_more_than_each_cells_own() {
        let device = Default::default();
        let x = Tensor::<Flex, 5>::random([2, 3, 16, 32, 32], Distribution::Default, &device);
        let back = from_cells(cells(x.clone()), [3, 16, 32, 32]);
        assert_eq!((back - x.clone()).abs().max().into_scalar(), 0.0);
        let hidden =
            Tensor::<Flex, 5>::from_data([[[[[1.0, 0.0], [0.0, 0.0]]]]], &device).expand([2, 1, 1, 2, 2]);
        let error = masked_error(visible_mean(x.clone(), hidden.clone()), target(x), hidden);
        assert!(error.into_scalar() > 1.0 - 1e-3);
    }

    #[test]
    fn the_target_is_standardised_and_in_the_published_order() {
        let device = Default::default();
        let x = Tensor::<Flex, 5>::random([1, 2, 16, 16, 32], Distribution::Default, &device);
        let t = target(x.clone());
        assert_eq!(t.dims(), [1, 2, 8192]);
        assert!(t.clone().mean_dim(2).abs().max().into_scalar() < 1e-4);
        // Values 0 and 1 of a cell are the two image types of its first voxel.
        let first = |c: usize| x.clone().slice([0..1, c..c + 1, 0..1, 0..1, 0..1]).into_scalar();
        let value = |i: usize| t.clone().slice([0..1, 0..1, i..i + 1]).into_scalar();
        let cell = x.clone().slice([0..1, 0..2, 0..16, 0..16, 0..16]);
        let sd = cell.clone().reshape([1, 8192]).var(1).sqrt().into_scalar();
        let mean = cell.mean().into_scalar();
        for c in 0..2 {
            assert!((value(c) - (first(c) - mean) / sd).abs() < 1e-3);
        }
    }
}
