//! ProViCNet's 2.5-D vision transformer: DINOv2 on every slice, published heads, and how its files are read.

use burn::tensor::backend::AutodiffBackend;
use transferscope_domain::{
    Objective,
    family::{Encoder as _, provicnet::Size},
};

use super::{Facts, ModuleNames, Rules};
use crate::{
    checkpoint::TensorList,
    nn::kernels::Kernels,
    outcome::{Outcome, RunError},
    pretrain::{Job, contrast::Contrast, distil::SelfDistillation},
    train::sampling::{SamplingGeometry, View, WorkingGrid},
};

mod checkpoint;
pub mod encoders;
pub mod heads;
pub mod network;
pub mod position;
pub mod published;
pub mod slice_head;
pub mod vit;

pub use network::Provicnet;

/// What is said of the family.
pub(crate) static FACTS: Facts = Facts {
    kind: "2.5-D vision transformer with registers",
    encoder: Some("DINOv2"),
    forms: &checkpoint::FORMS,
    modules: MODULES,
    image_output: Facts::SHARED_IMAGE_OUTPUT,
    resized: position::resized_positions,
};

/// Its heads number the members of their sequences, where enlargements and rectifiers count.
const MODULES: &[ModuleNames] = &[
    vit::NAMES,
    published::NAMES,
    heads::contrastive::NAMES,
    heads::conv_head::NAMES,
    heads::conv_head_3up::TWO,
    heads::conv_head_3up::LAST,
    heads::fusion::NAMES,
    heads::fusion::STREAM,
    heads::fusion::JOINED,
];

impl Rules for Size {
    fn sampling(&self) -> SamplingGeometry {
        SamplingGeometry {
            view: View::Slabs,
            grid: WorkingGrid::of(self.is_small()),
            multiple: [1, network::CELL, network::CELL],
            crop: SamplingGeometry::SMALL_CROP,
            slides: false,
            mirror: SamplingGeometry::LEFT_RIGHT,
            planned: false,
            fixed: false,
        }
    }

    fn tensors(&self, list: &mut TensorList) {
        checkpoint::tensors(self, list);
    }

    fn pretrain<B>(&self, job: &Job<'_>, device: &B::Device) -> Option<Result<Outcome, RunError>>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let config = vit::VitConfig::of(self);
        match job.pretraining.objective {
            Objective::PatchContrast => Some(job.train(Contrast::<B>::new(&config, device), device)),
            Objective::SelfDistillation => {
                Some(job.train(SelfDistillation::<B>::new(&config, device), device))
            }
            Objective::Mae => None,
        }
    }
}
