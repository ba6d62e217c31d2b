//! Everything that a comparison draws, read at one moment.

use sqlx::SqliteConnection;
use transferscope_domain::{RunId, api::CompareData};

use crate::{Result, Store, StoreError, alignment, cases, metric_points, previews, runs};

/// Points of a curve in a comparison: about two a pixel.
const MAX_POINTS: usize = 1000;
/// Most runs in one comparison: more are not distinguishable on one chart.
pub(crate) const RUNS_MAX: usize = 32;

impl Store {
    /// Runs side by side, in the order of `ids`; those that are not there are named as missing.
    ///
    /// # Errors
    /// `NotFound` when none of them is there, `Invalid` for more than 32 runs.
    pub async fn compare_data(&self, ids: &[RunId]) -> Result<CompareData> {
        let mut tx = self.read().begin().await?;
        let mut data = of_runs(&mut tx, ids).await?;
        self.hide_paths(&mut data.runs);
        Ok(data)
    }
}

pub(crate) async fn of_runs(conn: &mut SqliteConnection, ids: &[RunId]) -> Result<CompareData> {
    if ids.len() > RUNS_MAX {
        return Err(StoreError::Invalid {
            field: "runs",
            message: format!("{} runs are too many for one comparison: {RUNS_MAX} at most", ids.len()),
        });
    }
    let found = runs::by_id(conn, ids).await?;
    let missing: Vec<RunId> =
        ids.iter().filter(|id| !found.iter().any(|run| run.id == **id)).cloned().collect();
    if let (Some(missing), true) = (missing.first(), found.is_empty()) {
        return Err(StoreError::not_found("run", missing));
    }
    let mut data = CompareData { missing, ..CompareData::default() };
    for run in found {
        data.series.push(metric_points::of_run(conn, &run.id, MAX_POINTS).await?);
        data.cases.push(cases::of_run(conn, &run.id).await?);
        let alignment = alignment::of_run(conn, &run.id).await?;
        data.alignment.push((!alignment.values.is_empty()).then_some(alignment));
        data.previews.push(previews::of_run(conn, &run.id).await?);
        data.runs.push(run);
    }
    Ok(data)
}
