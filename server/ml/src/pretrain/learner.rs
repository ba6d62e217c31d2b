//! How a pre-training learns by its objective: gradients accumulated over batches, validation now and then. The loop
//! is [`crate::train::training_loop`].

use std::{collections::BTreeMap, path::Path};

use burn::{
    optim::{GradientsAccumulator, GradientsParams},
    tensor::backend::AutodiffBackend,
};
use transferscope_domain::{TrainingSpec, api::LossPoint, event::EventBody, metric::Split};

use super::{Drawn, Pretrain};
use crate::{
    nn::{kernels::Kernels, precision},
    observer::{Observer, emit},
    outcome::RunError,
    params::{NamedTensor, collect},
    train::{
        dataset::{Item, epoch_items},
        evaluate::scalar,
        example::Example,
        optimiser::Optimiser,
        previews,
        sampling::SamplingGeometry,
        state::Position,
        training_loop::{self, Learner, Learnt, TrainingLoop},
    },
};

/// What does not change during a pre-training.
pub struct PretrainContext<'a> {
    pub run_dir: &'a Path,
    pub train: &'a [Example],
    pub val: &'a [Example],
    pub sampling: SamplingGeometry,
    pub spec: &'a TrainingSpec,
    /// Batches in one optimiser step.
    pub accumulate: u32,
    pub seed: u64,
    pub observer: &'a dyn Observer,
}

/// How a pre-training ended.
pub enum Ended {
    Complete(Completed),
    Cancelled { step: u64, epoch: f64 },
}

/// A complete pre-training.
pub struct Completed {
    /// The encoder's parameters.
    pub encoder: Vec<NamedTensor>,
    pub steps: u64,
    pub seconds: f64,
    /// The last validation, without split.
    pub validation: BTreeMap<String, f64>,
    /// `[step, loss]`, thinned to means of equal stretches.
    pub loss_curve: Vec<LossPoint>,
}

/// Most validations of a training; each is a pass over the validation cases.
const VALIDATIONS: u32 = 25;
/// Points of the loss curve that are kept.
const CURVE_POINTS: u64 = 100;
/// Share of a run's work that the training takes; the rest is the probe.
const TRAINING_SHARE: f64 = 0.95;

impl PretrainContext<'_> {
    fn samples_per_step(&self) -> usize {
        (self.spec.batch_size * self.accumulate) as usize
    }

    /// Optimiser steps in one epoch.
    fn steps_per_epoch(&self) -> u64 {
        let samples = self.train.len() * self.spec.samples_per_case as usize;
        samples.div_ceil(self.samples_per_step()).max(1) as u64
    }

    /// Optimiser steps of the whole training.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch() * u64::from(self.spec.epochs)
    }

    /// Trains `net` from `from` or from the start.
    ///
    /// # Errors
    /// When the loss is not finite or something cannot be written.
    pub fn run<B, M>(
        &self,
        net: M,
        optimiser: Optimiser<B>,
        from: Option<Position>,
        device: &B::Device,
    ) -> Result<Ended, RunError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
        M: Pretrain<B>,
    {
        let training = TrainingLoop {
            run_dir: self.run_dir,
            spec: self.spec,
            steps_per_epoch: self.steps_per_epoch(),
            validate_every: self.spec.epochs.div_ceil(VALIDATIONS),
            share: TRAINING_SHARE,
            observer: self.observer,
        };
        let mut learner = ByObjective::<B, M>::new(self, device);
        let (net, mut position) = match training.run(&mut learner, net, optimiser, from)? {
            training_loop::Ended::Cancelled { step, epoch } => return Ok(Ended::Cancelled { step, epoch }),
            training_loop::Ended::Complete { net, position } => (net, position),
        };
        if learner.validation.is_empty() {
            // The worker before this one did the last step and ended before it was done.
            learner.validate(&net, &mut position)?;
        }
        Ok(Ended::Complete(Completed {
            encoder: collect(&net.valid()).into_iter().filter(|t| M::is_kept(&t.name)).collect(),
            steps: self.total_steps(),
            seconds: position.seconds,
            validation: learner.validation,
            loss_curve: position.curve,
        }))
    }
}

/// A network that learns by its own objective.
struct ByObjective<'a, B: AutodiffBackend, M> {
    context: &'a PretrainContext<'a>,
    device: &'a B::Device,
    /// The samples of the epoch that is under way.
    items: (u64, Vec<Item>),
    /// Losses since the last point of the curve.
    window: Window,
    /// The last validation of this process.
    validation: BTreeMap<String, f64>,
    net: std::marker::PhantomData<fn() -> M>,
}

impl<'a, B: AutodiffBackend, M> ByObjective<'a, B, M> {
    fn new(context: &'a PretrainContext<'a>, device: &'a B::Device) -> Self {
        Self {
            context,
            device,
            items: (u64::MAX, Vec::new()),
            window: Window::default(),
            validation: BTreeMap::new(),
            net: std::marker::PhantomData,
        }
    }

    /// The samples of a step.
    fn items_of(&mut self, step: u64) -> &[Item] {
        let context = self.context;
        let per_epoch = context.steps_per_epoch();
        let epoch = step / per_epoch;
        if self.items.0 != epoch {
            let all = epoch_items(context.train.len(), context.spec.samples_per_case, context.seed, epoch);
            self.items = (epoch, all);
        }
        let first = (step % per_epoch) as usize * context.samples_per_step();
        let last = (first + context.samples_per_step()).min(self.items.1.len());
        &self.items.1[first..last]
    }
}

impl<B, M> Learner<B> for ByObjective<'_, B, M>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
    M: Pretrain<B>,
{
    type Net = M;

    fn learn(&mut self, net: &M, step: u64) -> Result<Learnt, RunError> {
        let (context, device) = (self.context, self.device);
        let (spec, epoch) = (context.spec, step / context.steps_per_epoch());
        let batches: Vec<_> = self.items_of(step).chunks(spec.batch_size as usize).collect();
        let mut accumulator = GradientsAccumulator::new();
        let mut value = 0.0;
        for items in &batches {
            let drawn = Drawn {
                examples: context.train,
                items,
                sampling: context.sampling,
                seed: context.seed,
                epoch,
            };
            let loss = precision::with(spec.precision, || net.loss(drawn, device)) / batches.len() as f64;
            value += scalar(loss.clone().inner());
            accumulator.accumulate(net, GradientsParams::from_grads(loss.backward(), net));
        }
        Ok(Learnt { loss: value, gradients: accumulator.grads() })
    }

    fn after_step(&mut self, net: M, loss: f64, position: &mut Position) -> M {
        let total = self.context.total_steps();
        self.window.add(loss);
        if position.step.is_multiple_of(total.div_ceil(CURVE_POINTS)) {
            position.curve.push(LossPoint { step: position.step, loss: self.window.mean() });
            self.window = Window::default();
        }
        net.after_step(position.step as f64 / total as f64)
    }

    fn validate(&mut self, net: &M, position: &mut Position) -> Result<(), RunError> {
        let (context, step) = (self.context, position.step);
        let epoch = step as f64 / context.steps_per_epoch() as f64;
        let found = M::validate(&net.valid(), context.val, context.sampling, context.seed, self.device);
        let emit = |body| emit(context.observer, body);
        for (name, value) in &found.metrics {
            let name = format!("{}/{name}", Split::Val);
            emit(EventBody::Metric { name, step, epoch, value: *value })?;
        }
        for shown in found.pictures {
            let file = format!("{}-epoch-{:04}.png", shown.case_id, epoch.round());
            previews::save(Ok(shown.picture), context.run_dir, &file, context.observer)?;
            let (case_id, caption) = (shown.case_id, shown.caption);
            emit(EventBody::Preview { step, epoch, case_id, file, caption })?;
        }
        self.validation = found.metrics;
        Ok(())
    }
}

/// Losses since the last point of the curve.
#[derive(Default)]
struct Window {
    sum: f64,
    count: u32,
}

impl Window {
    fn add(&mut self, loss: f64) {
        self.sum += loss;
        self.count += 1;
    }

    /// To four decimals, which a card is readable with.
    fn mean(&self) -> f64 {
        (self.sum / f64::from(self.count.max(1)) * 1e4).round() / 1e4
    }
}
