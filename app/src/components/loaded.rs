//! Data that is on its way.

use leptos::prelude::*;

use super::error_panel::ErrorPanel;
use crate::AppError;

/// A page that is `view` of a resource's data: a note while it is loading for the first time, and its error when there
/// is one. While it loads again, what was there stays.
pub fn loaded<T, V>(
    resource: Resource<Result<T, AppError>>,
    what: &'static str,
    view: impl Fn(T) -> V + Clone + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    when_there(resource, what, view, true)
}

/// The same for a page that has its heading already.
pub fn loaded_below_heading<T, V>(
    resource: Resource<Result<T, AppError>>,
    what: &'static str,
    view: impl Fn(T) -> V + Clone + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    when_there(resource, what, view, false)
}

fn when_there<T, V>(
    resource: Resource<Result<T, AppError>>,
    what: &'static str,
    view: impl Fn(T) -> V + Clone + Send + Sync + 'static,
    page: bool,
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
                        Err(error) => view! { <ErrorPanel error=error page=page /> }.into_any(),
                    }
                })
            }}
        </Transition>
    }
}
