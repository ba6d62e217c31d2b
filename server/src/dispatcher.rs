//! Gives queued runs to workers, and looks after the workers: notices what died, ends what was
//! asked to stop and does not, starts lost runs again.
//!
//! It keeps nothing in memory that a restart would lose: states are in the database, liveness is
//! a lock in the run directory, the wish to stop is a file there.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::Path,
    sync::Arc,
    time::Instant,
};

use tokio::sync::{Notify, watch};
use transferscope_domain::{RunId, RunState, event::EventBody, run::Failure};
use transferscope_store::{ActiveRun, Store, StoreError};

use crate::{
    autopsy,
    config::Timing,
    data_dir::DataDir,
    event_log::{self, EventLog, now_ms},
    executor::{Ending, Executor, ExecutorError, Force, Liveness, WorkerLock, WorkerLockError},
    recorder::{OnChange, Recorder, RecorderError},
    worker::CANCEL_FILE,
};

/// Why one look did not go through; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum DispatchError {
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
    pub jobs: usize,
    pub timing: Timing,
}

/// What one loop remembers between its looks; losing it costs only time.
struct Memory {
    started: Instant,
    /// The last force used on a run that was asked to stop.
    forced: HashMap<RunId, Force>,
    /// Runs whose worker this process has started.
    ours: HashSet<RunId>,
    /// Runs whose last look failed, so that the log says it once.
    failing: HashSet<RunId>,
    claim_failing: bool,
}

impl Dispatcher {
    /// Looks after queue and workers until told to stop. Workers go on then.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        let mut memory = Memory {
            started: Instant::now(),
            forced: HashMap::new(),
            ours: HashSet::new(),
            failing: HashSet::new(),
            claim_failing: false,
        };
        loop {
            if let Err(error) = self.look(&mut memory).await {
                if !memory.claim_failing {
                    tracing::error!(%error, "the queue cannot be served; trying again");
                }
                memory.claim_failing = true;
            } else {
                memory.claim_failing = false;
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
        let mut busy = 0;
        for run in &active {
            match self.look_after(run, memory).await {
                Ok(has_worker) => {
                    busy += usize::from(has_worker);
                    memory.failing.remove(&run.id);
                }
                Err(error) => {
                    // Unknown is counted as busy: better one worker too few than one too many.
                    busy += 1;
                    if memory.failing.insert(run.id.clone()) {
                        tracing::error!(run.id = %run.id, %error, "a run cannot be looked after; trying again");
                    }
                }
            }
        }
        busy += self.tidy(&active, memory);
        while busy < self.jobs {
            let Some(request) = self.store.claim_next(now_ms()).await? else { break };
            busy += usize::from(self.start(&request.id, memory).await?);
        }
        Ok(())
    }

    /// Forgets runs that have ended, and says how many of their workers have not left yet.
    fn tidy(&self, active: &[ActiveRun], memory: &mut Memory) -> usize {
        let has_ended = |run: &RunId| !active.iter().any(|a| a.id == *run);
        self.recorder.retain(|run| !has_ended(run));
        memory.forced.retain(|run, _| !has_ended(run));
        memory.failing.retain(|run| !has_ended(run));
        // Asking for its liveness also takes the child's status from the system.
        memory.ours.retain(|run| {
            !has_ended(run) || matches!(self.executor.alive(run, &self.data.run(run)), Ok(Liveness::Alive))
        });
        memory.ours.iter().filter(|run| has_ended(run)).count()
    }

    /// Starts the worker of a claimed run, and says whether there is one now.
    async fn start(&self, run: &RunId, memory: &mut Memory) -> Result<bool, DispatchError> {
        self.recorder.follow(run);
        let dir = self.data.run(run);
        let attempt = self.store.run(run).await?.run.attempts;
        let submitted = self.executor.submit(run, &dir, attempt);
        (self.on_change)(run);
        match submitted {
            Ok(()) => {
                tracing::info!(run.id = %run, "worker started");
                memory.ours.insert(run.clone());
                Ok(true)
            }
            Err(error) => {
                tracing::error!(run.id = %run, %error, "no worker could be started");
                let failure = Failure {
                    kind: "internal".into(),
                    message: format!("No worker could be started: {error}"),
                    hint: "Check the data folder's disk and permissions (transferscope doctor) and repeat the run."
                        .into(),
                };
                self.close(run, RunState::Failed, failure).await?;
                Ok(false)
            }
        }
    }

    /// Looks at one run that has not ended, and says whether it has a worker.
    async fn look_after(&self, run: &ActiveRun, memory: &mut Memory) -> Result<bool, DispatchError> {
        if run.state == RunState::Lost {
            self.revive(run).await?;
            return Ok(false);
        }
        let dir = self.data.run(&run.id);
        self.recorder.follow(&run.id);
        match self.executor.alive(&run.id, &dir)? {
            Liveness::Alive => {
                if run.state == RunState::Stopping {
                    self.stop(run, &dir, memory)?;
                }
                Ok(true)
            }
            Liveness::Dead(ending) => {
                // What it said before it ended counts; a final event among it is the usual end.
                let ended = self.recorder.catch_up(&run.id).await?;
                let just_claimed = run.state == RunState::Preparing
                    && !memory.ours.contains(&run.id)
                    && ending == Ending::Unseen;
                if !ended && just_claimed && memory.started.elapsed() < self.timing.reattach_grace {
                    return Ok(true);
                }
                if !ended {
                    self.bury(run, &dir, ending).await?;
                }
                self.recorder.forget(&run.id);
                memory.forced.remove(&run.id);
                memory.ours.remove(&run.id);
                (self.on_change)(&run.id);
                Ok(false)
            }
        }
    }

    /// Asks a worker to stop, and then insists.
    fn stop(&self, run: &ActiveRun, dir: &Path, memory: &mut Memory) -> Result<(), DispatchError> {
        let file = dir.join(CANCEL_FILE);
        if !file.exists() {
            std::fs::write(&file, b"")?;
        }
        let waited = u64::try_from(now_ms() - run.state_ms).unwrap_or(0);
        let passed = |limit: std::time::Duration| u128::from(waited) >= limit.as_millis();
        let force = if passed(self.timing.kill_after) {
            Force::Kill
        } else if passed(self.timing.terminate_after) {
            Force::Terminate
        } else {
            return Ok(());
        };
        if memory.forced.get(&run.id) != Some(&force) {
            tracing::warn!(run.id = %run.id, ?force, "the worker does not stop by itself");
            self.executor.cancel(&run.id, dir, force)?;
            memory.forced.insert(run.id.clone(), force);
        }
        Ok(())
    }

    /// Says what became of a run whose worker is gone without a final event.
    async fn bury(&self, run: &ActiveRun, dir: &Path, ending: Ending) -> Result<(), DispatchError> {
        if run.state == RunState::Stopping {
            // It was asked to stop and has been made to.
            let (step, epoch) = run.last_step.unwrap_or_default();
            return self.end(&run.id, RunState::Stopped, EventBody::Cancelled { step, epoch }, None).await;
        }
        let batch_size = self.store.request(&run.id).await?.training.batch_size;
        let again = run.attempts < self.timing.attempts_max;
        let next = again.then(|| (self.timing.requeue_after, run.attempts + 1, self.timing.attempts_max));
        let failure = autopsy::failure(dir, ending, run.last_step, batch_size, next);
        tracing::warn!(run.id = %run.id, message = failure.message, "a worker is gone");
        if again {
            self.store.set_state(&run.id, RunState::Lost, Some(&failure), now_ms()).await?;
            Ok(())
        } else {
            let message = format!(
                "{} This was attempt {} of {}.",
                failure.message, run.attempts, self.timing.attempts_max
            );
            self.close(&run.id, RunState::Failed, Failure { message, ..failure }).await
        }
    }

    /// Queues a lost run again when its time has come.
    async fn revive(&self, run: &ActiveRun) -> Result<(), DispatchError> {
        let waited = u64::try_from(now_ms() - run.state_ms).unwrap_or(0);
        if u128::from(waited) < self.timing.requeue_after.as_millis() {
            return Ok(());
        }
        if run.attempts >= self.timing.attempts_max {
            // Lost by a server that allowed more attempts.
            let failure = Failure {
                kind: "worker-died".into(),
                message: format!("The worker died in each of {} attempts.", run.attempts),
                hint: "Look into worker.log in the run's directory, then repeat the run.".into(),
            };
            return self.close(&run.id, RunState::Failed, failure).await;
        }
        tracing::info!(run.id = %run.id, attempt = run.attempts + 1, "a lost run is queued again");
        self.store.requeue_lost(&run.id, now_ms()).await?;
        (self.on_change)(&run.id);
        Ok(())
    }

    async fn close(&self, run: &RunId, state: RunState, failure: Failure) -> Result<(), DispatchError> {
        self.end(run, state, EventBody::Failed { failure: failure.clone() }, Some(&failure)).await
    }

    /// Ends a run that has no worker: the final event goes into its log, so that the directory
    /// tells the whole story, and its state into the database, whatever the log could take.
    async fn end(
        &self,
        run: &RunId,
        state: RunState,
        body: EventBody,
        failure: Option<&Failure>,
    ) -> Result<(), DispatchError> {
        match write_last_word(&self.data.run(run), body) {
            Ok(()) => {
                self.recorder.catch_up(run).await?;
            }
            Err(error) => {
                tracing::warn!(run.id = %run, %error, "the end of a run cannot be written into its log")
            }
        }
        self.store.set_state(run, state, failure, now_ms()).await?;
        self.recorder.forget(run);
        (self.on_change)(run);
        Ok(())
    }
}

fn write_last_word(dir: &Path, body: EventBody) -> Result<(), DispatchError> {
    let _lock = WorkerLock::take(dir)?;
    let (log, history) = EventLog::open(&dir.join(event_log::FILE))?;
    if history.ended.is_none() {
        log.append(body)?;
    }
    Ok(())
}
