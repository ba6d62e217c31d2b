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

    use crate::{
        AppError,
        api::server,
        components::error_panel::ErrorPanel,
        server_views::{
            experiment::{Experiment, choice},
            experiments::Experiments,
        },
    };

    pub fn page() -> impl IntoView {
        let id = use_params_map().with_untracked(|p| p.get("id").unwrap_or_default());
        let query: Vec<(String, String)> = use_query_map().with_untracked(|q| {
            ["layer", "alignment", "against"]
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), q.get(key)?)))
                .collect()
        });
        // Contexts are looked up before anything is waited for.
        let (store, catalogue) = (server::store(), server::catalogue());
        let content = async move {
            if id.is_empty() {
                let list = store?.experiments().await?.experiments;
                return Ok(view! { <Title text="Experiments" /><Experiments experiments=list /> }.into_any());
            }
            let pairs = query.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            let choice = choice(pairs).map_err(AppError::Invalid)?;
            let id = id.parse().map_err(|_| AppError::NotFound(format!("There is no experiment {id:?}.")))?;
            let study = (catalogue?.study)(id, choice).await?;
            let title =
                if study.view.name.is_empty() { study.view.id.to_string() } else { study.view.name.clone() };
            Ok::<_, AppError>(view! { <Title text=title /><Experiment study=study /> }.into_any())
        };
        // The page is rendered once, so that its content is asked for once.
        let content = std::sync::Mutex::new(Some(content));
        view! {
            <Suspense>
                {move || {
                    let content = content.lock().ok().and_then(|mut c| c.take());
                    content.map(|content| Suspend::new(async move {
                        content.await.unwrap_or_else(|error: AppError| view! { <ErrorPanel error=error /> }.into_any())
                    }))
                }}
            </Suspense>
        }
    }
}
