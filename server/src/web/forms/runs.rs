//! What pages of runs post.

use axum::{extract::State, response::Redirect};
use transferscope_domain::{RunId, api::Problem};
use transferscope_store::{StoreError, now_ms};

use super::{to, way_back::WayBack};
use crate::web::{
    error::ApiError,
    extract::{FormPairs, IdPath},
    openapi::FormFields,
    state::AppState,
};

/// Asks a run to stop and returns to the page that sent the form.
#[utoipa::path(post, path = "/runs/{id}/cancel", operation_id = "form_cancel_run", tag = "forms",
    params(("id" = String, Path, description = "id of the run")),
    responses(
        (status = 303, description = "Back to the page that sent the form"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn cancel(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    WayBack(back): WayBack,
) -> Result<Redirect, ApiError> {
    match state.store.request_stop(&id, now_ms()).await {
        // It ended while the page was open: the page that comes next says so.
        Ok(_) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    state.run_changed(&id);
    Ok(Redirect::to(&back.unwrap_or_else(|| format!("/runs/{id}"))))
}

/// Starts a run again and shows the new one.
#[utoipa::path(post, path = "/runs/{id}/repeat", operation_id = "form_repeat_run", tag = "forms",
    params(("id" = String, Path, description = "id of the run")),
    responses(
        (status = 303, description = "To the new run"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn repeat(State(state): State<AppState>, IdPath(id): IdPath<RunId>) -> Result<Redirect, ApiError> {
    let created = state.intake().repeat(&id).await?;
    Ok(Redirect::to(&format!("/runs/{}", created.id)))
}

/// Continues a run from its checkpoint and shows it.
#[utoipa::path(post, path = "/runs/{id}/resume", operation_id = "form_resume_run", tag = "forms",
    params(("id" = String, Path, description = "id of the run")),
    responses(
        (status = 303, description = "To the run"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn resume(State(state): State<AppState>, IdPath(id): IdPath<RunId>) -> Result<Redirect, ApiError> {
    state.intake().resume(&id).await?;
    Ok(Redirect::to(&format!("/runs/{id}")))
}

/// Moves a run and returns to the page that sent the form.
#[utoipa::path(post, path = "/runs/{id}/move", operation_id = "form_move_run", tag = "forms",
    params(("id" = String, Path, description = "id of the run")),
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "to: first, up, down or last",
    ),
    responses(
        (status = 303, description = "Back to the page that sent the form"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn move_in_queue(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    WayBack(back): WayBack,
    FormPairs(pairs): FormPairs,
) -> Result<Redirect, ApiError> {
    match state.store.move_run(&id, to(&pairs)?).await {
        // It was taken by a worker while the page was open: the page that comes next shows it.
        Ok(()) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to(&back.unwrap_or_else(|| "/queue".into())))
}
