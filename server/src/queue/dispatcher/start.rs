//! From the queue to a worker. What stands in the way of a start is the machine's problem: the run goes back to its
//! place, the queue pauses, and the start is tried again.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::Instant,
};

use transferscope_domain::{Failure, FailureKind, RunId, RunState, event::EventBody};
use transferscope_store::now_ms;

use super::{
    DispatchError, Dispatcher, Memory, in_seconds,
    verdict::{Obstacle, obstacle},
};
use crate::{
    health::Part,
    queue::executor::{ExecutorError, Liveness},
};

/// Bytes of the file that is written to see whether the disk takes one, before a pause ends.
const PROBE_BYTES: usize = 256 * 1024;

impl Dispatcher {
    /// Starts queued runs until all places are taken.
    pub(super) async fn start_queued(
        &self,
        mut busy: usize,
        memory: &mut Memory,
    ) -> Result<(), DispatchError> {
        if busy >= self.jobs {
            return Ok(());
        }
        match self.pause.is_over(Instant::now()) {
            Some(false) => return Ok(()),
            Some(true) => {
                let root = self.data.root().to_owned();
                let probed = tokio::task::spawn_blocking(move || probe(&root))
                    .await
                    .unwrap_or_else(|e| Err(io::Error::other(e)));
                if let Err(error) = probed {
                    let root = self.data.root();
                    self.pause_queue(None, &format!("{} cannot be written: {error}", root.display()));
                    return Ok(());
                }
            }
            None => {}
        }
        while busy < self.jobs {
            let refused = self.pause.refused();
            let Some(request) = self.store.claim_other(&refused, now_ms()).await? else {
                if refused.is_empty() {
                    // Nobody waits for the machine any more.
                    self.end_pause();
                } else {
                    self.pause.forget_refused();
                }
                break;
            };
            let run = request.id;
            memory.unstarted.insert(run.clone());
            match self.start(&run, memory).await? {
                Started::Working => {
                    busy += 1;
                    self.end_pause();
                }
                Started::Ended => {}
                Started::Refused(reason) => {
                    self.put_back(&run, memory).await?;
                    self.pause_queue(Some(&run), &reason);
                    break;
                }
            }
            (self.on_change)(&run);
        }
        Ok(())
    }

    /// Starts the worker of a claimed run, or takes up the one that it has.
    #[tracing::instrument(level = "error", skip_all, fields(run.id = %run))]
    async fn start(&self, run: &RunId, memory: &mut Memory) -> Result<Started, DispatchError> {
        let dir = self.data.run(run);
        // Somebody may have started one by hand, or a server before this one.
        match self.executor.alive(run, &dir) {
            Ok(Liveness::Alive) => {
                self.store.reattach(run, true, now_ms()).await?;
                memory.unstarted.remove(run);
                tracing::info!("a queued run already has a worker");
                self.recorder.follow(run);
                return Ok(Started::Working);
            }
            Ok(Liveness::Dead(_)) => {}
            Err(error) => return self.refused(run, &dir, &error, memory).await,
        }
        let attempt = self.store.run(run).await?.run.attempts;
        match self.executor.submit(run, &dir, attempt) {
            Ok(()) => {
                tracing::info!("worker started");
                memory.unstarted.remove(run);
                memory.ours.insert(run.clone());
                self.recorder.follow(run);
                Ok(Started::Working)
            }
            Err(error) => self.refused(run, &dir, &error, memory).await,
        }
    }

    async fn refused(
        &self,
        run: &RunId,
        dir: &Path,
        error: &ExecutorError,
        memory: &mut Memory,
    ) -> Result<Started, DispatchError> {
        match obstacle(self.data.runs().is_dir(), dir.is_dir()) {
            Obstacle::Machine => Ok(Started::Refused(format!("run {run}: {error}"))),
            Obstacle::Run => {
                let message = format!("The run's directory {} is gone.", dir.display());
                let failure = Failure::new(FailureKind::BadRequest, message)
                    .with_hint("Put the directory back and continue the run, or repeat it.");
                let body = EventBody::Failed { failure: failure.clone() };
                self.end(run, RunState::Failed, body, Some(&failure)).await?;
                memory.unstarted.remove(run);
                Ok(Started::Ended)
            }
        }
    }

    /// Puts a claimed run back to its place in the queue. Where the database does not take that now, the next look
    /// tries it again.
    pub(super) async fn put_back(&self, run: &RunId, memory: &mut Memory) -> Result<(), DispatchError> {
        self.store.unclaim(run, now_ms()).await?;
        memory.unstarted.remove(run);
        (self.on_change)(run);
        Ok(())
    }

    /// No run is started for a while.
    pub(super) fn pause_queue(&self, run: Option<&RunId>, what: &str) {
        let now = Instant::now();
        let reason = format!(
            "No worker can be started ({what}). No run is lost: the queue continues by itself when the cause is \
             gone. Make room on the data folder's disk, or check memory and permissions (transferscope doctor)."
        );
        self.pause.begin(run, reason.clone(), now, now_ms());
        if let Some(view) = self.pause.view(now) {
            let next = in_seconds(std::time::Duration::from_secs_f64(view.next_try_s));
            self.health.wrong(Part::Queue, format!("{reason} Next try in {next}."));
        }
    }

    fn end_pause(&self) {
        if self.pause.end() {
            tracing::info!("runs are started again");
        }
        self.health.well(Part::Queue);
    }
}

/// What came of a start.
enum Started {
    Working,
    /// There was nothing to start.
    Ended,
    /// In words.
    Refused(String),
}

/// Whether a folder takes a file of some size; it is gone afterwards.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".probe-{}.part", std::process::id()));
    let written = fs::File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0x5a; PROBE_BYTES])?;
        file.sync_data()
    });
    match fs::remove_file(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => written,
        removed => written.and(removed),
    }
}

#[cfg(test)]
mod tests;
