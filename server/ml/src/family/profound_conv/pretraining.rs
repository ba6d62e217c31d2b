//! How the autoencoder learns: the box and the cells of a step, and the share that is hidden.
//!
//! # Source
//! ProFound's pre-training, which hides 0.6 of the cells.

use burn::tensor::{Tensor, backend::AutodiffBackend};

use super::fcmae::{CELL, Fcmae};
use crate::{
    nn::kernels::Kernels,
    pretrain::{
        Drawn, Pretrain, Validation,
        mae::{Geometry, Masked, shares},
    },
    train::{
        example::Example,
        sampling::{SamplingGeometry, WorkingGrid},
    },
};

impl<B: Kernels> Masked<B> for Fcmae<B> {
    const HIDDEN: f64 = 0.6;

    fn geometry(sampling: SamplingGeometry) -> Geometry {
        // Published: 64 x 224 x 224 voxels.
        let whole = if sampling.grid == WorkingGrid::SMALL { [16, 96, 96] } else { [64, 224, 224] };
        Geometry { whole, cell: CELL }
    }

    fn reconstruct(&self, x: Tensor<B, 5>, hidden: &[Vec<bool>]) -> Tensor<B, 3> {
        let [b, _, d, h, w] = x.dims();
        let [cd, ch, cw] = CELL;
        let hidden = shares(hidden, &x.device()).reshape([b, 1, d / cd, h / ch, w / cw]);
        self.predict(x, hidden)
    }
}

impl<B: AutodiffBackend + Kernels> Pretrain<B> for Fcmae<B>
where
    B::InnerBackend: Kernels,
{
    fn loss(&self, drawn: Drawn<'_>, device: &B::Device) -> Tensor<B, 1> {
        Masked::objective(self, drawn, device)
    }

    fn validate(
        net: &Self::InnerModule,
        examples: &[Example],
        sampling: SamplingGeometry,
        seed: u64,
        device: &B::Device,
    ) -> Validation {
        net.validation(examples, sampling, seed, device)
    }
}
