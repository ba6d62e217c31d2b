//! Experiments: pages that only the server renders.

use leptos::prelude::*;

/// The list, or the experiment that the address names.
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
    use transferscope_store::Store;

    use crate::{
        AppError, Catalogue,
        api::server,
        components::{rendered::Rendered, server_page::server_page},
        server_views::{
            experiment::{Experiment, choice},
            experiments::Experiments,
        },
    };

    pub fn page() -> impl IntoView {
        let id = use_params_map().with_untracked(|p| p.get("id").unwrap_or_default());
        let query: Vec<(String, String)> = use_query_map().with_untracked(|q| {
            let field = |key: &str| Some((key.to_owned(), q.get(key)?));
            ["layer", "alignment", "against"].into_iter().filter_map(field).collect()
        });
        // Contexts are looked up before anything is waited for.
        let (store, catalogue) = (server::store(), server::catalogue());
        server_page(move || content(id.clone(), query.clone(), store.clone(), catalogue.clone()))
    }

    async fn content(
        id: String,
        query: Vec<(String, String)>,
        store: Result<Store, AppError>,
        catalogue: Result<Catalogue, AppError>,
    ) -> Result<Rendered, AppError> {
        if id.is_empty() {
            let list = store?.experiments().await?.experiments;
            return Ok(Rendered::new("Experiments", false, view! { <Experiments experiments=list /> }));
        }
        let pairs = query.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let choice = choice(pairs).map_err(AppError::Invalid)?;
        let id = id.parse().map_err(|_| AppError::NotFound(format!("There is no experiment {id:?}.")))?;
        let study = (catalogue?.study)(id, choice).await?;
        let view = &study.view;
        let title = if view.name.is_empty() { view.id.to_string() } else { view.name.clone() };
        Ok(Rendered::new(&title, false, view! { <Experiment study=study /> }))
    }
}
