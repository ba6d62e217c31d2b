//! Pre-training of the 3-D ConvNeXt-V2 as a masked autoencoder: which boxes of a case, which of their
//! cells are hidden, and how well it goes.
//!
//! # Source
//! ProFound's pre-training: ratio 0.6, target standardised over each cell's voxels and image types.

use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use rand::seq::SliceRandom;
use transferscope_domain::Family;

use super::{Pretrain, Shown, Validation, volume};
use crate::{
    init::stream,
    model::{
        convnext::{STRIDE, repeat},
        fcmae::{CELL, Fcmae, error, target},
        masked::{cells, from_cells, statistics},
    },
    nn::kernels::Kernels,
    preview::{Panel, strip},
    train::{
        batch::{Item, boxes},
        evaluate::{scalar, values},
        example::Example,
    },
};

/// Share of cells that are hidden.
const MASK_RATIO: f64 = 0.6;
/// Box of a case that one step sees, `[D, H, W]`.
const BOX: [usize; 3] = [16, 96, 96];

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
        self.objective(x, hidden, true)
    }

    fn validate(net: &Self::InnerModule, examples: &[Example], seed: u64, device: &B::Device) -> Validation {
        validate(net, examples, seed, device)
    }
}

/// Error on hidden cells of the validation cases, beside that of the mean of what is visible, and a
/// picture of the first cases.
fn validate<B: Kernels>(net: &Fcmae<B>, examples: &[Example], seed: u64, device: &B::Device) -> Validation {
    let (mut reached, mut baseline) = (0.0, 0.0);
    let mut pictures = Vec::new();
    for (i, example) in examples.iter().enumerate() {
        let items = [Item { example: i, draw: 0 }];
        let x = volume(boxes::<B>(examples, &items, BOX, Family::ProfoundConv, seed, u64::MAX, device));
        let hidden = mask::<B>(&labels(examples, &items, u64::MAX), BOX, seed, device);
        let goal = target(x.clone(), true);
        let trivial = visible_mean(x.clone(), hidden.clone());
        baseline += scalar(error(trivial, goal.clone(), hidden.clone()));
        let pred = net.predict(x.clone(), hidden.clone());
        reached += scalar(error(pred.clone(), goal, hidden.clone()));
        if i < PICTURES {
            pictures.extend(picture(&example.case_id, x, pred, hidden));
        }
    }
    let n = examples.len() as f64;
    let metrics =
        [("loss", reached / n), ("masked_error", reached / n), ("masked_error@visible-mean", baseline / n)];
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
    let (mean, deviation) = statistics(cells(x, CELL));
    (cells(filled, CELL) - mean) / deviation
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
    let (mean, deviation) = statistics(cells(x.clone(), CELL));
    let rebuilt = from_cells(pred * deviation + mean, CELL, [c, d, h, w]);
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
    fn the_visible_mean_costs_more_than_each_cells_own() {
        let device = Default::default();
        let x = Tensor::<Flex, 5>::random([2, 3, 16, 32, 32], Distribution::Default, &device);
        let hidden =
            Tensor::<Flex, 5>::from_data([[[[[1.0, 0.0], [0.0, 0.0]]]]], &device).expand([2, 1, 1, 2, 2]);
        let cost = error(visible_mean(x.clone(), hidden.clone()), target(x, true), hidden);
        assert!(cost.into_scalar() > 1.0 - 1e-3);
    }
}
