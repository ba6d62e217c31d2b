//! The order of the queue, which only the server renders.

use leptos::prelude::*;

/// The page.
#[component]
pub fn QueuePage() -> impl IntoView {
    #[cfg(feature = "ssr")]
    {
        use crate::{
            api::server::store,
            components::{rendered::Rendered, server_page::server_page},
            context::{Paused, Workers},
            server_views::queue::Queue,
        };

        // Contexts are looked up before anything is waited for.
        let store = store();
        let jobs = use_context::<Workers>().map_or(1, |w| w.0);
        let paused = use_context::<Paused>().and_then(|p| p.0);
        server_page(move || {
            let (store, paused) = (store.clone(), paused.clone());
            async move {
                let mut queue = store?.queue(jobs).await?;
                queue.paused = paused;
                Ok(Rendered::new("Queue", false, view! { <Queue queue=queue /> }))
            }
        })
    }
    #[cfg(not(feature = "ssr"))]
    crate::components::server_page::reload()
}
