//! Errors that say what to do next.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::{AppError, base::to};

/// An error with its hint; sets the response's status on the server.
#[component]
pub fn ErrorPanel(
    error: AppError,
    /// Whether it stands where a page should, and names it.
    #[prop(optional)]
    page: bool,
) -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        use axum::http::StatusCode;
        response.set_status(match &error {
            AppError::NotFound(_) => StatusCode::NOT_FOUND,
            AppError::Gone(_) => StatusCode::GONE,
            AppError::Invalid(_) => StatusCode::BAD_REQUEST,
            AppError::Unreachable(_) | AppError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        });
    }
    let title = match &error {
        AppError::NotFound(_) => "Not found",
        AppError::Gone(_) => "Revoked",
        AppError::Invalid(_) => "This cannot be shown",
        AppError::Unreachable(_) => "The server does not answer",
        AppError::Internal(_) => "Something went wrong on the server",
    };
    let heading = if page {
        view! { <Title text=title /><h1 class="error-panel__title">{title}</h1> }.into_any()
    } else {
        view! { <h2 class="error-panel__title">{title}</h2> }.into_any()
    };
    view! {
        <section class="error-panel" role="alert">
            {heading}
            <p>{error.to_string()}</p>
            <p>{error.hint()} " " <a href=to("/runs")>"All runs"</a> " · " <a href=to("/")>"Leaderboard"</a></p>
        </section>
    }
}
