//! Pre-training as a masked autoencoder: which boxes of a case, which of their cells are hidden, and how
//! well it goes. The networks differ in how they look at what is visible ([`Masked`]).
//!
//! # Source
//! ProFound's pre-training: one mask for all images, target standardised over each cell's voxels
//! and images. The share that is hidden is the family's.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use rand::seq::SliceRandom;

use super::{Drawn, Shown, Validation};
use crate::{
    init::stream,
    loss::Inside,
    model::masked::{cells, from_cells, masked_error, masked_error_of_some, standardised, statistics},
    nn::kernels::Kernels,
    preview::{Panel, strip},
    train::{
        batch::random_crops,
        dataset::Item,
        evaluate::{scalar, values},
        example::Example,
        sampling::SamplingGeometry,
    },
};

/// Voxels D, H, W of what one step sees, and of its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub whole: [usize; 3],
    pub cell: [usize; 3],
}

/// A network that reconstructs the hidden cells of a box.
pub(crate) trait Masked<B: Kernels> {
    /// Voxels D, H, W of a box that one step sees, and of a cell.
    fn geometry(sampling: SamplingGeometry) -> Geometry;

    /// Share of cells that are hidden.
    const HIDDEN: f64;

    /// Predictions for all cells, `[B, cells, values]`; `hidden` tells the cells of each sample.
    fn reconstruct(&self, x: Tensor<B, 5>, hidden: &[Vec<bool>]) -> Tensor<B, 3>;

    /// Random cells for each sample, the same number in each.
    fn mask(samples: &[String], geometry: Geometry, seed: u64) -> Vec<Vec<bool>> {
        let Geometry { whole, cell } = geometry;
        let cells: usize = (0..3).map(|axis| whole[axis] / cell[axis]).product();
        let kept = (cells as f64 * (1.0 - Self::HIDDEN)) as usize;
        let draw = |sample: &String| {
            let mut order: Vec<usize> = (0..cells).collect();
            order.shuffle(&mut stream(seed, &format!("mask/{sample}")));
            let mut hidden = vec![true; cells];
            order[..kept].iter().for_each(|i| hidden[*i] = false);
            hidden
        };
        samples.iter().map(draw).collect()
    }

    /// Boxes of some samples, what of them is hidden, and which voxels belong to a case.
    fn draw(drawn: Drawn<'_>, device: &B::Device) -> (Tensor<B, 5>, Vec<Vec<bool>>, Option<Inside<B>>) {
        let Drawn { examples, items, sampling, seed, epoch } = drawn;
        let geometry = Self::geometry(sampling);
        let mut batch = random_crops(examples, items, geometry.whole, sampling, seed, epoch).on::<B>(device);
        let inside = batch.inside.take();
        let label = |i: &Item| format!("{epoch}/{}/{}", examples[i.example].case_id, i.draw);
        (
            batch.input.volume(),
            Self::mask(&items.iter().map(label).collect::<Vec<_>>(), geometry, seed),
            inside,
        )
    }

    /// Mean squared error on hidden cells; those that only pad a case do not count.
    fn objective(&self, drawn: Drawn<'_>, device: &B::Device) -> Tensor<B, 1> {
        let (x, hidden, inside) = Self::draw(drawn, device);
        let cell = Self::geometry(drawn.sampling).cell;
        let target = standardised(cells(x.clone(), cell));
        let pred = self.reconstruct(x, &hidden);
        let hidden = shares(&hidden, device);
        match inside {
            Some(inside) => masked_error_of_some(pred, target, hidden * belonging(&inside, cell)),
            None => masked_error(pred, target, hidden),
        }
    }

    /// Error on hidden cells of the validation cases, beside that of the mean of what is visible, and a
    /// picture of the first cases.
    fn validation(
        &self,
        examples: &[Example],
        sampling: SamplingGeometry,
        seed: u64,
        device: &B::Device,
    ) -> Validation {
        let cell = Self::geometry(sampling).cell;
        let (mut reached, mut baseline, mut n) = (0.0, 0.0, 0.0);
        let mut pictures = Vec::new();
        for (i, example) in examples.iter().enumerate() {
            let items = [Item { example: i, draw: 0 }];
            let drawn = Drawn { examples, items: &items, sampling, seed, epoch: u64::MAX };
            let (x, mask, _) = Self::draw(drawn, device);
            let hidden = shares::<B>(&mask, device);
            let goal = standardised(cells(x.clone(), cell));
            let judged = hidden.clone() * telling(x.clone(), cell);
            let trivial = visible_mean(x.clone(), hidden.clone(), cell);
            let trivial = scalar(masked_error(trivial, goal.clone(), judged.clone()));
            let pred = self.reconstruct(x.clone(), &mask);
            let error = scalar(masked_error(pred.clone(), goal, judged));
            // Where only padding is hidden, there is nothing to eval.
            if trivial.is_finite() {
                reached += error;
                baseline += trivial;
                n += 1.0;
            }
            if i < PICTURES {
                pictures.extend(picture(&example.case_id, x, pred, hidden, cell));
            }
        }
        let metrics = [
            ("loss", reached / n),
            ("masked_error", reached / n),
            ("masked_error@visible-mean", baseline / n),
        ];
        let metrics = if n > 0.0 { &metrics[..] } else { &[] };
        Validation {
            metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            pictures,
        }
    }
}

/// 1 for hidden cells, 0 for others: `[B, cells]`.
pub(crate) fn shares<B: Backend>(hidden: &[Vec<bool>], device: &B::Device) -> Tensor<B, 2> {
    let cells = hidden.first().map_or(0, Vec::len);
    let data: Vec<f32> = hidden.iter().flatten().map(|h| f32::from(u8::from(*h))).collect();
    Tensor::from_data(TensorData::new(data, [hidden.len(), cells]), device)
}

/// 1 for cells with a voxel of a case, 0 for those of padding alone: `[B, cells]`.
fn belonging<B: Backend>(inside: &Inside<B>, cell: [usize; 3]) -> Tensor<B, 2> {
    let shares = cells(inside.mask(), cell).mean_dim(2);
    let [b, n, _] = shares.dims();
    shares.greater_elem(0.0).float().reshape([b, n])
}

/// Validation cases that get a picture.
const PICTURES: usize = 2;

/// Hidden cells as voxels, `[B, cells]` -> `[B, C, D, H, W]`.
fn enlarged<B: Backend>(hidden: Tensor<B, 2>, cell: [usize; 3], size: [usize; 4]) -> Tensor<B, 5> {
    let [b, n] = hidden.dims();
    let values = cell.iter().product::<usize>() * size[0];
    from_cells(hidden.reshape([b, n, 1]).expand([b, n, values]), cell, size)
}

/// The prediction that fills every cell with each image's mean over what is visible, in the
/// target's standardised units.
fn visible_mean<B: Backend>(x: Tensor<B, 5>, hidden: Tensor<B, 2>, cell: [usize; 3]) -> Tensor<B, 3> {
    let [b, c, d, h, w] = x.dims();
    let visible = enlarged(hidden, cell, [c, d, h, w]).neg() + 1.0;
    let voxels = visible.clone().reshape([b, c, d * h * w]).sum_dim(2);
    let sum = (x.clone() * visible).reshape([b, c, d * h * w]).sum_dim(2);
    let filled = (sum / voxels).reshape([b, c, 1, 1, 1]).expand([b, c, d, h, w]);
    let (mean, deviation) = statistics(cells(x, cell));
    (cells(filled, cell) - mean) / deviation
}

/// 1 for cells that hold something, 0 for (nearly) constant ones such as padding, whose standardised content
/// is rounding: `[B, cells]`.
fn telling<B: Backend>(x: Tensor<B, 5>, cell: [usize; 3]) -> Tensor<B, 2> {
    let (_, deviation) = statistics(cells(x, cell));
    let [b, n, _] = deviation.dims();
    deviation.greater_elem(LEAST_DEVIATION).float().reshape([b, n])
}

/// Deviation of a cell below which it holds nothing, in deviations of the image.
const LEAST_DEVIATION: f32 = 1e-2;

/// Input with hidden cells black, reconstruction with visible cells as they are, and the whole: the
/// first image of the middle slice.
fn picture<B: Backend>(
    case_id: &str,
    x: Tensor<B, 5>,
    pred: Tensor<B, 3>,
    hidden: Tensor<B, 2>,
    cell: [usize; 3],
) -> Option<Shown> {
    let [_, c, d, h, w] = x.dims();
    let (mean, deviation) = statistics(cells(x.clone(), cell));
    let rebuilt = from_cells(pred * deviation + mean, cell, [c, d, h, w]);
    let hidden = enlarged(hidden, cell, [c, d, h, w]);
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
        let x = Tensor::<Flex, 5>::random([2, 3, 8, 32, 32], Distribution::Default, &device);
        let hidden =
            shares::<Flex>(&[vec![true, false, true, false], vec![true, true, false, false]], &device);
        let cell = [8, 16, 16];
        let goal = standardised(cells(x.clone(), cell));
        let cost = masked_error(visible_mean(x, hidden.clone(), cell), goal, hidden);
        assert!(cost.into_scalar() > 1.0 - 1e-3);
    }

    /// A cell of padding costs nothing, whatever is said of it; where all is padding nothing costs.
    #[test]
    fn padding_is_not_learnt() {
        let device = Default::default();
        let mask = |first: f32| [vec![first; 2 * 4 * 4], vec![0.0; 2 * 4 * 4]].concat();
        let cell = [2, 4, 4];
        let some = Inside::<Flex>::new(mask(1.0), [1, 1, 4, 4, 4], &device);
        let judged = belonging(&some, cell);
        assert_eq!(judged.clone().into_data().as_slice::<f32>().unwrap(), [1.0, 0.0]);
        let pred = Tensor::<Flex, 3>::from_floats([[[3.0], [9.0]]], &device);
        let zero = pred.zeros_like();
        assert_eq!(masked_error_of_some(pred.clone(), zero.clone(), judged).into_scalar(), 9.0);
        let none = belonging(&Inside::<Flex>::new(mask(0.0), [1, 1, 4, 4, 4], &device), cell);
        assert_eq!(masked_error_of_some(pred, zero, none).into_scalar(), 0.0);
    }

    #[test]
    fn padding_is_not_judged() {
        let device = Default::default();
        let x = Tensor::<Flex, 5>::random([1, 3, 8, 16, 16], Distribution::Default, &device);
        let padded = Tensor::cat(vec![x, Tensor::zeros([1, 3, 8, 16, 16], &device)], 2);
        let found = telling(padded, [8, 16, 16]).into_data();
        assert_eq!(found.as_slice::<f32>().unwrap(), [1.0, 0.0]);
    }
}
