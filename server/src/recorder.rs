//! Brings event logs into the database: tails `events.jsonl` of every run that has a worker and
//! stores what is new, one transaction a piece, together with the offset up to which it was read.
//!
//! The log is the truth. Nothing here is remembered across a restart but what the database holds,
//! and reading a line twice changes nothing.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, watch};
use transferscope_domain::{
    RunId,
    event::{EventBody, RunEvent},
    report::RunReport,
    run::Failure,
};
use transferscope_store::{RecordBatch, Store, StoreError};

use crate::{
    data_dir::DataDir,
    event_log::{self, is_final},
};

/// Called after something about a run was stored.
pub type OnChange = Arc<dyn Fn(&RunId) + Send + Sync>;

/// Largest report that is read: thousands of cases stay far below.
const REPORT_BYTES_MAX: u64 = 256 << 20;

/// Why a log could not be recorded now.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error("the event log {} cannot be read: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a reading task did not come back")]
    Task,
}

/// How far a run's log is recorded.
#[derive(Debug, Default)]
struct Tail {
    /// Bytes that are in the database; none until the database was asked.
    offset: Option<u64>,
    /// Whether the final event is recorded.
    ended: bool,
}

/// Tails the logs of the runs that it was told to follow.
pub struct Recorder {
    store: Store,
    data: DataDir,
    on_change: OnChange,
    tails: Mutex<HashMap<RunId, Arc<AsyncMutex<Tail>>>>,
}

impl Recorder {
    /// A recorder that follows nothing yet.
    pub fn new(store: Store, data: DataDir, on_change: OnChange) -> Self {
        Self { store, data, on_change, tails: Mutex::default() }
    }

    /// Follows a run from now on.
    pub fn follow(&self, run: &RunId) {
        self.tail(run);
    }

    /// Stops following a run.
    pub fn forget(&self, run: &RunId) {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    /// Stops following the runs that do not fulfil a condition.
    pub fn retain(&self, keep: impl Fn(&RunId) -> bool) {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner).retain(|run, _| keep(run));
    }

    fn tail(&self, run: &RunId) -> Arc<AsyncMutex<Tail>> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tails.entry(run.clone()).or_default())
    }

    /// Records until told to stop; what cannot be recorded now is tried again.
    pub async fn run(&self, every: Duration, mut shutdown: watch::Receiver<bool>) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
            let runs: Vec<RunId> =
                self.tails.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
            let mut failed = false;
            for run in runs {
                if let Err(error) = self.catch_up(&run).await {
                    failed = true;
                    if !failing {
                        tracing::error!(run.id = %run, %error, "events cannot be recorded; trying again");
                    }
                }
            }
            failing = failed;
        }
    }

    /// Records everything that a run's log holds now, and says whether the run has ended.
    ///
    /// # Errors
    /// When log or database cannot be reached; what was recorded stays.
    pub async fn catch_up(&self, run: &RunId) -> Result<bool, RecorderError> {
        let tail = self.tail(run);
        let mut tail = tail.lock().await;
        let dir = self.data.run(run);
        let path = dir.join(event_log::FILE);
        let mut offset = match tail.offset {
            Some(offset) => offset,
            None => {
                let offset = self.store.record_position(run).await?.offset;
                tail.offset = Some(offset);
                offset
            }
        };
        loop {
            // Most looks find nothing new: ask for the length before anything is read.
            let length = match std::fs::metadata(&path) {
                Ok(meta) => meta.len(),
                Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
                Err(source) => return Err(RecorderError::Log { path, source }),
            };
            if length <= offset {
                return Ok(tail.ended);
            }
            let from = path.clone();
            let piece = tokio::task::spawn_blocking(move || event_log::read_from(&from, offset))
                .await
                .map_err(|_| RecorderError::Task)?
                .map_err(|source| RecorderError::Log { path: path.clone(), source })?;
            if piece.damaged > 0 {
                tracing::warn!(run.id = %run, lines = piece.damaged, "damaged lines in the event log were passed over");
            }
            if piece.new_offset == offset {
                return Ok(tail.ended);
            }
            let mut events = piece.events;
            let ended = events.iter().any(|e| is_final(&e.body));
            if let Some(last) = events.iter_mut().find(|e| matches!(e.body, EventBody::Finished { .. })) {
                self.record_report(run, &dir, last).await?;
            }
            self.store.record(run, RecordBatch { events: &events, new_offset: piece.new_offset }).await?;
            offset = piece.new_offset;
            tail.offset = Some(offset);
            tail.ended |= ended;
            (self.on_change)(run);
        }
    }

    /// Stores the report before the `finished` event that it belongs to, so that a succeeded run
    /// always has its cases; a run without a readable report has not succeeded.
    async fn record_report(
        &self,
        run: &RunId,
        dir: &Path,
        finished: &mut RunEvent,
    ) -> Result<(), RecorderError> {
        let path = dir.join("report.json");
        let report =
            tokio::task::spawn_blocking(move || read_report(&path)).await.map_err(|_| RecorderError::Task)?;
        match report {
            Ok(report) => self.store.record_report(run, &report).await?,
            Err(reason) => {
                tracing::error!(run.id = %run, reason, "a finished run has no readable report");
                let failure = Failure {
                    kind: "internal".into(),
                    message: format!("Training ended, but its report cannot be read: {reason}"),
                    hint: "Repeat the run; if it comes again, check the disk that holds the data folder."
                        .into(),
                };
                finished.body = EventBody::Failed { failure };
            }
        }
        Ok(())
    }
}

fn read_report(path: &Path) -> Result<RunReport, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|f| f.take(REPORT_BYTES_MAX).read_to_string(&mut text))
        .map_err(|e| format!("report.json: {e}"))?;
    serde_json::from_str(&text).map_err(|e| format!("report.json: {e}"))
}
