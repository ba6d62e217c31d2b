//! ProFound's 3-D ConvNeXt-V2: encoder, published heads, masked autoencoder, and how its files are read.

use burn::tensor::backend::AutodiffBackend;
use transferscope_domain::{
    Objective,
    family::{Encoder as _, profound_conv::Size},
};

use super::{Facts, Rules};
use crate::{
    checkpoint::TensorList,
    nn::kernels::Kernels,
    outcome::{Outcome, RunError},
    pretrain::Job,
    train::sampling::{SamplingGeometry, View, WorkingGrid},
};

mod checkpoint;
pub mod convnext;
pub mod fcmae;
mod head;
pub mod heads;
pub mod layer_decay;
mod network;
mod pretraining;
pub mod sparse;

pub use head::StageHead;
pub use network::ProfoundConv;

/// What is said of the family.
pub(crate) static FACTS: Facts = Facts {
    kind: "3-D ConvNeXt-V2",
    encoder: Some("ConvNeXt-V2"),
    forms: &checkpoint::FORMS,
    modules: &[
        convnext::NAMES,
        fcmae::NAMES,
        heads::classifier::NAMES,
        heads::unetr::NAMES,
        heads::upernet::NAMES,
    ],
    image_output: Facts::SHARED_IMAGE_OUTPUT,
    resized: Facts::NEVER_RESIZED,
};

/// Box of the published sizes, a quarter of the volume that they were pre-trained on.
const FULL_CROP: [usize; 3] = [64, 112, 112];

impl Rules for Size {
    fn sampling(&self) -> SamplingGeometry {
        let small = self.is_small();
        SamplingGeometry {
            view: View::Volumes { channels: Some(self.in_channels) },
            grid: WorkingGrid::of(small),
            multiple: [convnext::STRIDE; 3],
            crop: if small { SamplingGeometry::SMALL_CROP } else { FULL_CROP },
            slides: !small,
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
        match job.pretraining.objective {
            Objective::Mae => {
                let config = fcmae::FcmaeConfig::of(self);
                Some(job.train(fcmae::Fcmae::<B>::new(&config, device), device))
            }
            Objective::PatchContrast | Objective::SelfDistillation => None,
        }
    }
}
