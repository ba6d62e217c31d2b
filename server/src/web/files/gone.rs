//! What is said of a file that is not there: not yet, never, or no longer. What the database recorded is shown on
//! whatever somebody removes from the data folder.

use transferscope_domain::{RunId, RunState};

use crate::{
    off_thread::blocking,
    web::{error::ApiError, state::AppState},
};

/// Why a file of a run's directory cannot be sent. `made` tells whether this run had such a file once.
pub async fn of_run(state: &AppState, id: &RunId, file: &str, made: Made<'_>) -> ApiError {
    let run = match state.store.run(id).await {
        Ok(run) => run,
        Err(error) => return error.into(),
    };
    if run.run.attempts > 0 && !state.data.run(id).is_dir() {
        return ApiError::Gone(format!(
            "The directory runs/{id} is no longer in the data folder, and {file} went with it. What was recorded of the \
             run is still shown."
        ));
    }
    let was_there = match made {
        Made::AtItsEnd => run.run.state == RunState::Succeeded,
        Made::ByItsWorker => run.run.attempts > 0 && run.last_seq > 0,
        Made::ForPreview(name) => run.previews.iter().any(|p| p.file.ends_with(name)),
    };
    if was_there {
        return ApiError::Gone(format!(
            "{file} of run {id} is no longer in the data folder. What was recorded of the run is still shown."
        ));
    }
    ApiError::NotFound(match (made, run.run.state) {
        (Made::ForPreview(_), _) => format!("Run {id} has no preview {file:?}."),
        (_, RunState::Failed) => format!("Run {id} has no {file}: it failed before it had a result."),
        (_, RunState::Stopped) => format!("Run {id} has no {file}: it was stopped before it had a result."),
        _ => format!("Run {id} has no {file}: it has not finished."),
    })
}

/// When a run has a file.
#[derive(Debug, Clone, Copy)]
pub enum Made<'a> {
    /// Once it has succeeded.
    AtItsEnd,
    /// Once a worker was at it.
    ByItsWorker,
    /// Once its log names it.
    ForPreview(&'a str),
}

/// What an error about a data set's files means where the data set itself is gone.
pub async fn of_dataset(state: &AppState, name: &str, error: ApiError) -> ApiError {
    let ApiError::NotFound(_) = error else { return error };
    let (catalogue, wanted) = (state.catalogue(), name.to_owned());
    let there = blocking(move || catalogue.dataset(&wanted).is_some()).await;
    if there.unwrap_or(true) {
        return error;
    }
    match state.store.runs_by_dataset().await.map(|runs| runs.get(name).copied().unwrap_or(0)) {
        Ok(0) => error,
        Ok(runs) => ApiError::Gone(no_longer(name, runs)),
        Err(error) => error.into(),
    }
}

/// Of a data set that runs name and that was removed.
pub fn no_longer(name: &str, runs: u32) -> String {
    let runs =
        if runs == 1 { "1 run on it keeps its".to_owned() } else { format!("{runs} runs on it keep their") };
    format!("The data set {name} is no longer in the data folder; {runs} results.")
}
