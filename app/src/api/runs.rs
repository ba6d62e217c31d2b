//! The queue: a page of runs, and the experiment that they belong to.

use std::collections::BTreeMap;

use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};
use transferscope_domain::{
    ExperimentId, RunState, Task,
    api::{ExperimentSummary, ExperimentView, RunList, RunView},
};

use crate::AppError;

/// The page's state, as text from the URL; empty is no filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunsState {
    pub experiment: String,
    pub state: String,
    pub task: String,
    pub dataset: String,
    pub backbone: String,
    pub cursor: String,
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunsPageData {
    pub list: RunList,
    /// The experiment that the page is about.
    pub experiment: Option<ExperimentProgress>,
    /// Latest experiments, to choose one.
    pub experiments: Vec<ExperimentSummary>,
    /// Tasks that there are runs of.
    pub tasks: Vec<Task>,
    pub preparing: Option<String>,
    /// The server's time of this answer.
    pub now_ms: i64,
}

/// How far an experiment is, as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentProgress {
    pub id: ExperimentId,
    pub name: String,
    pub created_ms: i64,
    /// State and progress of each of its runs.
    pub runs: BTreeMap<String, (RunState, f64)>,
}

impl ExperimentProgress {
    /// Mean progress of its runs; what has ended counts as done.
    pub fn progress(&self) -> f64 {
        let done: f64 = self.runs.values().map(|(s, p)| if s.is_final() { 1.0 } else { *p }).sum();
        if self.runs.is_empty() { 0.0 } else { done / self.runs.len() as f64 }
    }

    /// Number of runs by state, in the order of states.
    pub fn counts(&self) -> Vec<(RunState, usize)> {
        RunState::ALL
            .into_iter()
            .map(|s| (s, self.runs.values().filter(|(state, _)| *state == s).count()))
            .filter(|(_, n)| *n > 0)
            .collect()
    }

    /// Takes over what changed.
    pub fn apply(&mut self, changed: &[RunView]) {
        for run in changed {
            if let Some(known) = self.runs.get_mut(run.id.as_str()) {
                *known = (run.state, run.progress);
            }
        }
    }
}

impl From<ExperimentView> for ExperimentProgress {
    fn from(e: ExperimentView) -> Self {
        Self {
            id: e.id,
            name: e.name,
            created_ms: e.created_ms,
            runs: e.runs.into_iter().map(|r| (r.id.into(), (r.state, r.progress))).collect(),
        }
    }
}

/// A page of runs, newest first.
#[server(prefix = "/fn", endpoint = "runs", input = GetUrl)]
pub async fn runs(state: RunsState) -> Result<RunsPageData, AppError> {
    use super::server::{catalogue, optional, store};
    use transferscope_store::{RunFilter, now_ms};

    let store = store()?;
    let experiment: Option<ExperimentId> = optional(&state.experiment)?;
    let filter = RunFilter {
        state: optional(&state.state)?,
        task: optional(&state.task)?,
        dataset: Some(state.dataset).filter(|d| !d.is_empty()),
        experiment: experiment.clone(),
        backbone: Some(state.backbone).filter(|b| !b.is_empty()),
        cursor: Some(state.cursor).filter(|c| !c.is_empty()),
        limit: None,
    };
    let mut experiments = store.experiments().await?.experiments;
    experiments.truncate(30);
    let experiment = match &experiment {
        Some(id) => Some(store.experiment(id).await?.into()),
        None => None,
    };
    Ok(RunsPageData {
        list: store.runs(&filter).await?,
        experiment,
        experiments,
        tasks: store.tasks().await?,
        preparing: (catalogue()?.preparing)(),
        now_ms: now_ms(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_counts_as_done() {
        let mut e = ExperimentProgress {
            id: "expe".parse().unwrap(),
            name: String::new(),
            created_ms: 0,
            runs: BTreeMap::from([
                ("aaaa".to_owned(), (RunState::Failed, 0.2)),
                ("bbbb".to_owned(), (RunState::Running, 0.5)),
                ("cccc".to_owned(), (RunState::Queued, 0.0)),
                ("dddd".to_owned(), (RunState::Queued, 0.0)),
            ]),
        };
        assert_eq!(e.progress(), 1.5 / 4.0);
        assert_eq!(e.counts(), [(RunState::Queued, 2), (RunState::Running, 1), (RunState::Failed, 1)]);
        e.runs.clear();
        assert_eq!(e.progress(), 0.0);
    }
}
