//! Data that is on its way.

use leptos::prelude::*;

use super::error_panel::ErrorPanel;
use crate::AppError;

/// Shows `view` of a resource's data, a note while it is loading for the first time, and its
/// error when there is one. While it loads again, what was there stays.
pub fn loaded<T, V>(
    resource: Resource<Result<T, AppError>>,
    what: &'static str,
    view: impl Fn(T) -> V + Clone + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    view! {
        <Transition fallback=move || {
            view! { <p class="loading" role="status">{format!("Loading {what} …")}</p> }
        }>
            {move || {
                let view = view.clone();
                Suspend::new(async move {
                    match resource.await {
                        Ok(data) => view(data).into_any(),
                        Err(error) => view! { <ErrorPanel error=error /> }.into_any(),
                    }
                })
            }}
        </Transition>
    }
}
