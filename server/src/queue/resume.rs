//! "Go on": a run that failed or was stopped continues from its last checkpoint, as itself. Beside it stands "repeat",
//! which is another run from the start.

use std::{fs, io, path::Path};

use transferscope_domain::{
    RunId, RunState,
    event::{EventBody, LogLevel},
};
use transferscope_ml::{checkpoint, train::state::last_path};
use transferscope_store::{now_ms, records::STOPPED_FILE};

use super::{
    event_log::{self, EventLog},
    executor::{WorkerLock, WorkerLockError},
    worker::CANCEL_FILE,
};
use crate::web::{error::ApiError, state::AppState};

/// Lets a run go on.
///
/// # Errors
/// `NotFound`; `Conflict` when it neither failed nor was stopped, has a worker, or has no whole checkpoint.
pub async fn resume_run(state: &AppState, id: &RunId) -> Result<(), ApiError> {
    let run = state.store.run(id).await?.run;
    if !matches!(run.state, RunState::Failed | RunState::Stopped) {
        return Err(ApiError::Conflict(format!(
            "Run {id} is {}; only a run that failed or was stopped can go on.",
            run.state
        )));
    }
    // Before anything in its directory is changed.
    state.store.may_resume(id).await?;
    let dir = state.data.run(id);
    let opened = tokio::task::spawn_blocking(move || reopen(&dir)).await;
    opened.map_err(|e| ApiError::Internal(format!("a task did not come back: {e}")))??;
    state.store.resume(id, now_ms()).await?;
    state.run_changed(id);
    Ok(())
}

/// Makes the directory of a run that has ended one that can go on: the end in its log is followed by a line that says
/// so, and the wishes to stop are gone.
fn reopen(dir: &Path) -> Result<(), ApiError> {
    let path = last_path(dir);
    if !dir.is_dir() || !path.exists() {
        return Err(ApiError::Conflict("The run has no checkpoint to go on from; repeat it instead.".into()));
    }
    if let Err(error) = checkpoint::open(&path) {
        return Err(ApiError::Conflict(format!(
            "The run's checkpoint is not whole ({error}); repeat the run instead."
        )));
    }
    let failed =
        |source: io::Error| ApiError::Internal(format!("{} cannot be written: {source}", dir.display()));
    let _lock = match WorkerLock::take(dir) {
        Ok(lock) => lock,
        Err(error @ WorkerLockError::Held { .. }) => return Err(ApiError::Conflict(error.to_string())),
        Err(WorkerLockError::Io { source, .. }) => return Err(failed(source)),
    };
    let (log, history) = EventLog::open(&dir.join(event_log::FILE)).map_err(failed)?;
    if history.ended.is_some() {
        let message = "Somebody lets the run go on from its last checkpoint.".into();
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
