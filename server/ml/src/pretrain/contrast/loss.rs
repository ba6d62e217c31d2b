//! What a pair of patches costs.
//!
//! # Source
//! ProViCNet: `1 - cosine` for a positive pair, `max(0, cosine - 0.5)` for a negative one.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use super::pairs::Pair;

/// Cosine above which a negative pair costs.
const MARGIN: f64 = 0.5;
/// Added to squared lengths: the square of the least length of PyTorch's cosine similarity.
const TINY: f64 = 1e-16;

/// The cost of each pair, by what the projection made of the patches.
///
/// # Shapes
/// `projected [patches, K]` -> `[pairs, 1]`; the pairs' indices are rows of `projected`.
pub fn pair_losses<B: Backend>(projected: Tensor<B, 2>, pairs: &[Pair]) -> Tensor<B, 2> {
    let device = projected.device();
    let unit = projected.clone() / (projected.square().sum_dim(1) + TINY).sqrt();
    let pick = |index: &dyn Fn(&Pair) -> usize| {
        let data: Vec<i32> = pairs.iter().map(|p| index(p) as i32).collect();
        let index = Tensor::<B, 1, Int>::from_data(TensorData::new(data, [pairs.len()]), &device);
        unit.clone().select(0, index)
    };
    let cosine = (pick(&|p| p.anchor) * pick(&|p| p.other)).sum_dim(1);
    let positive: Vec<f32> = pairs.iter().map(|p| f32::from(u8::from(p.positive))).collect();
    let positive = Tensor::<B, 2>::from_data(TensorData::new(positive, [pairs.len(), 1]), &device);
    let together = (cosine.clone().neg() + 1.0) * positive.clone();
    let apart = (cosine - MARGIN).clamp_min(0.0) * (positive.neg() + 1.0);
    together + apart
}
