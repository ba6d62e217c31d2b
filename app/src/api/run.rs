//! One run with everything that its page shows.

use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};
use transferscope_domain::{
    api::{AlignmentView, MetricSeries, RunDetail},
    report::CaseScore,
};

use crate::AppError;
use crate::data::SplitCounts;

/// A run's page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPageData {
    pub detail: RunDetail,
    /// Curves of the page's charts.
    pub series: Vec<MetricSeries>,
    pub alignment: Option<AlignmentView>,
    pub cases: Vec<CaseScore>,
    /// Cases that the task uses, by split; none when the data set is no longer there.
    pub splits: Option<SplitCounts>,
    /// How its cases were brought to the network, as names and words; none for the grids of the study's networks.
    pub plan: Option<Vec<(String, String)>>,
    /// Whether the data set's content is still that of the run.
    pub dataset_unchanged: Option<bool>,
    /// What to say where the run's files were removed.
    pub gone: Option<String>,
    /// The server's time of this answer.
    pub now_ms: i64,
}

/// Everything about one run.
#[server(prefix = "/fn", endpoint = "run", input = GetUrl)]
pub async fn run(id: String) -> Result<RunPageData, AppError> {
    use super::server::{catalogue, store};
    use transferscope_domain::RunId;
    use transferscope_store::now_ms;

    /// Points of a curve on a page: about two a pixel.
    const MAX_POINTS: usize = 1000;

    let id: RunId = id.parse().map_err(|e| AppError::NotFound(format!("There is no such run: {e}.")))?;
    let store = store()?;
    let detail = store.run(&id).await?;
    let mut series = Vec::new();
    for name in crate::charts::build::run_series(detail.run.task) {
        if detail.metric_names.contains(&name) {
            series.push(store.metrics(&id, &name, MAX_POINTS).await?);
        }
    }
    let alignment = Some(store.alignment(&id).await?).filter(|a| !a.values.is_empty());
    let cases = store.cases(&id).await?.cases;
    let datasets = (catalogue()?.datasets)();
    let dataset = datasets.iter().find(|d| d.name == detail.run.dataset);
    let gone = (detail.run.attempts > 0 && !(catalogue()?.has_files)(&id)).then(|| {
        format!(
            "The directory runs/{id} is no longer in the data folder: the recorded values are shown, but pictures, log and \
             report are gone."
        )
    });
    Ok(RunPageData {
        gone,
        splits: dataset.and_then(|d| SplitCounts::of(d, detail.run.task, &detail.run.training)),
        plan: store.request(&id).await?.plan.map(|plan| plan.facts()),
        dataset_unchanged: dataset.map(|d| d.hash == detail.dataset_hash),
        detail,
        series,
        alignment,
        cases,
        now_ms: now_ms(),
    })
}
