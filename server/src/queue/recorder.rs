//! Brings event logs into the database: tails `events.jsonl` of every run that has a worker and
//! stores what is new, one transaction a piece, together with the offset up to which it was read.
//!
//! The log is the truth. Nothing here is remembered across a restart but what the database holds,
//! and reading a line twice changes nothing. A log that is shorter than what was read of it, or goes
//! on with another number, is another log (a power cut took its end, somebody put an older folder
//! back): it is read again from its beginning.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, watch};
use transferscope_domain::{
    Failure, FailureKind, RunId,
    event::{EventBody, LogLevel, RunEvent},
    report::RunReport,
};
use transferscope_store::{RecordBatch, RecordPosition, Store, StoreError};

use super::event_log::{self, Piece, is_final};
use crate::{
    data_dir::DataDir,
    health::{Health, Part},
};

/// Called after something about a run was stored.
pub type OnChange = Arc<dyn Fn(&RunId) + Send + Sync>;

/// Largest report that is read: thousands of cases stay far below.
const REPORT_BYTES_MAX: u64 = 256 << 20;

/// Why a log could not be recorded now.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error("{} cannot be read: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a reading task did not finish")]
    Task,
}

/// How far a run's log is recorded.
#[derive(Debug, Default)]
struct Tail {
    /// What is in the database; none until the database was asked.
    at: Option<RecordPosition>,
    /// Whether the final event is recorded.
    ended: bool,
}

/// Tails the logs of the runs that it was told to follow.
pub struct Recorder {
    store: Store,
    data: DataDir,
    on_change: OnChange,
    health: Arc<Health>,
    tails: Mutex<HashMap<RunId, Arc<AsyncMutex<Tail>>>>,
}

impl Recorder {
    /// A recorder that follows nothing yet.
    pub fn new(store: Store, data: DataDir, on_change: OnChange, health: Arc<Health>) -> Self {
        Self { store, data, on_change, health, tails: Mutex::default() }
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
        if let Err(error) = self.look_back().await {
            tracing::warn!(%error, "the logs of failed runs cannot be checked");
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
            let runs: Vec<RunId> =
                self.tails.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
            let mut failed = None;
            for run in runs {
                if let Err(error) = self.catch_up(&run).await {
                    failed = Some(format!("Events of run {run} cannot be recorded: {error}."));
                }
            }
            match failed {
                Some(message) => self.health.wrong(Part::Recorder, message),
                None => self.health.well(Part::Recorder),
            }
        }
    }

    /// Records everything that a run's log holds now, and says whether the run has ended.
    ///
    /// # Errors
    /// When log or database cannot be reached; what was recorded stays.
    #[tracing::instrument(level = "error", skip_all, fields(run.id = %run))]
    pub async fn catch_up(&self, run: &RunId) -> Result<bool, RecorderError> {
        let tail = self.tail(run);
        let mut tail = tail.lock().await;
        let dir = self.data.run(run);
        let path = dir.join(event_log::FILE);
        let mut at = match tail.at {
            Some(at) => at,
            None => self.store.record_position(run).await?,
        };
        tail.at = Some(at);
        let mut fresh = at.offset == 0;
        loop {
            // Most looks find nothing new: ask for the length before anything is read.
            let length = match std::fs::metadata(&path) {
                Ok(meta) => meta.len(),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    if at.offset > 0 {
                        // What was recorded stays; whatever log there will be is read from its beginning.
                        tracing::warn!(path = %path.display(), "the event log is gone");
                        self.store.rewind(run).await?;
                        tail.at = Some(RecordPosition::default());
                    }
                    return Ok(tail.ended);
                }
                Err(source) => return Err(RecorderError::Log { path, source }),
            };
            if length == at.offset {
                return Ok(tail.ended);
            }
            let (from, looked) = (path.clone(), fresh);
            let (piece, followed, same) = tokio::task::spawn_blocking(move || read(&from, at, looked))
                .await
                .map_err(|_| RecorderError::Task)?
                .map_err(|source| RecorderError::Log { path: path.clone(), source })?;
            if length < at.offset || !same {
                tracing::warn!(
                    length,
                    recorded = at.offset,
                    "the event log is not the one that was recorded; reading it from its beginning"
                );
                self.store.rewind(run).await?;
                at = RecordPosition::default();
                (tail.at, tail.ended, fresh) = (Some(at), false, true);
                continue;
            }
            // A line that does not fit in is told from one of another log once a look.
            fresh = true;
            if piece.damaged > 0 {
                tracing::warn!(lines = piece.damaged, "damaged lines in the event log were skipped");
            }
            if piece.new_offset == at.offset {
                return Ok(tail.ended);
            }
            let mut events = piece.events;
            forget_old_ends(&mut events, followed);
            let ended = events.last().is_some_and(|e| is_final(&e.body));
            let finished = events.iter_mut().find(|e| matches!(e.body, EventBody::Finished { .. }));
            let report = match finished {
                Some(finished) => report_of(run, &dir, finished).await?,
                None => None,
            };
            let batch =
                RecordBatch { events: &events, new_offset: piece.new_offset, report: report.as_ref() };
            let recorded = self.store.record(run, batch).await?;
            at = RecordPosition { offset: piece.new_offset, last_seq: recorded.last_seq };
            tail.at = Some(at);
            tail.ended = ended || tail.ended && events.is_empty();
            (self.on_change)(run);
        }
    }

    /// Looks at the logs of failed runs once: one that went on after it was given up has the last word.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn look_back(&self) -> Result<(), RecorderError> {
        for (run, recorded) in self.store.failed_runs().await? {
            let log = self.data.run(&run).join(event_log::FILE);
            if std::fs::metadata(log).is_ok_and(|about| about.len() > recorded) {
                if let Err(error) = self.catch_up(&run).await {
                    tracing::warn!(run.id = %run, %error, "later events of a failed run cannot be recorded");
                }
                self.forget(&run);
            }
        }
        Ok(())
    }
}

/// The report that a `finished` event speaks of. A run without a readable report has not succeeded: then the event is
/// that of a failure.
async fn report_of(
    run: &RunId,
    dir: &Path,
    finished: &mut RunEvent,
) -> Result<Option<RunReport>, RecorderError> {
    let path = dir.join("report.json");
    let from = path.clone();
    let report =
        tokio::task::spawn_blocking(move || read_report(&from)).await.map_err(|_| RecorderError::Task)?;
    match report.map_err(|source| RecorderError::Log { path, source })? {
        Ok(report) => Ok(Some(report)),
        Err(reason) => {
            tracing::error!(run.id = %run, reason, "a finished run has no readable report");
            let message = format!("Training ended, but its report cannot be read: {reason}");
            let failure = Failure::new(FailureKind::Internal, message)
                .with_hint("Repeat the run; if it happens again, check the disk that holds the data folder.");
            finished.body = EventBody::Failed { failure };
            Ok(None)
        }
    }
}

/// The next piece of a log, whether another event follows a final one at its end, and whether it is the log that was
/// recorded so far; that is not asked again where it is `known`.
fn read(path: &Path, at: RecordPosition, known: bool) -> io::Result<(Piece, bool, bool)> {
    let piece = event_log::read_from(path, at.offset)?;
    let same = known || goes_on(&piece, at) && ends_there(path, at)?;
    let followed = piece.events.last().is_some_and(|e| is_final(&e.body))
        && !event_log::read_from(path, piece.new_offset)?.events.is_empty();
    Ok((piece, followed, same))
}

/// Whether what follows the recorded position begins with the next number.
fn goes_on(piece: &Piece, at: RecordPosition) -> bool {
    match piece.events.first() {
        Some(event) => event.seq == at.last_seq + 1,
        None => piece.damaged == 0,
    }
}

/// How far back the beginning of the line before a position is looked for. Longer lines are believed.
const LINE_LOOK: u64 = 64 << 10;

/// Whether a line ends at the recorded position, with the number that was recorded last.
fn ends_there(path: &Path, at: RecordPosition) -> io::Result<bool> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        seq: u64,
    }
    let from = at.offset.saturating_sub(LINE_LOOK);
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut before = Vec::new();
    file.take(at.offset - from).read_to_end(&mut before)?;
    let Some(before) = before.strip_suffix(b"\n") else { return Ok(at.offset == 0) };
    let line = before.rsplit(|b| *b == b'\n').next().unwrap_or_default();
    // A damaged line has no number.
    Ok(serde_json::from_slice(line).map_or(true, |line: Numbered| line.seq == at.last_seq))
}

/// An end that others follow is none any more: somebody let the run go on. It stays a line, so that numbers have no
/// gap. `followed` says whether the log goes on after these events.
fn forget_old_ends(events: &mut [RunEvent], followed: bool) {
    let old = if followed { events.len() } else { events.len().saturating_sub(1) };
    for event in events[..old].iter_mut().filter(|e| is_final(&e.body)) {
        let message = "The run had ended here; it was continued later.".to_owned();
        event.body = EventBody::Log { level: LogLevel::Info, message };
    }
}

/// A report, or what is wrong with it.
///
/// # Errors
/// When it is there and cannot be read now: that says nothing of the run.
fn read_report(path: &Path) -> io::Result<Result<RunReport, String>> {
    let mut text = String::new();
    let read = File::open(path).and_then(|f| f.take(REPORT_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(serde_json::from_str(&text).map_err(|e| format!("report.json: {e}"))),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
            Ok(Err(format!("report.json: {e}")))
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests;
