//! Gives queued runs to workers, and looks after the workers: notices what died, ends what was
//! asked to stop and does not, starts lost runs again.
//!
//! It keeps nothing in memory that a restart would lose: states are in the database, liveness is
//! a process and its lock in the run directory, the wish to stop is a file there. What a look at a
//! run means is decided in [`verdict`], what a failed start means in [`pause`]; [`start`] and
//! [`endings`] carry it out.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};
use transferscope_domain::RunId;
use transferscope_store::{ActiveRun, Store, StoreError, now_ms};

use super::{
    autopsy,
    executor::{Ending, Executor, ExecutorError, Force, Liveness, WorkerLockError},
    recorder::{OnChange, Recorder, RecorderError},
    worker::CANCEL_FILE,
};
use crate::{
    data_dir::DataDir,
    health::{Health, Part},
    queue::timing::Timing,
};

mod endings;
mod memory;
mod pause;
mod start;
mod verdict;

pub use endings::write_last_word;
pub use pause::Pause;

use memory::Memory;
use verdict::{Action, Look, verdict};

/// Why one look did not go through; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    #[error("the run directory cannot be written: {0}")]
    RunDir(#[from] io::Error),
    #[error(transparent)]
    Lock(#[from] WorkerLockError),
}

/// The loop between queue and executor.
pub struct Dispatcher {
    pub store: Store,
    pub data: DataDir,
    pub executor: Arc<dyn Executor>,
    pub recorder: Arc<Recorder>,
    /// Woken when something was queued or asked to stop.
    pub wake: Arc<Notify>,
    pub on_change: OnChange,
    /// What is wrong with the queue, for whoever asks.
    pub health: Arc<Health>,
    /// Why no run is started, where that is so.
    pub pause: Pause,
    pub jobs: usize,
    pub timing: Timing,
}

impl Dispatcher {
    /// Looks after queue and workers until told to stop. Workers go on then.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        let mut memory = Memory::default();
        loop {
            let looked = self.look(&mut memory).await;
            match (&looked, memory.failing.iter().next()) {
                (Err(error), _) => {
                    self.health.wrong(Part::Dispatcher, format!("The queue cannot be processed: {error}."));
                }
                (Ok(()), Some((run, error))) => {
                    self.health.wrong(Part::Dispatcher, format!("Run {run} cannot be monitored: {error}."));
                }
                (Ok(()), None) => self.health.well(Part::Dispatcher),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.timing.tick) => {}
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn look(&self, memory: &mut Memory) -> Result<(), DispatchError> {
        let active = self.store.active_runs().await?;
        let now = Instant::now();
        memory.see(&active, now);
        let mut busy = 0;
        for run in &active {
            match self.look_after(run, memory, now).await {
                Ok(has_worker) => {
                    busy += usize::from(has_worker);
                    memory.failing.remove(&run.id);
                }
                Err(error) => {
                    // Unknown is counted as busy: better one worker too few than one too many.
                    busy += 1;
                    memory.failing.insert(run.id.clone(), error.to_string());
                }
            }
        }
        busy += self.tidy(&active, memory);
        self.start_queued(busy, memory).await
    }

    /// Forgets runs that have ended, and says how many of their workers have not left yet.
    fn tidy(&self, active: &[ActiveRun], memory: &mut Memory) -> usize {
        let has_ended = |run: &RunId| !active.iter().any(|a| a.id == *run);
        self.recorder.retain(|run| !has_ended(run));
        memory.forget(&has_ended);
        // Asking for its liveness also takes the child's status from the system.
        memory.ours.retain(|run| {
            !has_ended(run) || matches!(self.executor.alive(run, &self.data.run(run)), Ok(Liveness::Alive))
        });
        let leaving: Vec<RunId> = memory.ours.iter().filter(|run| has_ended(run)).cloned().collect();
        memory.leaving.retain(|run, _| leaving.contains(run));
        for run in &leaving {
            let since = *memory.leaving.entry(run.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= self.timing.kill_after {
                tracing::warn!(run.id = %run, "a worker has not exited although its run has ended; it is killed");
                if let Err(error) = self.executor.cancel(run, &self.data.run(run), Force::Kill) {
                    tracing::warn!(run.id = %run, %error, "a worker that does not exit cannot be killed");
                }
            }
        }
        leaving.len()
    }

    /// Looks at one run that has not ended, and says whether it has a worker.
    #[tracing::instrument(level = "error", skip_all, fields(run.id = %run.id))]
    async fn look_after(
        &self,
        run: &ActiveRun,
        memory: &mut Memory,
        now: Instant,
    ) -> Result<bool, DispatchError> {
        if memory.unstarted.contains(&run.id) {
            self.put_back(&run.id, memory).await?;
            return Ok(false);
        }
        let dir = self.data.run(&run.id);
        self.recorder.follow(&run.id);
        let worker = memory.known(&run.id, self.executor.alive(&run.id, &dir)?);
        let ended = match worker {
            Liveness::Alive => false,
            // What it said before it ended counts; a final event among it is the usual end.
            Liveness::Dead(_) => self.recorder.catch_up(&run.id).await?,
        };
        let look = Look {
            state: run.state,
            ended,
            interrupted: worker == Liveness::Dead(Ending::Unseen) && autopsy::was_interrupted(&dir),
            waited: memory.waited(&run.id, now),
            misses: self.store.reached(&run.id).await?.misses,
            worker,
        };
        let action = verdict(&look, &self.timing);
        self.act(run, &dir, &look.worker, action, memory).await
    }

    /// Does what a look at a run has led to, and says whether it has a worker.
    async fn act(
        &self,
        run: &ActiveRun,
        dir: &Path,
        worker: &Liveness,
        action: Action,
        memory: &mut Memory,
    ) -> Result<bool, DispatchError> {
        let ending = match worker {
            Liveness::Alive => Ending::Unseen,
            Liveness::Dead(ending) => *ending,
        };
        match action {
            Action::Keep => return Ok(true),
            Action::Wait => return Ok(false),
            Action::Reattach | Action::Yield => {
                tracing::info!("the run's worker is alive; it is followed again");
                self.store.reattach(&run.id, action == Action::Yield, now_ms()).await?;
                memory.settled(&run.id);
                (self.on_change)(&run.id);
                return Ok(true);
            }
            Action::Stop(force) => {
                self.stop(&run.id, dir, force, memory)?;
                return Ok(true);
            }
            Action::Requeue => {
                tracing::info!("a lost run is queued again");
                self.store.requeue_lost(&run.id, now_ms()).await?;
            }
            Action::Ended => {}
            Action::Stopped => self.stopped(run).await?,
            Action::Lose(loss) => self.lose(run, dir, ending, loss).await?,
            Action::GiveUp => self.give_up(run, dir, ending).await?,
        }
        memory.settled(&run.id);
        self.recorder.forget(&run.id);
        memory.forced.remove(&run.id);
        memory.ours.remove(&run.id);
        (self.on_change)(&run.id);
        Ok(false)
    }

    /// Asks a worker to stop, and then insists.
    fn stop(
        &self,
        run: &RunId,
        dir: &Path,
        force: Option<Force>,
        memory: &mut Memory,
    ) -> Result<(), DispatchError> {
        let Some(force) = force else {
            let file = dir.join(CANCEL_FILE);
            if !file.exists() {
                std::fs::write(&file, b"")?;
            }
            return Ok(());
        };
        if memory.forced.get(run) != Some(&force) {
            tracing::warn!(?force, "the worker does not stop by itself");
            self.executor.cancel(run, dir, force)?;
            memory.forced.insert(run.clone(), force);
        }
        Ok(())
    }
}

/// How long something waits, for a person.
fn in_seconds(wait: Duration) -> String {
    format!("{:.0} s", wait.as_secs_f64().ceil())
}
