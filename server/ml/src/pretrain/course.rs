//! The loop of a pre-training: steps with accumulated gradients, validation, checkpoints.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use burn::{
    module::AutodiffModule,
    optim::{GradientsAccumulator, GradientsParams},
    tensor::backend::AutodiffBackend,
};
use transferscope_domain::{
    TrainingSpec,
    event::{CheckpointKind, EventBody, Phase},
    metric::Split,
};

use super::{Drawn, Pretrain};
use crate::{
    nn::{kernels::Kernels, precision},
    observer::{Observer, Progress, written},
    params::{NamedTensor, collect},
    run::{RunError, emit, preview},
    train::{
        evaluate::scalar,
        example::Example,
        items::epoch_items,
        optimiser::Optimiser,
        schedule::WarmupCosine,
        state::{self, Position},
        view::View,
    },
};

/// What does not change during a pre-training.
pub struct Course<'a> {
    pub run_dir: &'a Path,
    pub train: &'a [Example],
    pub val: &'a [Example],
    pub view: View,
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
    pub loss_curve: Vec<(u64, f64)>,
}

/// Most validations of a training; each is a pass over the validation cases.
const VALIDATIONS: u32 = 25;
/// A checkpoint is also written between validations when the last one is older than this.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// Points of the loss curve that are kept.
const CURVE_POINTS: u64 = 100;
/// Share of a run's work that the training takes; the rest is the probe.
const TRAINING_SHARE: f64 = 0.95;

impl Course<'_> {
    fn samples_per_step(&self) -> usize {
        (self.spec.batch_size * self.accumulate) as usize
    }

    /// Optimiser steps in one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
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
        mut net: M,
        mut optimiser: Optimiser<B>,
        from: Option<Position>,
        device: &B::Device,
    ) -> Result<Ended, RunError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
        M: Pretrain<B>,
    {
        let (per_epoch, total) = (self.steps_per_epoch(), self.total_steps());
        let every = u64::from(self.spec.epochs.div_ceil(VALIDATIONS)) * per_epoch;
        let fresh = from.is_none();
        let mut position = from.unwrap_or_default();
        let (start, before, first_step) = (Instant::now(), position.seconds, position.step);
        let seconds = || before + start.elapsed().as_secs_f64();
        let progress = |step: u64, phase: Phase| {
            let done = step - first_step;
            let pace = start.elapsed().as_secs_f64() / done.max(1) as f64;
            let eta_s = (done > 0).then(|| pace * ((total - step) as f64 + total as f64 * 0.05));
            let progress = TRAINING_SHARE * step as f64 / total as f64;
            self.observer.progress(Progress { step, progress, phase, eta_s });
        };
        let mut validation = BTreeMap::new();
        if fresh {
            progress(0, Phase::Validating);
            validation = self.validate::<B, M>(&net, 0, device)?;
        }
        let mut window = Window::default();
        let mut saved = Instant::now();
        let mut items = (u64::MAX, Vec::new());
        let mut epoch_start = Instant::now();
        while position.step < total {
            if self.observer.should_stop() {
                position.seconds = seconds();
                self.save::<B, M>(&net, &optimiser, &position)?;
                let epoch = position.step as f64 / per_epoch as f64;
                return Ok(Ended::Cancelled { step: position.step, epoch });
            }
            let started = Instant::now();
            let epoch = position.step / per_epoch;
            if items.0 != epoch {
                let all = epoch_items(self.train.len(), self.spec.samples_per_case, self.seed, epoch);
                items = (epoch, all);
                epoch_start = Instant::now();
            }
            let first = (position.step % per_epoch) as usize * self.samples_per_step();
            let last = (first + self.samples_per_step()).min(items.1.len());
            let fraction = position.step as f64 / per_epoch as f64;
            let batches: Vec<_> = items.1[first..last].chunks(self.spec.batch_size as usize).collect();
            let mut accumulator = GradientsAccumulator::new();
            let mut value = 0.0;
            for batch in &batches {
                let drawn =
                    Drawn { examples: self.train, items: batch, view: self.view, seed: self.seed, epoch };
                let loss =
                    precision::with(self.spec.precision, || net.loss(drawn, device)) / batches.len() as f64;
                value += scalar(loss.clone().inner());
                accumulator.accumulate(&net, GradientsParams::from_grads(loss.backward(), &net));
            }
            if !value.is_finite() {
                return Err(RunError::NonFiniteLoss {
                    loss: value,
                    step: position.step + 1,
                    epoch: fraction,
                });
            }
            let lr = WarmupCosine::of(self.spec).at(fraction);
            let (updated, grad_norm) = optimiser.step(net, accumulator.grads(), lr, self.spec.clip_norm);
            position.step += 1;
            net = updated.after_step(position.step as f64 / total as f64);
            window.add(value);
            if position.step.is_multiple_of(total.div_ceil(CURVE_POINTS)) {
                position.curve.push((position.step, window.mean()));
                window = Window::default();
            }
            let epoch_now = position.step as f64 / per_epoch as f64;
            let ms = started.elapsed().as_secs_f64() * 1e3;
            self.emit(EventBody::Step {
                step: position.step,
                epoch: epoch_now,
                loss: value,
                lr,
                grad_norm,
                ms,
            })?;
            progress(position.step, Phase::Training);
            if position.step.is_multiple_of(per_epoch) {
                let seconds = epoch_start.elapsed().as_secs_f64();
                self.emit(EventBody::Epoch { step: position.step, epoch: epoch_now, seconds })?;
            }
            let due = position.step.is_multiple_of(every) || position.step == total;
            if due {
                progress(position.step, Phase::Validating);
                validation = self.validate::<B, M>(&net, position.step, device)?;
            }
            if due || saved.elapsed() > CHECKPOINT_EVERY {
                position.seconds = seconds();
                self.save::<B, M>(&net, &optimiser, &position)?;
                saved = Instant::now();
            }
        }
        if validation.is_empty() {
            // The worker before this one did the last step and ended before it was done.
            validation = self.validate::<B, M>(&net, position.step, device)?;
        }
        Ok(Ended::Complete(Completed {
            encoder: collect(&net.valid()).into_iter().filter(|t| M::is_kept(&t.name)).collect(),
            steps: total,
            seconds: seconds(),
            validation,
            loss_curve: position.curve,
        }))
    }

    fn validate<B, M>(
        &self,
        net: &M,
        step: u64,
        device: &B::Device,
    ) -> Result<BTreeMap<String, f64>, RunError>
    where
        B: AutodiffBackend,
        M: Pretrain<B>,
    {
        let epoch = step as f64 / self.steps_per_epoch() as f64;
        let found = M::validate(&net.valid(), self.val, self.view, self.seed, device);
        for (name, value) in &found.metrics {
            let name = format!("{}/{name}", Split::Val);
            self.emit(EventBody::Metric { name, step, epoch, value: *value })?;
        }
        for shown in found.pictures {
            let file = format!("{}-epoch-{:04}.png", shown.case_id, epoch.round());
            preview::save(Ok(shown.picture), self.run_dir, &file, self.observer)?;
            let (case_id, caption) = (shown.case_id, shown.caption);
            self.emit(EventBody::Preview { step, epoch, case_id, file, caption })?;
        }
        Ok(found.metrics)
    }

    fn save<B, M>(&self, net: &M, optimiser: &Optimiser<B>, position: &Position) -> Result<(), RunError>
    where
        B: AutodiffBackend,
        M: AutodiffModule<B>,
    {
        written(self.observer, "the checkpoint", || {
            state::save_last(self.run_dir, net, optimiser, position)
        })?;
        self.emit(EventBody::Checkpoint {
            step: position.step,
            epoch: position.step as f64 / self.steps_per_epoch() as f64,
            which: CheckpointKind::Last,
            file: "checkpoints/last.safetensors".into(),
        })
    }

    fn emit(&self, body: EventBody) -> Result<(), RunError> {
        emit(self.observer, body)
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
