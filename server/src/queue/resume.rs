//! "Go on": a run that failed or was stopped continues from its last checkpoint, as itself. Beside it stands "repeat",
//! which is another run from the start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use transferscope_domain::{
    RunId, RunState,
    event::{EventBody, LogLevel},
};
use transferscope_ml::{checkpoint, train::state::last_path};
use transferscope_store::{StoreError, now_ms, records::STOPPED_FILE};

use super::{
    event_log::{self, EventLog},
    executor::{WorkerLock, WorkerLockError},
    submit::Intake,
    worker::CANCEL_FILE,
};
use crate::off_thread::{BrokenOff, blocking};

/// Why a run does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// In words for whoever asked.
    #[error("{0}")]
    NotPossible(String),
    #[error("{} cannot be written: {source}", dir.display())]
    RunDir { dir: PathBuf, source: io::Error },
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
}

impl Intake {
    /// Lets a run go on.
    ///
    /// # Errors
    /// `Store` with `NotFound`; `NotPossible` when it neither failed nor was stopped, has a worker, or has no whole
    /// checkpoint.
    pub async fn resume(&self, id: &RunId) -> Result<(), ResumeError> {
        let run = self.store.run(id).await?.run;
        if !matches!(run.state, RunState::Failed | RunState::Stopped) {
            return Err(ResumeError::NotPossible(format!(
                "Run {id} is {}; only a run that failed or was stopped can be continued.",
                run.state
            )));
        }
        // Before anything in its directory is changed.
        self.store.may_resume(id).await?;
        let dir = self.data.run(id);
        blocking(move || reopen(&dir)).await??;
        self.store.resume(id, now_ms()).await?;
        self.queued([id]);
        Ok(())
    }
}

/// Makes the directory of a run that has ended one that can go on: the end in its log is followed by a line that says
/// so, and the wishes to stop are gone.
fn reopen(dir: &Path) -> Result<(), ResumeError> {
    let path = last_path(dir);
    if !dir.is_dir() || !path.exists() {
        return Err(ResumeError::NotPossible(
            "The run has no checkpoint to continue from; repeat it instead.".into(),
        ));
    }
    if let Err(error) = checkpoint::open(&path) {
        return Err(ResumeError::NotPossible(format!(
            "The run's checkpoint is incomplete ({error}); repeat the run instead."
        )));
    }
    let failed = |source: io::Error| ResumeError::RunDir { dir: dir.to_owned(), source };
    let _lock = match WorkerLock::take(dir) {
        Ok(lock) => lock,
        Err(error @ WorkerLockError::Held { .. }) => return Err(ResumeError::NotPossible(error.to_string())),
        Err(WorkerLockError::Io { source, .. }) => return Err(failed(source)),
    };
    let (log, history) = EventLog::open(&dir.join(event_log::FILE)).map_err(failed)?;
    if history.ended.is_some() {
        let message = "The run is continued from its last checkpoint on request.".into();
        log.append(EventBody::Log { level: LogLevel::Info, message }).map_err(failed)?;
    }
    for wish in [CANCEL_FILE, STOPPED_FILE] {
        match fs::remove_file(dir.join(wish)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
    }
    Ok(())
}
