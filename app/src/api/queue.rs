//! The queue, as a page that the server has rendered.

use leptos::{prelude::*, server_fn::codec::GetUrl};

use crate::{AppError, components::rendered::Rendered};

/// The queue as it is now.
#[server(prefix = "/fn", endpoint = "queue", input = GetUrl)]
pub async fn queue() -> Result<Rendered, AppError> {
    use super::server::store;
    use crate::{
        context::{Paused, Workers},
        server_views::queue::Queue,
    };

    // Contexts are looked up before anything is waited for.
    let jobs = use_context::<Workers>().map_or(1, |w| w.0);
    let paused = use_context::<Paused>().and_then(|p| p.0);
    let mut queue = store()?.queue(jobs).await?;
    queue.paused = paused;
    Ok(Rendered::new("Queue", false, view! { <Queue queue=queue /> }))
}
