//! The training loop: steps, validation after every epoch, best and last checkpoint.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use burn::{module::AutodiffModule, optim::GradientsParams, tensor::backend::AutodiffBackend};
use transferscope_domain::{
    Direction, TrainingSpec,
    event::{CheckpointKind, EventBody, Phase},
    metric::{MetricKind, Split},
};

use super::{
    batch::{Item, epoch_items, loss, training_batch},
    evaluate::{evaluate_cases, means, scalar},
    example::{Example, TaskPlan},
    optimiser::Optimiser,
    schedule::WarmupCosine,
    state::{self, Position},
    view::View,
};
use crate::{
    model::net::Net,
    nn::{Mode, drop_path::DropPath, kernels::Kernels},
    observer::{Observer, Progress},
    run::RunError,
};

/// What does not change during a training.
pub struct Fit<'a> {
    pub run_dir: &'a Path,
    pub train: &'a [Example],
    pub val: &'a [Example],
    pub plan: TaskPlan,
    pub view: View,
    pub spec: &'a TrainingSpec,
    pub seed: u64,
    pub observer: &'a dyn Observer,
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fitted {
    Complete(Completed),
    Cancelled { step: u64, epoch: f64 },
}

/// The end of a complete training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completed {
    pub best_epoch: f64,
    pub seconds: f64,
}

/// Share of a run's work that training and validation take; the rest is testing and alignment.
const TRAINING_SHARE: f64 = 0.93;
/// A checkpoint is also written within an epoch when the last one is older than this.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

impl Fit<'_> {
    /// Optimiser steps in one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        let samples = self.train.len() as u64 * u64::from(self.spec.samples_per_case);
        samples.div_ceil(u64::from(self.spec.batch_size)).max(1)
    }

    /// Optimiser steps of the whole training.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch() * u64::from(self.spec.epochs)
    }
}

/// Trains `net` from `from` (or from the start), validating before the first step and after every
/// epoch. The best network by the task's primary validation metric and the last one are in
/// `checkpoints/`.
///
/// # Errors
/// When the loss is not finite or something cannot be written.
pub fn fit<B>(
    fit: &Fit<'_>,
    mut net: Net<B>,
    mut optimiser: Optimiser<B>,
    from: Option<Position>,
    device: &B::Device,
) -> Result<Fitted, RunError>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let spec = fit.spec;
    let per_epoch = fit.steps_per_epoch();
    let total = fit.total_steps();
    let schedule = WarmupCosine::of(spec);
    // An encoder that stays as it is also runs as it is.
    let drop_rate = if spec.adaptation.freezes_encoder() { 0.0 } else { spec.drop_path };
    let fresh = from.is_none();
    let mut position = from.unwrap_or_default();
    let clock = Clock { start: Instant::now(), before: position.seconds, first_step: position.step, total };
    if fresh {
        validate(fit, &net, &mut position, &clock, device)?;
        save_last(fit, &net, &optimiser, &mut position, &clock)?;
    }
    let mut saved = Instant::now();
    let mut epoch_start = Instant::now();
    let mut items: (u64, Vec<Item>) = (u64::MAX, Vec::new());
    while position.step < total {
        if fit.observer.should_stop() {
            save_last(fit, &net, &optimiser, &mut position, &clock)?;
            return Ok(Fitted::Cancelled {
                step: position.step,
                epoch: position.step as f64 / per_epoch as f64,
            });
        }
        let started = Instant::now();
        let epoch = position.step / per_epoch;
        if items.0 != epoch {
            items = (epoch, epoch_items(fit.train.len(), spec.samples_per_case, fit.seed, epoch));
            epoch_start = Instant::now();
        }
        let from = (position.step % per_epoch) as usize * spec.batch_size as usize;
        let to = (from + spec.batch_size as usize).min(items.1.len());
        let batch = training_batch::<B>(fit.train, &items.1[from..to], fit.view, fit.seed, epoch, device);
        let fraction = position.step as f64 / per_epoch as f64;
        let lr = schedule.at(fraction);
        let drop = DropPath { rate: drop_rate, seed: fit.seed, step: position.step };
        let value = loss(net.forward(batch.input, drop, Mode::Train), batch.target);
        let grads = GradientsParams::from_grads(value.backward(), &net);
        let value = scalar(value.inner());
        if !value.is_finite() {
            return Err(RunError::NonFiniteLoss { loss: value, step: position.step + 1, epoch: fraction });
        }
        let (updated, grad_norm) = optimiser.step(net, grads, lr, spec.clip_norm);
        net = updated;
        position.step += 1;
        let epoch_now = position.step as f64 / per_epoch as f64;
        fit.emit(EventBody::Step {
            step: position.step,
            epoch: epoch_now,
            loss: value,
            lr,
            grad_norm,
            ms: started.elapsed().as_secs_f64() * 1e3,
        })?;
        fit.progress(&clock, position.step, Phase::Training);
        if position.step.is_multiple_of(per_epoch) {
            validate(fit, &net, &mut position, &clock, device)?;
            let seconds = epoch_start.elapsed().as_secs_f64();
            fit.emit(EventBody::Epoch { step: position.step, epoch: epoch_now, seconds })?;
        }
        if position.step.is_multiple_of(per_epoch) || saved.elapsed() > CHECKPOINT_EVERY {
            save_last(fit, &net, &optimiser, &mut position, &clock)?;
            saved = Instant::now();
        }
    }
    let (_, best_epoch) =
        position.best.ok_or_else(|| RunError::Data("no validation case gave a score".into()))?;
    Ok(Fitted::Complete(Completed { best_epoch, seconds: clock.seconds() }))
}

/// Time spent and left.
struct Clock {
    start: Instant,
    before: f64,
    first_step: u64,
    total: u64,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// Seconds left of the whole run, by the pace of this process.
    fn left(&self, step: u64) -> Option<f64> {
        let done = step.checked_sub(self.first_step).filter(|d| *d > 0)?;
        let pace = self.start.elapsed().as_secs_f64() / done as f64;
        Some(pace * (self.total - step) as f64 + pace * self.total as f64 * (1.0 / TRAINING_SHARE - 1.0))
    }
}

impl Fit<'_> {
    fn emit(&self, body: EventBody) -> Result<(), RunError> {
        self.observer.event(body).map_err(|source| RunError::Write { what: "the event log".into(), source })
    }

    fn progress(&self, clock: &Clock, step: u64, phase: Phase) {
        let progress = TRAINING_SHARE * step as f64 / clock.total as f64;
        self.observer.progress(Progress { step, progress, phase, eta_s: clock.left(step) });
    }
}

fn save_last<B: AutodiffBackend>(
    fit: &Fit<'_>,
    net: &Net<B>,
    optimiser: &Optimiser<B>,
    position: &mut Position,
    clock: &Clock,
) -> Result<(), RunError> {
    position.seconds = clock.seconds();
    state::save_last(fit.run_dir, net, optimiser, position)
        .map_err(|source| RunError::Write { what: "the checkpoint".into(), source })?;
    fit.emit(EventBody::Checkpoint {
        step: position.step,
        epoch: position.step as f64 / fit.steps_per_epoch() as f64,
        which: CheckpointKind::Last,
        file: "checkpoints/last.safetensors".into(),
    })
}

/// Scores the validation cases, says so, and keeps the network if it is the best so far.
fn validate<B>(
    fit: &Fit<'_>,
    net: &Net<B>,
    position: &mut Position,
    clock: &Clock,
    device: &B::Device,
) -> Result<(), RunError>
where
    B: AutodiffBackend,
    B::InnerBackend: Kernels,
{
    fit.progress(clock, position.step, Phase::Validating);
    let epoch = position.step as f64 / fit.steps_per_epoch() as f64;
    let valid = net.valid();
    let results: Vec<_> =
        evaluate_cases(&valid, fit.val, fit.plan, fit.view, Split::Val.as_str(), device).collect();
    let mut values = means(results.iter().map(|r| &r.score));
    let loss = results.iter().map(|r| r.loss).sum::<f64>() / results.len().max(1) as f64;
    values.insert(MetricKind::Loss.to_string(), loss);
    for (name, value) in &values {
        let name = format!("{}/{name}", Split::Val);
        fit.emit(EventBody::Metric { name, step: position.step, epoch, value: *value })?;
    }
    if let (Some(example), Some(result)) = (fit.val.first(), results.first()) {
        crate::run::preview::write(
            fit.run_dir,
            example,
            &result.prediction,
            position.step,
            epoch,
            fit.observer,
        )?;
    }
    let kind = fit.plan.task.primary_metric();
    let direction: Direction = kind.direction();
    if let Some(value) = values.get(kind.as_str()).copied()
        && position.best.is_none_or(|(best, _)| direction.better(value, best))
    {
        position.best = Some((value, epoch));
        state::save_best(fit.run_dir, net)
            .map_err(|source| RunError::Write { what: "the checkpoint".into(), source })?;
        fit.emit(EventBody::Checkpoint {
            step: position.step,
            epoch,
            which: CheckpointKind::Best,
            file: "checkpoints/best.safetensors".into(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
