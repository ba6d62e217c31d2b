//! What depends on the size of a family's encoder.

use burn::tensor::backend::AutodiffBackend;

use crate::{
    checkpoint::TensorList,
    nn::kernels::Kernels,
    outcome::{Outcome, RunError},
    pretrain::Job,
    train::sampling::SamplingGeometry,
};

/// What is asked of a size; a family implements it for that of its encoders in [`transferscope_domain::family`].
pub(crate) trait Rules {
    /// How networks of this size look at a case: volumes or slices, their grid, box and multiples.
    fn sampling(&self) -> SamplingGeometry;

    /// Lists name and shape of every tensor that an encoder of this size has, in its own order; nothing for a network
    /// without one.
    fn tensors(&self, _list: &mut TensorList) {}

    /// Pre-trains an encoder of this size by the objective of `job`; none where the family has no such objective.
    fn pretrain<B>(&self, _job: &Job<'_>, _device: &B::Device) -> Option<Result<Outcome, RunError>>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        None
    }
}
