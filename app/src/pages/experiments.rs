//! Experiments: pages that only the server renders. A browser that comes to one by a link inside the application
//! loads it anew; the page itself has no scripts.

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
        Effect::new(|_| {
            let _ = window().location().reload();
        });
    }
}

#[cfg(feature = "ssr")]
mod server {
    use leptos::prelude::*;
    use leptos_meta::Title;
    use leptos_router::hooks::{use_params_map, use_query_map};
    use transferscope_store::Store;

    use crate::{
        AppError, Catalogue,
        api::server,
        components::{error_panel::ErrorPanel, rendered::Rendered},
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
        // No resource: those travel to the browser a second time, for a program that is not there.
        let content =
            AsyncDerived::new(move || content(id.clone(), query.clone(), store.clone(), catalogue.clone()));
        view! {
            <Suspense>
                {move || Suspend::new(async move {
                    match content.await {
                        Ok(page) => {
                            view! {
                                <Title text=page.title />
                                <div inner_html=page.html></div>
                            }
                            .into_any()
                        }
                        Err(error) => view! { <ErrorPanel error=error /> }.into_any(),
                    }
                })}
            </Suspense>
        }
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
