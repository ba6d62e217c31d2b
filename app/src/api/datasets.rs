//! The data sets: what they hold, what their checks found, and single cases.

#[cfg(feature = "ssr")]
mod summary;

use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};
use transferscope_domain::{
    Task,
    api::RunView,
    dataset::{
        CaseEntry,
        check::Finding,
        view::{CaseDetail, CheckStatus},
    },
};

use crate::AppError;

/// A data set in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetRow {
    pub name: String,
    pub source: String,
    pub synthetic: bool,
    pub cases: usize,
    pub patients: usize,
    /// Patients by split: train, val, test.
    pub split_patients: [usize; 3],
    /// Cases by channel.
    pub channels: Vec<(String, usize)>,
    /// Each task, and why it cannot run; none where it can.
    pub tasks: Vec<(Task, Option<String>)>,
    pub status: CheckStatus,
    pub errors: usize,
    pub warnings: usize,
    pub refused: usize,
    pub runs: u32,
}

/// All data sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetsPageData {
    pub datasets: Vec<DatasetRow>,
    pub preparing: Option<String>,
}

/// Cases with one and the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub reason: String,
    pub count: usize,
    /// The first few of them.
    pub cases: Vec<String>,
}

/// What a task makes of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    pub task: Task,
    /// Cases that it uses: train, val, test.
    pub used: [usize; 3],
    pub problem: Option<String>,
    pub left_out: Vec<Reason>,
}

/// One data set with its check and a page of its cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetPageData {
    pub row: DatasetRow,
    pub hash: String,
    pub split_seed: u64,
    pub shapes: Vec<(String, usize)>,
    pub spacings_mm: Vec<(String, usize)>,
    pub labels: Vec<(String, Vec<u32>)>,
    pub tasks: Vec<TaskRow>,
    pub refused: Vec<Reason>,
    /// The first of the findings, errors before warnings.
    pub findings: Vec<Finding>,
    /// Cases of this page, without file names.
    pub cases: Vec<CaseEntry>,
    /// Cases of the chosen split.
    pub matching: usize,
    /// The page that is shown, from 1, and how many there are.
    pub page: usize,
    pub pages: usize,
    /// The latest runs on it.
    pub runs: Vec<RunView>,
}

/// Findings on a page.
pub const FINDINGS_MAX: usize = 100;

/// All data sets.
#[server(prefix = "/fn", endpoint = "datasets", input = GetUrl)]
pub async fn datasets() -> Result<DatasetsPageData, AppError> {
    use super::server::{catalogue, store};
    use summary::row;

    let runs = store()?.runs_by_dataset().await?;
    let catalogue = catalogue()?;
    let rows = (catalogue.datasets)().into_iter().map(|manifest| {
        let count = runs.get(&manifest.name).copied().unwrap_or(0);
        row(&manifest, &(catalogue.checked)(&manifest), count)
    });
    Ok(DatasetsPageData { datasets: rows.collect(), preparing: (catalogue.preparing)() })
}

/// One data set with its check and a page of its cases.
#[server(prefix = "/fn", endpoint = "dataset", input = GetUrl)]
pub async fn dataset(name: String, split: String, page: String) -> Result<DatasetPageData, AppError> {
    use super::server::{catalogue, optional, store};
    use summary::page_data;
    use transferscope_domain::metric::Split;
    use transferscope_store::RunFilter;

    let split = match split.as_str() {
        "" => None,
        text => Some(Split::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
            AppError::Invalid(format!("There is no split {text:?}: use train, val or test."))
        })?),
    };
    let page: usize = optional(&page)?.unwrap_or(1);
    let catalogue = catalogue()?;
    let manifest = (catalogue.datasets)()
        .into_iter()
        .find(|d| d.name == name)
        .ok_or_else(|| AppError::NotFound(format!("There is no data set {name:?}.")))?;
    let checked = (catalogue.checked)(&manifest);
    let count = store()?.runs_by_dataset().await?.get(&name).copied().unwrap_or(0);
    let filter = RunFilter { dataset: Some(name), limit: Some(10), ..RunFilter::default() };
    let runs = store()?.runs(&filter).await?.runs;
    Ok(page_data(&manifest, checked, (split, page), runs, count))
}

/// One case with what a viewer needs.
#[server(prefix = "/fn", endpoint = "case", input = GetUrl)]
pub async fn case(dataset: String, case: String) -> Result<CaseDetail, AppError> {
    let catalogue = super::server::catalogue()?;
    (catalogue.case)(dataset, case).await
}
