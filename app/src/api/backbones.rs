//! The backbones that runs can start from, and what pre-training can choose from.

use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};
use transferscope_domain::{
    api::{BackboneDetail, BackboneView, RunView},
    dataset::DatasetManifest,
};

use crate::AppError;

/// All backbones, the latest pre-trainings, and the data sets to pre-train on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackbonesPageData {
    pub backbones: Vec<BackboneView>,
    pub pretrainings: Vec<RunView>,
    /// Without the cases' file names and hashes, which the form does not need.
    pub datasets: Vec<DatasetManifest>,
    /// The server's time of this answer.
    pub now_ms: i64,
}

/// One backbone with the runs that used it last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackbonePageData {
    pub detail: BackboneDetail,
    pub runs: Vec<RunView>,
    /// The server's time of this answer.
    pub now_ms: i64,
}

/// All backbones.
#[server(prefix = "/fn", endpoint = "backbones", input = GetUrl)]
pub async fn backbones() -> Result<BackbonesPageData, AppError> {
    use super::server::{catalogue, counted_backbones, store};
    use transferscope_domain::Task;
    use transferscope_store::{RunFilter, now_ms};

    let filter = RunFilter { task: Some(Task::Pretraining), limit: Some(10), ..RunFilter::default() };
    let mut datasets = (catalogue()?.datasets)();
    for case in datasets.iter_mut().flat_map(|d| &mut d.cases) {
        case.prepared.clear();
        case.hash.clear();
    }
    Ok(BackbonesPageData {
        backbones: counted_backbones().await?,
        pretrainings: store()?.runs(&filter).await?.runs,
        datasets,
        now_ms: now_ms(),
    })
}

/// One backbone.
#[server(prefix = "/fn", endpoint = "backbone", input = GetUrl)]
pub async fn backbone(name: String) -> Result<BackbonePageData, AppError> {
    use super::server::{catalogue, counted_backbones, store};
    use transferscope_store::{RunFilter, now_ms};

    let view = counted_backbones()
        .await?
        .into_iter()
        .find(|b| b.backbone.name == name)
        .ok_or_else(|| AppError::NotFound(format!("There is no backbone {name:?}.")))?;
    let (load_report, made) = (catalogue()?.card)(&name);
    let filter = RunFilter { backbone: Some(name), limit: Some(10), ..RunFilter::default() };
    Ok(BackbonePageData {
        detail: BackboneDetail { view, load_report, made },
        runs: store()?.runs(&filter).await?.runs,
        now_ms: now_ms(),
    })
}
