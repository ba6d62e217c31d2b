//! Experiments, as pages that the server has rendered.

use leptos::{prelude::*, server_fn::codec::GetUrl};

use crate::{AppError, components::rendered::Rendered};

/// All experiments.
#[server(prefix = "/fn", endpoint = "experiments", input = GetUrl)]
pub async fn experiments() -> Result<Rendered, AppError> {
    use super::server::store;
    use crate::server_views::experiments::Experiments;

    let list = store()?.experiments().await?.experiments;
    Ok(Rendered::new("Experiments", false, view! { <Experiments experiments=list /> }))
}

/// One experiment with its analysis, by the choices of a query such as `?layer=last&against=scratch`.
#[server(prefix = "/fn", endpoint = "experiment", input = GetUrl)]
pub async fn experiment(id: String, search: String) -> Result<Rendered, AppError> {
    use super::server::catalogue;
    use crate::{
        address::pairs,
        server_views::experiment::{Experiment, choice, name},
    };

    let catalogue = catalogue()?;
    let known = ["layer", "alignment", "against", "kernel", "estimator", "unlearnt"];
    let query: Vec<(String, String)> =
        pairs(&search).into_iter().filter(|(key, _)| known.contains(&key.as_str())).collect();
    let choice = choice(query.iter().map(|(k, v)| (k.as_str(), v.as_str()))).map_err(AppError::Invalid)?;
    let id = id.parse().map_err(|_| AppError::NotFound(format!("There is no experiment {id:?}.")))?;
    let study = (catalogue.study)(id, choice).await?;
    Ok(Rendered::new(&name(&study.view), false, view! { <Experiment study=study /> }))
}

/// Experiments side by side, those of a query such as `?id=a&id=b`.
#[server(prefix = "/fn", endpoint = "experiments-compared", input = GetUrl)]
pub async fn compared(search: String) -> Result<Rendered, AppError> {
    use super::server::catalogue;
    use crate::{address::pairs, server_views::experiment::comparison::Comparison};
    use transferscope_domain::ExperimentId;

    let unknown = |id: &String| AppError::NotFound(format!("There is no experiment {id:?}."));
    let ids: Vec<ExperimentId> = pairs(&search)
        .into_iter()
        .filter(|(key, _)| key == "id")
        .map(|(_, id)| id.parse().map_err(|_| unknown(&id)))
        .collect::<Result<_, _>>()?;
    let versus = (catalogue()?.versus)(ids).await?;
    Ok(Rendered::new("Experiments compared", false, view! { <Comparison versus=versus /> }))
}
