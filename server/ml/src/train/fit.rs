//! Fine-tuning: how a network learns its task, and how well it does after every epoch. The loop is
//! [`super::training_loop`].

use std::{collections::BTreeMap, path::Path, time::Instant};

use burn::{module::AutodiffModule, optim::GradientsParams, tensor::backend::AutodiffBackend};
use transferscope_imaging::augment::Recipe;

use transferscope_domain::{
    Augmentation, Direction, TrainingSpec,
    event::{CheckpointKind, EventBody},
    metric::{MetricKind, Split},
    report::CaseScore,
};

use super::{
    batch::{HostBatch, training_batch},
    dataset::{Item, balanced_items, epoch_items},
    evaluate::{CaseResult, EvalConfig, evaluate_cases, scalar, summary},
    example::{Example, Target},
    features,
    loader::Loader,
    optimiser::Optimiser,
    previews,
    state::{self, Position},
    task_loss::TaskLoss,
    training_loop::{Ended, Learner, Learnt, TrainingLoop},
};
use crate::{
    family::Net,
    nn::{Mode, drop_path::DropPath, kernels::Kernels, precision},
    observer::{Observer, emit, written},
    outcome::RunError,
};

/// What does not change during a training.
pub struct Fit<'a> {
    pub run_dir: &'a Path,
    pub train: &'a [Example],
    pub val: &'a [Example],
    pub eval: EvalConfig<'a>,
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
    pub feature_seconds: f64,
}

/// Share of a run's work that training and validation take; the rest is testing and alignment.
const TRAINING_SHARE: f64 = 0.93;
/// Validation cases that get a picture in every validation.
const PREVIEWS: usize = 2;

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
        if whole && TaskLoss::balances_samples(self.spec.loss) {
            balanced_items(self.train, per_case, self.seed, epoch)
        } else {
            epoch_items(self.train.len(), per_case, self.seed, epoch)
        }
    }

    /// The batch of a step.
    fn batch(&self, step: u64) -> HostBatch {
        let per_epoch = self.steps_per_epoch();
        let epoch = step / per_epoch;
        let items = self.items(epoch);
        let from = (step % per_epoch) as usize * self.spec.batch_size as usize;
        let to = (from + self.spec.batch_size as usize).min(items.len());
        training_batch(
            self.train,
            &items[from..to],
            self.eval.sampling,
            self.recipe.as_ref(),
            self.seed,
            epoch,
        )
    }

    fn emit(&self, body: EventBody) -> Result<(), RunError> {
        emit(self.observer, body)
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
    net: Net<B>,
    optimiser: Optimiser<B>,
    from: Option<Position>,
    device: &B::Device,
) -> Result<Fitted, RunError>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let training = TrainingLoop {
        run_dir: fit.run_dir,
        spec: fit.spec,
        steps_per_epoch: fit.steps_per_epoch(),
        validate_every: 1,
        share: TRAINING_SHARE,
        observer: fit.observer,
    };
    if from.is_none() {
        previews::samples(fit.run_dir, &fit.batch(0), fit.observer)?;
    }
    let first = from.as_ref().map_or(0, |p| p.step);
    std::thread::scope(|scope| {
        let loader = Loader::start(scope, first..training.total_steps(), |step| fit.batch(step));
        let mut tuning =
            FineTuning::<B> { fit, loader, device, begun: None, feature_seconds: 0.0, best_cases: None };
        let position = match training.run(&mut tuning, net, optimiser, from)? {
            Ended::Cancelled { step, epoch } => return Ok(Fitted::Cancelled { step, epoch }),
            Ended::Complete { position, .. } => position,
        };
        let best =
            position.best.ok_or_else(|| RunError::Unserved("no validation case gave a score".into()))?;
        let (waited, feature_seconds) = (tuning.waited(), tuning.feature_seconds);
        Ok(Fitted::Complete(Completed {
            best_epoch: best.epoch,
            best_cases: tuning.best_cases,
            seconds: position.seconds,
            waited,
            feature_seconds,
        }))
    })
}

/// A network that learns its task from batches that are made beside it.
struct FineTuning<'a, B: AutodiffBackend> {
    fit: &'a Fit<'a>,
    loader: Loader,
    device: &'a B::Device,
    /// When this process began its first step.
    begun: Option<Instant>,
    /// Seconds in which features were kept.
    feature_seconds: f64,
    /// Scores of the validation cases at the best epoch that this process saw.
    best_cases: Option<Vec<CaseScore>>,
}

impl<B> Learner<B> for FineTuning<'_, B>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    type Net = Net<B>;

    fn learn(&mut self, net: &Net<B>, step: u64) -> Result<Learnt, RunError> {
        self.begun.get_or_insert_with(Instant::now);
        let spec = self.fit.spec;
        let batch =
            self.loader.take().ok_or_else(|| RunError::Internal("a batch could not be made".into()))?;
        let batch = batch.on::<B>(self.device);
        // An encoder that stays as it is also runs as it is.
        let rate = if spec.adaptation.freezes_encoder() { 0.0 } else { spec.drop_path };
        let drop = DropPath { rate, seed: self.fit.seed, step };
        let outputs = precision::with(spec.precision, || net.outputs(batch.input, drop, Mode::Train));
        let loss = self.fit.eval.loss.of(outputs, batch.target, batch.inside.as_ref());
        let gradients = GradientsParams::from_grads(loss.backward(), net);
        Ok(Learnt { loss: scalar(loss.inner()), gradients })
    }

    /// Scores the validation cases, says so, and keeps the features of their layers, and the network if it is the
    /// best so far.
    fn validate(&mut self, net: &Net<B>, position: &mut Position) -> Result<(), RunError> {
        let fit = self.fit;
        let epoch = position.step as f64 / fit.steps_per_epoch() as f64;
        let eval = EvalConfig { features: true, ..fit.eval };
        let results: Vec<_> =
            evaluate_cases(&net.valid(), fit.val, eval, Split::Val.as_str(), self.device).collect();
        let values = self.say(&results, position.step, epoch)?;
        let begun = Instant::now();
        let layers = features::joined(results.iter().map(|r| &r.layers));
        let keep =
            |name: &str| written(fit.observer, "features", || features::save(fit.run_dir, name, &layers));
        keep(&features::at_epoch(position.step / fit.steps_per_epoch()))?;
        self.feature_seconds += begun.elapsed().as_secs_f64();
        let kind = fit.eval.plan.kind().primary_metric();
        let direction: Direction = kind.direction();
        // A network that was not trained is none to be tested, however lucky its weights are.
        let value = values.get(kind.as_str()).copied().filter(|_| position.step > 0);
        let loss = values.get(MetricKind::Loss.as_str()).copied().unwrap_or(f64::NAN);
        let Some(found) = value.map(|value| state::Best { value, epoch, loss }) else { return Ok(()) };
        if position.best.is_some_and(|best| !found.beats(&best, direction)) {
            return Ok(());
        }
        position.best = Some(found);
        keep(features::BEST)?;
        written(fit.observer, "the checkpoint", || state::save_best(fit.run_dir, net))?;
        fit.emit(EventBody::Checkpoint {
            step: position.step,
            epoch,
            which: CheckpointKind::Best,
            file: "checkpoints/best.safetensors".into(),
        })?;
        self.best_cases = Some(results.into_iter().map(|r| r.score).collect());
        Ok(())
    }
}

impl<B: AutodiffBackend> FineTuning<'_, B> {
    /// Says what a validation found, with pictures of some cases, and gives the values back.
    fn say(&self, results: &[CaseResult], step: u64, epoch: f64) -> Result<BTreeMap<String, f64>, RunError> {
        let fit = self.fit;
        let mut values = summary(results.iter().map(|r| &r.score));
        let loss = results.iter().map(|r| r.loss).sum::<f64>() / results.len().max(1) as f64;
        values.insert(MetricKind::Loss.to_string(), loss);
        for (name, value) in &values {
            let name = format!("{}/{name}", Split::Val);
            fit.emit(EventBody::Metric { name, step, epoch, value: *value })?;
        }
        for (example, result) in fit.val.iter().zip(results).take(PREVIEWS) {
            previews::write(
                fit.run_dir,
                (example, fit.eval.plan.classes()),
                &result.prediction,
                step,
                epoch,
                fit.observer,
            )?;
        }
        Ok(values)
    }

    /// Share of this process's time from its first step in which it waited for batches.
    fn waited(&self) -> f64 {
        let begun = self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        self.loader.waited().as_secs_f64() / begun.max(1e-9)
    }
}

#[cfg(test)]
mod tests;
