//! Which positions of a batch count.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// Positions that belong to a case; what pads smaller cases to the box of a batch is outside, and costs nothing.
#[derive(Debug, Clone)]
pub struct Inside<B: Backend> {
    /// 1 inside, 0 outside: `[B, 1, D, H, W]`.
    mask: Tensor<B, 5>,
    /// Share of positions that are inside.
    share: f64,
}

impl<B: Backend> Inside<B> {
    /// # Shapes
    /// `mask` of ones and zeros, `[B, 1, D, H, W]` row-major.
    pub fn new(mask: Vec<f32>, dims: [usize; 5], device: &B::Device) -> Self {
        let inside: f64 = mask.iter().map(|v| f64::from(*v)).sum();
        // Where nothing is inside nothing costs, whatever it is divided by.
        let share = if inside > 0.0 { inside / mask.len() as f64 } else { 1.0 };
        Self { mask: Tensor::from_data(TensorData::new(mask, dims), device), share }
    }

    /// The mask.
    pub fn mask(&self) -> Tensor<B, 5> {
        self.mask.clone()
    }

    /// Share of positions that are inside; 1 where that is none.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The mask with positions in one axis, `[B, 1, N]`.
    pub(super) fn flat(&self) -> Tensor<B, 3> {
        let [b, _, d, h, w] = self.mask.dims();
        self.mask.clone().reshape([b, 1, d * h * w])
    }
}
