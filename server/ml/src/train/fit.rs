//! The training loop: steps, validation after every epoch, best and last checkpoint.

use std::{
    cell::Cell,
    path::Path,
    time::{Duration, Instant},
};

use burn::{module::AutodiffModule, optim::GradientsParams, tensor::backend::AutodiffBackend};
use transferscope_imaging::augment::Recipe;

use transferscope_domain::{
    Augmentation, Direction, TrainingSpec,
    event::{CheckpointKind, EventBody, Phase},
    metric::{MetricKind, Split},
    report::CaseScore,
};

use super::{
    batch::training_batch,
    evaluate::{Judge, evaluate_cases, scalar, summary},
    example::{Example, Target},
    items::{Item, balanced_items, epoch_items},
    loader::Loader,
    optimiser::Optimiser,
    probe,
    rule::LossRule,
    schedule::WarmupCosine,
    state::{self, Position},
};
use crate::{
    model::net::Net,
    nn::{Mode, drop_path::DropPath, kernels::Kernels, precision},
    observer::{Observer, Progress, written},
    run::{RunError, emit, preview},
};

/// What does not change during a training.
pub struct Fit<'a> {
    pub run_dir: &'a Path,
    pub train: &'a [Example],
    pub val: &'a [Example],
    pub judge: Judge<'a>,
    pub spec: &'a TrainingSpec,
    /// What is done to training samples; none mirrors half of them.
    pub recipe: Option<Recipe>,
    pub seed: u64,
    pub observer: &'a dyn Observer,
}

/// What an augmentation is; none for the one that mirrors half of the samples.
pub fn recipe(choice: Augmentation) -> Option<Recipe> {
    match choice {
        Augmentation::Flip => None,
        Augmentation::None => Some(Recipe::none()),
        Augmentation::Standard => Some(Recipe::default()),
    }
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Fitted {
    Complete(Completed),
    Cancelled { step: u64, epoch: f64 },
}

/// The end of a complete training.
#[derive(Debug, Clone, PartialEq)]
pub struct Completed {
    pub best_epoch: f64,
    /// Scores of the validation cases at that epoch; none where another process saw it.
    pub best_cases: Option<Vec<CaseScore>>,
    pub seconds: f64,
    /// Of this process's steps, the share of time that the training waited for its batches.
    pub waited: f64,
    /// Seconds in which this process kept features.
    pub watched: f64,
}

/// Share of a run's work that training and validation take; the rest is testing and alignment.
const TRAINING_SHARE: f64 = 0.93;
/// Validation cases that get a picture in every validation.
const PREVIEWS: usize = 2;
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

    /// The samples of an epoch.
    fn items(&self, epoch: u64) -> Vec<Item> {
        let per_case = self.spec.samples_per_case;
        let whole = matches!(self.train.first().map(|e| &e.target), Some(Target::Label(_)));
        if whole && LossRule::balances_samples(self.spec.loss) {
            balanced_items(self.train, per_case, self.seed, epoch)
        } else {
            epoch_items(self.train.len(), per_case, self.seed, epoch)
        }
    }

    /// The batch of a step.
    fn batch(&self, step: u64) -> super::batch::HostBatch {
        let per_epoch = self.steps_per_epoch();
        let epoch = step / per_epoch;
        let items = self.items(epoch);
        let from = (step % per_epoch) as usize * self.spec.batch_size as usize;
        let to = (from + self.spec.batch_size as usize).min(items.len());
        training_batch(self.train, &items[from..to], self.judge.view, self.recipe.as_ref(), self.seed, epoch)
    }
}

/// Trains `net` from `from` (or from the start), validating before the first step and after every
/// epoch. The best trained network by the task's primary validation metric and the last one are in
/// `checkpoints/`, the features at every validation in `features/`.
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
    let mut best_cases = None;
    let mut position = from.unwrap_or_default();
    let clock = Clock {
        start: Instant::now(),
        before: position.seconds,
        first_step: position.step,
        total,
        watched: Cell::new(0.0),
    };
    if fresh {
        preview::samples(fit.run_dir, &fit.batch(0), fit.observer)?;
        validate(fit, &net, &mut position, &clock, device)?;
        save_last(fit, &net, &optimiser, &mut position, &clock)?;
    }
    std::thread::scope(|scope| {
        let mut loader = Loader::start(scope, position.step..total, |step| fit.batch(step));
        let begun = Instant::now();
        let mut saved = Instant::now();
        let mut epoch_start = Instant::now();
        while position.step < total {
            if fit.observer.should_stop() {
                save_last(fit, &net, &optimiser, &mut position, &clock)?;
                return Ok(Fitted::Cancelled {
                    step: position.step,
                    epoch: position.step as f64 / per_epoch as f64,
                });
            }
            let started = Instant::now();
            let batch = loader
                .take()
                .ok_or_else(|| RunError::Internal("a batch could not be made".into()))?
                .on::<B>(device);
            let fraction = position.step as f64 / per_epoch as f64;
            let lr = schedule.at(fraction);
            let drop = DropPath { rate: drop_rate, seed: fit.seed, step: position.step };
            let outputs = precision::with(spec.precision, || net.outputs(batch.input, drop, Mode::Train));
            let value = fit.judge.rule.of(outputs, batch.target, batch.inside.as_ref());
            let grads = GradientsParams::from_grads(value.backward(), &net);
            let value = scalar(value.inner());
            if !value.is_finite() {
                return Err(RunError::NonFiniteLoss {
                    loss: value,
                    step: position.step + 1,
                    epoch: fraction,
                });
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
            let whole_epoch = position.step.is_multiple_of(per_epoch);
            if whole_epoch {
                best_cases = validate(fit, &net, &mut position, &clock, device)?.or(best_cases);
                let seconds = epoch_start.elapsed().as_secs_f64();
                fit.emit(EventBody::Epoch { step: position.step, epoch: epoch_now, seconds })?;
                epoch_start = Instant::now();
            }
            if whole_epoch || saved.elapsed() > CHECKPOINT_EVERY {
                save_last(fit, &net, &optimiser, &mut position, &clock)?;
                saved = Instant::now();
            }
        }
        let best =
            position.best.ok_or_else(|| RunError::Unserved("no validation case gave a score".into()))?;
        let best_epoch = best.epoch;
        let waited = loader.waited().as_secs_f64() / begun.elapsed().as_secs_f64().max(1e-9);
        let (seconds, watched) = (clock.seconds(), clock.watched.get());
        Ok(Fitted::Complete(Completed { best_epoch, best_cases, seconds, waited, watched }))
    })
}

/// Time spent and left.
struct Clock {
    start: Instant,
    before: f64,
    first_step: u64,
    total: u64,
    /// Seconds in which features were kept.
    watched: Cell<f64>,
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
        emit(self.observer, body)
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
    written(fit.observer, "the checkpoint", || state::save_last(fit.run_dir, net, optimiser, position))?;
    fit.emit(EventBody::Checkpoint {
        step: position.step,
        epoch: position.step as f64 / fit.steps_per_epoch() as f64,
        which: CheckpointKind::Last,
        file: "checkpoints/last.safetensors".into(),
    })
}

/// Scores the validation cases, says so, and keeps the features of their layers, and the network if it is the best
/// so far; then the scores are given back.
fn validate<B>(
    fit: &Fit<'_>,
    net: &Net<B>,
    position: &mut Position,
    clock: &Clock,
    device: &B::Device,
) -> Result<Option<Vec<CaseScore>>, RunError>
where
    B: AutodiffBackend,
    B::InnerBackend: Kernels,
{
    fit.progress(clock, position.step, Phase::Validating);
    let epoch = position.step as f64 / fit.steps_per_epoch() as f64;
    let valid = net.valid();
    let judge = Judge { watch: true, ..fit.judge };
    let results: Vec<_> = evaluate_cases(&valid, fit.val, judge, Split::Val.as_str(), device).collect();
    let mut values = summary(results.iter().map(|r| &r.score));
    let loss = results.iter().map(|r| r.loss).sum::<f64>() / results.len().max(1) as f64;
    values.insert(MetricKind::Loss.to_string(), loss);
    for (name, value) in &values {
        let name = format!("{}/{name}", Split::Val);
        fit.emit(EventBody::Metric { name, step: position.step, epoch, value: *value })?;
    }
    for (example, result) in fit.val.iter().zip(&results).take(PREVIEWS) {
        preview::write(fit.run_dir, example, &result.prediction, position.step, epoch, fit.observer)?;
    }
    let begun = Instant::now();
    let layers = probe::joined(results.iter().map(|r| &r.layers));
    let keep = |name: &str| written(fit.observer, "features", || probe::save(fit.run_dir, name, &layers));
    keep(&probe::at_epoch(position.step / fit.steps_per_epoch()))?;
    clock.watched.set(clock.watched.get() + begun.elapsed().as_secs_f64());
    let kind = fit.judge.plan.task.primary_metric();
    let direction: Direction = kind.direction();
    // A network that was not trained is none to be tested, however lucky its weights are.
    let value = values.get(kind.as_str()).copied().filter(|_| position.step > 0);
    let found = value.map(|value| state::Best { value, epoch, loss });
    if let Some(found) = found
        && position.best.is_none_or(|best| found.beats(&best, direction))
    {
        position.best = Some(found);
        keep(probe::BEST)?;
        written(fit.observer, "the checkpoint", || state::save_best(fit.run_dir, net))?;
        fit.emit(EventBody::Checkpoint {
            step: position.step,
            epoch,
            which: CheckpointKind::Best,
            file: "checkpoints/best.safetensors".into(),
        })?;
        return Ok(Some(results.into_iter().map(|r| r.score).collect()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
