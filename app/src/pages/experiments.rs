//! Experiments, one by one and side by side: pages that only the server renders.

use leptos::prelude::*;

/// The list, the experiment that the address names, or several side by side.
#[component]
pub fn ExperimentsPage() -> impl IntoView {
    #[cfg(feature = "ssr")]
    {
        server::page()
    }
    #[cfg(not(feature = "ssr"))]
    {
        crate::components::server_page::reload()
    }
}

#[cfg(feature = "ssr")]
mod server {
    use leptos::prelude::*;
    use leptos_router::hooks::{use_params_map, use_query_map};
    use transferscope_domain::ExperimentId;
    use transferscope_store::Store;

    use crate::{
        AppError, Catalogue,
        api::server,
        components::{rendered::Rendered, server_page::server_page},
        server_views::{
            experiment::{Experiment, choice, comparison::Comparison, name},
            experiments::Experiments,
        },
    };

    pub fn page() -> impl IntoView {
        let ids: Vec<String> = use_query_map().with_untracked(|q| q.get_all("id").unwrap_or_default());
        let id = use_params_map().with_untracked(|p| p.get("id").unwrap_or_default());
        let query: Vec<(String, String)> = use_query_map().with_untracked(|q| {
            let field = |key: &str| Some((key.to_owned(), q.get(key)?));
            ["layer", "alignment", "against", "kernel", "estimator", "unlearnt"]
                .into_iter()
                .filter_map(field)
                .collect()
        });
        // Contexts are looked up before anything is waited for.
        let (store, catalogue) = (server::store(), server::catalogue());
        server_page(move || {
            let (id, ids, query, catalogue) = (id.clone(), ids.clone(), query.clone(), catalogue.clone());
            let store = store.clone();
            async move {
                match id.as_str() {
                    "" => list(store?).await,
                    "compare" => comparison(ids, catalogue?).await,
                    _ => one(&id, query, catalogue?).await,
                }
            }
        })
    }

    async fn list(store: Store) -> Result<Rendered, AppError> {
        let list = store.experiments().await?.experiments;
        Ok(Rendered::new("Experiments", false, view! { <Experiments experiments=list /> }))
    }

    /// Experiments side by side: `?id=a&id=b`.
    async fn comparison(ids: Vec<String>, catalogue: Catalogue) -> Result<Rendered, AppError> {
        let unknown = |id: &String| AppError::NotFound(format!("There is no experiment {id:?}."));
        let ids: Vec<ExperimentId> =
            ids.iter().map(|id| id.parse().map_err(|_| unknown(id))).collect::<Result<_, _>>()?;
        let versus = (catalogue.versus)(ids).await?;
        Ok(Rendered::new("Experiments compared", false, view! { <Comparison versus=versus /> }))
    }

    async fn one(id: &str, query: Vec<(String, String)>, catalogue: Catalogue) -> Result<Rendered, AppError> {
        let pairs = query.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let choice = choice(pairs).map_err(AppError::Invalid)?;
        let id = id.parse().map_err(|_| AppError::NotFound(format!("There is no experiment {id:?}.")))?;
        let study = (catalogue.study)(id, choice).await?;
        Ok(Rendered::new(&name(&study.view), false, view! { <Experiment study=study /> }))
    }
}
