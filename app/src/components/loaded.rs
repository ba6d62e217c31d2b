//! Data that is on its way.

use leptos::prelude::*;

use super::error_panel::ErrorPanel;
use crate::AppError;

/// What data that is on its way is a part of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Nothing: it is the whole page, and its error too.
    Nothing,
    /// A page that has its heading already.
    HeadedPage,
}

/// `view` of a resource's data: a note while it is loading for the first time, and its error when there is one. While
/// it loads again, what was there stays.
pub fn loaded<T, V>(
    resource: Resource<Result<T, AppError>>,
    what: &'static str,
    within: Within,
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
                        Err(error) => view! { <ErrorPanel error=error page=within == Within::Nothing /> }.into_any(),
                    }
                })
            }}
        </Transition>
    }
}
