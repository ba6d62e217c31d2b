//! The backbones that runs can start from, and what pre-training can choose from.

use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};
use transferscope_domain::api::{BackboneDetail, RunView};

use crate::{AppError, components::rendered::Rendered};

/// One backbone with the runs that used it last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackbonePageData {
    pub detail: BackboneDetail,
    pub runs: Vec<RunView>,
    /// The server's time of this answer.
    pub now_ms: i64,
}

/// All backbones, the latest pre-trainings and the form that starts one, filled as `query` says.
#[server(prefix = "/fn", endpoint = "backbones", input = GetUrl)]
pub async fn backbones(query: String) -> Result<Rendered, AppError> {
    use super::server::{catalogue, counted_backbones, store};
    use crate::server_views::backbones::Backbones;
    use transferscope_domain::{TaskKind, pretraining::PretrainForm};
    use transferscope_store::RunFilter;

    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query).map_err(|_| {
        AppError::Invalid("The form in the address cannot be read: open the form again.".into())
    })?;
    let checked = pairs.iter().any(|(key, value)| key == "checked" && value == "1");
    let form = PretrainForm::from_pairs(pairs);
    let task = Some(TaskKind::Pretraining.into());
    let filter = RunFilter { task, limit: Some(10), ..RunFilter::default() };
    let backbones = counted_backbones().await?;
    let pretrainings = store()?.runs(&filter).await?.runs;
    let datasets = (catalogue()?.datasets)();
    let page = view! {
        <Backbones backbones=backbones pretrainings=pretrainings datasets=datasets form=form checked=checked />
    };
    Ok(Rendered::new("Backbones", false, page))
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
