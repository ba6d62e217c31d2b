//! Errors that say what to do next.

use leptos::prelude::*;

use crate::{AppError, base::to};

/// An error with its hint; sets the response's status on the server.
#[component]
pub fn ErrorPanel(error: AppError) -> impl IntoView {
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
    view! {
        <section class="error-panel" role="alert">
            <h2 class="error-panel__title">{title}</h2>
            <p>{error.to_string()}</p>
            <p>{error.hint()} " " <a href=to("/runs")>"All runs"</a> " · " <a href=to("/")>"Leaderboard"</a></p>
        </section>
    }
}
