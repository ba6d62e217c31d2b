//! The loop of every training, fine-tuning and pre-training alike: steps, validations, checkpoints, and what is said
//! of them. What is learnt and how well it goes is the [`Learner`]'s.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use burn::{module::AutodiffModule, optim::GradientsParams, tensor::backend::AutodiffBackend};
use transferscope_domain::{
    TrainingSpec,
    event::{CheckpointKind, EventBody, Phase},
};

use super::{
    optimiser::Optimiser,
    schedule::WarmupCosine,
    state::{self, Position},
};
use crate::{
    observer::{Observer, Progress, emit, written},
    outcome::RunError,
};

/// A checkpoint is also written between validations when the last one is older than this.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// What is trained, and how well it goes: what the loop does not know.
pub trait Learner<B: AutodiffBackend> {
    type Net: AutodiffModule<B>;

    /// Loss and gradients of the step that follows `step` others.
    ///
    /// # Errors
    /// When its batch cannot be made.
    fn learn(&mut self, net: &Self::Net, step: u64) -> Result<Learnt, RunError>;

    /// What follows an optimiser step, of which `position` says the number.
    fn after_step(&mut self, net: Self::Net, _loss: f64, _position: &mut Position) -> Self::Net {
        net
    }

    /// Tells how well the network does on cases that are not learnt from, and keeps what is best.
    ///
    /// # Errors
    /// When something cannot be written.
    fn validate(&mut self, net: &Self::Net, position: &mut Position) -> Result<(), RunError>;
}

/// Loss and gradients of a step.
pub struct Learnt {
    pub loss: f64,
    pub gradients: GradientsParams,
}

/// What does not change during a training.
pub struct TrainingLoop<'a> {
    pub run_dir: &'a Path,
    pub spec: &'a TrainingSpec,
    /// Optimiser steps in one epoch.
    pub steps_per_epoch: u64,
    /// Epochs between two validations.
    pub validate_every: u32,
    /// Share of the whole run's work that the training is, above 0 and at most 1.
    pub share: f64,
    pub observer: &'a dyn Observer,
}

/// How a training ended.
pub enum Ended<N> {
    Complete { net: N, position: Position },
    Cancelled { step: u64, epoch: f64 },
}

impl TrainingLoop<'_> {
    /// Optimiser steps of the whole training.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch * u64::from(self.spec.epochs)
    }

    /// Epochs after so many steps.
    pub fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.steps_per_epoch as f64
    }

    /// Trains `net` from `from`, or validates it and trains it from the start.
    ///
    /// # Errors
    /// When the loss is not finite or something cannot be written.
    pub fn run<B: AutodiffBackend, L: Learner<B>>(
        &self,
        learner: &mut L,
        mut net: L::Net,
        mut optimiser: Optimiser<B>,
        from: Option<Position>,
    ) -> Result<Ended<L::Net>, RunError> {
        let fresh = from.is_none();
        let mut position = from.unwrap_or_default();
        let clock = Clock::start(&position);
        if fresh {
            self.validate(learner, &net, &mut position, &clock)?;
            self.save(&net, &optimiser, &mut position, &clock)?;
        }
        let (mut saved, mut epoch_began) = (Instant::now(), Instant::now());
        while position.step < self.total_steps() {
            if self.observer.should_stop() {
                self.save(&net, &optimiser, &mut position, &clock)?;
                return Ok(Ended::Cancelled { step: position.step, epoch: self.epoch(position.step) });
            }
            net = self.step(learner, net, &mut optimiser, &mut position)?;
            self.progress(&clock, position.step, Phase::Training);
            let due = self.is_due(position.step);
            if due {
                self.validate(learner, &net, &mut position, &clock)?;
            }
            if position.step.is_multiple_of(self.steps_per_epoch) {
                let (step, seconds) = (position.step, epoch_began.elapsed().as_secs_f64());
                self.emit(EventBody::Epoch { step, epoch: self.epoch(step), seconds })?;
                epoch_began = Instant::now();
            }
            if due || saved.elapsed() > CHECKPOINT_EVERY {
                self.save(&net, &optimiser, &mut position, &clock)?;
                saved = Instant::now();
            }
        }
        position.seconds = clock.seconds();
        Ok(Ended::Complete { net, position })
    }

    /// One optimiser step, and what is said of it.
    fn step<B: AutodiffBackend, L: Learner<B>>(
        &self,
        learner: &mut L,
        net: L::Net,
        optimiser: &mut Optimiser<B>,
        position: &mut Position,
    ) -> Result<L::Net, RunError> {
        let began = Instant::now();
        let epoch = self.epoch(position.step);
        let Learnt { loss, gradients } = learner.learn(&net, position.step)?;
        if !loss.is_finite() {
            return Err(RunError::NonFiniteLoss { loss, step: position.step + 1, epoch });
        }
        let lr = WarmupCosine::of(self.spec).at(epoch);
        let (net, grad_norm) = optimiser.step(net, gradients, lr, self.spec.clip_norm);
        position.step += 1;
        let net = learner.after_step(net, loss, position);
        let (step, ms) = (position.step, began.elapsed().as_secs_f64() * 1e3);
        self.emit(EventBody::Step { step, epoch: self.epoch(step), loss, lr, grad_norm, ms })?;
        Ok(net)
    }

    /// Whether the network is validated after so many steps.
    fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.steps_per_epoch * u64::from(self.validate_every))
            || step == self.total_steps()
    }

    fn validate<B: AutodiffBackend, L: Learner<B>>(
        &self,
        learner: &mut L,
        net: &L::Net,
        position: &mut Position,
        clock: &Clock,
    ) -> Result<(), RunError> {
        self.progress(clock, position.step, Phase::Validating);
        learner.validate(net, position)
    }

    fn save<B: AutodiffBackend, M: AutodiffModule<B>>(
        &self,
        net: &M,
        optimiser: &Optimiser<B>,
        position: &mut Position,
        clock: &Clock,
    ) -> Result<(), RunError> {
        position.seconds = clock.seconds();
        written(self.observer, "the checkpoint", || {
            state::save_last(self.run_dir, net, optimiser, position)
        })?;
        self.emit(EventBody::Checkpoint {
            step: position.step,
            epoch: self.epoch(position.step),
            which: CheckpointKind::Last,
            file: "checkpoints/last.safetensors".into(),
        })
    }

    fn emit(&self, body: EventBody) -> Result<(), RunError> {
        emit(self.observer, body)
    }

    fn progress(&self, clock: &Clock, step: u64, phase: Phase) {
        let total = self.total_steps();
        let progress = self.share * step as f64 / total as f64;
        let eta_s = clock.left(step, total, self.share);
        self.observer.progress(Progress { step, progress, phase, eta_s });
    }
}

/// Time spent and left.
struct Clock {
    start: Instant,
    /// Seconds of the processes before this one.
    before: f64,
    first_step: u64,
}

impl Clock {
    fn start(position: &Position) -> Self {
        Self { start: Instant::now(), before: position.seconds, first_step: position.step }
    }

    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// Seconds left of the whole run, by the pace of this process.
    fn left(&self, step: u64, total: u64, share: f64) -> Option<f64> {
        let done = step.checked_sub(self.first_step).filter(|d| *d > 0)?;
        let pace = self.start.elapsed().as_secs_f64() / done as f64;
        Some(pace * (total - step) as f64 + pace * total as f64 * (1.0 / share - 1.0))
    }
}
