//! ProFound's 3-D vision transformer: encoder, masked autoencoder, and how its files are read.

use burn::tensor::backend::AutodiffBackend;
use transferscope_domain::{
    Objective,
    family::{Encoder as _, profound_vit::Size},
};

use super::{Facts, Rules};
use crate::{
    checkpoint::TensorList,
    nn::kernels::Kernels,
    outcome::{Outcome, RunError},
    pretrain::Job,
    train::sampling::{SamplingGeometry, View, WorkingGrid},
};

pub mod block;
mod checkpoint;
pub mod mae_vit;
mod network;
mod pretraining;

pub use network::ProfoundVit;
pub use pretraining::VitAutoencoder;

/// What is said of the family.
pub(crate) static FACTS: Facts = Facts {
    kind: "3-D vision transformer",
    encoder: Some("MAE-ViT"),
    forms: &checkpoint::FORMS,
    modules: &[mae_vit::NAMES, mae_vit::ENCODER],
    image_output: Facts::SHARED_IMAGE_OUTPUT,
    resized: Facts::NEVER_RESIZED,
};

impl Rules for Size {
    fn sampling(&self) -> SamplingGeometry {
        SamplingGeometry {
            view: View::Volumes { channels: Some(self.in_channels) },
            grid: WorkingGrid::of(self.is_small()),
            multiple: self.patch,
            // Positions are absolute: what is learnt of a part of the grid says nothing of the rest.
            crop: self.image,
            slides: false,
            mirror: SamplingGeometry::LEFT_RIGHT,
            planned: false,
            fixed: true,
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
        match job.pretraining.objective {
            Objective::Mae => {
                let config = mae_vit::MaeVitConfig::of(self);
                Some(job.train(VitAutoencoder::<B>::new(&config, device), device))
            }
            Objective::PatchContrast | Objective::SelfDistillation => None,
        }
    }
}
