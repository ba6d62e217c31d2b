//! Pre-training: a run whose result is a backbone.
//!
//! Start reading at [`run`]: data, network, [`learner`], then the probe and the backbone
//! that is left behind ([`outcome`]). The objectives are in [`mae`], [`contrast`] and [`distil`]; which of them trains
//! an encoder, and how, its family says.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, backend::AutodiffBackend},
};
use transferscope_domain::{
    Arm, RunRequest,
    event::{EventBody, Phase},
    metric::Split,
    pretraining::Pretraining,
    report::LoadReport,
};

use crate::{
    backbone,
    checkpoint::{CheckpointError, EncoderWeights, load_encoder},
    device::Device,
    family, init,
    nn::kernels::Kernels,
    observer::{Observer, Progress, emit},
    outcome::{Outcome, RunError},
    params::within_encoder,
    preview::Picture,
    run_dir::load_manifest,
    train::{
        adapt::count,
        dataset::Item,
        example::{Example, load_for_pretraining},
        optimiser::Optimiser,
        sampling::SamplingGeometry,
        state,
    },
};

pub mod contrast;
pub mod distil;
mod learner;
mod linear_probe;
pub mod mae;
mod outcome;

use learner::{Ended, PretrainContext};

/// The samples of a batch, and what decides which parts of them are taken.
#[derive(Clone, Copy)]
pub(crate) struct Drawn<'a> {
    pub examples: &'a [Example],
    pub items: &'a [Item],
    pub sampling: SamplingGeometry,
    pub seed: u64,
    pub epoch: u64,
}

/// What an objective must do; the loop is the same for all.
pub(crate) trait Pretrain<B: AutodiffBackend>: AutodiffModule<B> {
    /// The loss of one batch.
    fn loss(&self, drawn: Drawn<'_>, device: &B::Device) -> Tensor<B, 1>;

    /// Takes over the encoder of a checkpoint.
    ///
    /// # Errors
    /// As [`load_encoder`].
    fn start_from(self, path: &str, weights: &EncoderWeights) -> Result<(Self, LoadReport), CheckpointError> {
        load_encoder(self, path, weights, &[])
    }

    /// Whether a parameter belongs to the encoder that is left behind; heads are thrown away.
    fn is_kept(name: &str) -> bool {
        within_encoder(name).is_some()
    }

    /// What follows the weights' start, random or from a checkpoint.
    fn prepare(self) -> Self {
        self
    }

    /// What follows an optimiser step; `progress` is the share of the training that is done.
    fn after_step(self, _progress: f64) -> Self {
        self
    }

    /// How well it goes on cases that are not learnt from.
    fn validate(
        net: &Self::InnerModule,
        examples: &[Example],
        sampling: SamplingGeometry,
        seed: u64,
        device: &B::Device,
    ) -> Validation;
}

/// What a validation found.
#[derive(Debug, Default)]
pub struct Validation {
    /// Metric, without split, to value; `loss` is among them. Empty where there was nothing to eval.
    pub metrics: BTreeMap<String, f64>,
    pub pictures: Vec<Shown>,
}

/// A picture of a case.
#[derive(Debug)]
pub struct Shown {
    pub case_id: String,
    pub caption: String,
    pub picture: Picture,
}

/// One pre-training.
pub(crate) struct Job<'a> {
    pub request: &'a RunRequest,
    pub pretraining: &'a Pretraining,
    pub run_dir: &'a Path,
    pub attempt: u32,
    pub observer: &'a dyn Observer,
    pub device: &'a Device,
}

/// Pre-trains, going on from `checkpoints/last` if there is one, and leaves the backbone in
/// `backbone/` of the run directory and where the request wants it.
///
/// # Errors
/// When the data cannot serve, the loss is not finite, or something cannot be written.
pub(crate) fn run<B>(job: &Job<'_>, device: &B::Device) -> Result<Outcome, RunError>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let architecture = job
        .request
        .encoder()
        .ok_or_else(|| RunError::Settings(format!("{} has no encoder to pre-train", job.request.backbone)))?;
    family::pretrain::<B>(&architecture, job, device).unwrap_or_else(|| {
        let objective = job.pretraining.objective;
        Err(RunError::Settings(format!("{objective} cannot train {}", architecture.name())))
    })
}

impl Job<'_> {
    /// Pre-trains `net`, which its family has made for the objective; see [`run`].
    pub(crate) fn train<B, M>(&self, net: M, device: &B::Device) -> Result<Outcome, RunError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
        M: Pretrain<B>,
    {
        let (request, objective) = (self.request, self.pretraining.objective);
        let progress = Progress { step: 0, progress: 0.0, phase: Phase::Preparing, eta_s: None };
        self.observer.progress(progress);
        let manifest = load_manifest(request, self.run_dir)?;
        if let Some(problem) = objective.data_problem(&manifest) {
            return Err(RunError::Unserved(problem));
        }
        let sampling = SamplingGeometry::of(request.encoder().as_ref());
        let dataset_dir = self.run_dir.join(&request.dataset_dir);
        let load =
            |split| load_for_pretraining(&dataset_dir, &manifest, objective.needs(), sampling.grid, split);
        // Every patient may be learnt from, but for those that tell how well it goes.
        let mut train = load(Split::Train)?;
        train.extend(load(Split::Test)?);
        let val = load(Split::Val)?;

        let net = init::random(net, request.seed);
        let (net, load_report) = match (request.arm, &request.checkpoint) {
            (Arm::Pretrained, Some(reference)) => {
                let tensors = backbone::read(self.run_dir, reference, request.checkpoint_hash.as_deref())?;
                let (net, report) = net.start_from(reference, &tensors)?;
                (net, Some(report))
            }
            _ => (net, None),
        };
        let net = net.prepare();
        let parameters = count(&net);
        let mut optimiser = Optimiser::adamw(request.training.weight_decay);
        let (net, from) = state::load_last(self.run_dir, net, &mut optimiser, device)?;
        let context = PretrainContext {
            run_dir: self.run_dir,
            train: &train,
            val: &val,
            sampling,
            spec: &request.training,
            accumulate: self.pretraining.accumulate.max(1),
            seed: request.seed,
            observer: self.observer,
        };
        self.emit(EventBody::Started {
            attempt: self.attempt,
            resumed_from_step: from.as_ref().map_or(0, |p| p.step),
            total_epochs: request.training.epochs,
            total_steps: context.total_steps(),
            device: self.device.to_string(),
            pid: std::process::id(),
            train_cases: train.len() as u32,
            val_cases: val.len() as u32,
            test_cases: 0,
            left_out: objective.left_out(&manifest),
            load_report: load_report.clone(),
            parameters: parameters.total,
        })?;
        match context.run(net, optimiser, from, device)? {
            Ended::Cancelled { step, epoch } => Ok(Outcome::Cancelled { step, epoch }),
            Ended::Complete(completed) => {
                let found = self.probe::<B::InnerBackend>(&completed, &train, &val, device)?;
                self.leave(&completed, found, &manifest, load_report, parameters)?;
                Ok(Outcome::Finished)
            }
        }
    }

    fn emit(&self, body: EventBody) -> Result<(), RunError> {
        emit(self.observer, body)
    }
}
