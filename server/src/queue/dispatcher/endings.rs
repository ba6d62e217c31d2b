//! What becomes of a run whose worker is gone without a last word: lost, stopped, given up.

use std::path::Path;

use transferscope_domain::{Failure, RunId, RunState, event::EventBody};
use transferscope_ml::checkpoint::remove_parts;
use transferscope_store::{ActiveRun, now_ms};

use super::{DispatchError, Dispatcher, verdict::Loss};
use crate::queue::{
    autopsy::{self, Next},
    event_log::{self, EventLog},
    executor::{Ending, WorkerLock},
};

impl Dispatcher {
    /// Its worker is gone, and another one shall go on.
    pub(super) async fn lose(
        &self,
        run: &ActiveRun,
        dir: &Path,
        ending: Ending,
        loss: Loss,
    ) -> Result<(), DispatchError> {
        let (wait, of) = (self.timing.requeue_after, self.timing.attempts_max);
        let misses = self.store.reached(&run.id).await?.misses;
        let next =
            if loss.counted && misses > 0 { Next::Counted { wait, misses, of } } else { Next::GoesOn(wait) };
        let failure = self.autopsy(run, dir, ending, next).await?;
        tracing::warn!(reason = failure.message, "a worker is gone");
        self.store.lose(&run.id, &failure, loss.counted, now_ms()).await?;
        if loss.machine {
            self.pause_queue(Some(&run.id), &format!("run {}: {}", run.id, failure.message));
        }
        Ok(())
    }

    /// Attempt after attempt came to nothing.
    pub(super) async fn give_up(
        &self,
        run: &ActiveRun,
        dir: &Path,
        ending: Ending,
    ) -> Result<(), DispatchError> {
        let misses = self.store.reached(&run.id).await?.misses;
        let failure = self.autopsy(run, dir, ending, Next::Ends { misses }).await?;
        tracing::warn!(reason = failure.message, "a run is marked as failed");
        let body = EventBody::Failed { failure: failure.clone() };
        self.end(&run.id, RunState::Failed, body, Some(&failure)).await
    }

    /// It was asked to stop and has no worker any more.
    pub(super) async fn stopped(&self, run: &ActiveRun) -> Result<(), DispatchError> {
        let (step, epoch) = run.last_step.unwrap_or_default();
        self.end(&run.id, RunState::Stopped, EventBody::Cancelled { step, epoch }, None).await
    }

    async fn autopsy(
        &self,
        run: &ActiveRun,
        dir: &Path,
        ending: Ending,
        next: Next,
    ) -> Result<Failure, DispatchError> {
        let batch_size = self.store.request(&run.id).await?.training.batch_size;
        Ok(autopsy::failure(dir, ending, run.last_step, batch_size, next))
    }

    /// Ends a run that has no worker: the final event goes into its log, so that the directory
    /// tells the whole story, and its state into the database, whatever the log could take.
    pub(super) async fn end(
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
                tracing::warn!(%error, "the end of a run cannot be written into its log")
            }
        }
        self.store.set_state(run, state, failure, now_ms()).await?;
        self.recorder.forget(run);
        (self.on_change)(run);
        Ok(())
    }
}

/// Writes the final event of a run that has no worker, unless its log has one, and clears its directory of what a
/// worker was writing when it was killed.
///
/// # Errors
/// When a worker has the directory, or nothing can be written there.
pub fn write_last_word(dir: &Path, body: EventBody) -> Result<(), DispatchError> {
    let _lock = WorkerLock::take(dir)?;
    let (log, history) = EventLog::open(&dir.join(event_log::FILE))?;
    if history.ended.is_none() {
        log.append(body)?;
    }
    for folder in ["", "checkpoints", "features", "previews"] {
        remove_parts(&dir.join(folder))?;
    }
    Ok(())
}
