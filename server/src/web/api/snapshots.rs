//! Frozen pages of experiments.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use transferscope_app::server_views::frozen::{self, Frozen};
use transferscope_domain::{
    ShareSlug,
    api::{Problem, ShareCreated, SnapshotRequest, SnapshotView},
};
use transferscope_store::{NewSnapshot, ids::new_slug, now_ms};

use super::experiments::choice_of;
use crate::{
    off_thread::blocking,
    web::{
        error::ApiError,
        extract::{ApiJson, IdPath},
        state::AppState,
    },
};

/// Keeps the page of an experiment, or of two to six side by side, as it is now.
#[utoipa::path(post, path = "/api/v1/snapshots", operation_id = "create_snapshot",
    tag = "shares", request_body = SnapshotRequest,
    responses(
    (status = 201, body = ShareCreated, headers(("Location" = String, description = "The page of the link"))),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "An experiment is unknown"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    ApiJson(request): ApiJson<SnapshotRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let slug = freeze(&state, request).await?;
    let location = format!("/s/{slug}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(ShareCreated { slug })))
}

/// Keeps a page and names the link that leads to it.
pub(crate) async fn freeze(state: &AppState, request: SnapshotRequest) -> Result<ShareSlug, ApiError> {
    let SnapshotRequest { experiments, view } = request;
    let (slug, created_ms) = (new_slug(), now_ms());
    let of = slug.clone();
    let made = match experiments.as_slice() {
        [] => return Err(ApiError::field("experiments", "name at least one experiment")),
        [id] => {
            let pairs: Vec<(String, String)> = view.into_iter().collect();
            let study = state.studies().study(id, choice_of(&pairs)?).await?;
            blocking(move || frozen::experiment(&of, created_ms, study)).await?
        }
        several => {
            let versus = state.studies().versus(several).await?;
            // What is kept for ever is what was asked for, or nothing.
            if let Some(missing) = versus.missing.first() {
                return Err(ApiError::NotFound(format!(
                    "There is no experiment with the id {:?}.",
                    missing.as_str()
                )));
            }
            blocking(move || frozen::comparison(&of, created_ms, versus)).await?
        }
    };
    let Frozen { title, html, picture, data } =
        made.map_err(|e| ApiError::Internal(format!("a page cannot be kept: {e}")))?;
    let new = NewSnapshot { slug: slug.clone(), title, experiments, created_ms, html, picture, data };
    state.store.create_snapshot(&new).await?;
    Ok(slug)
}

/// The numbers of a frozen page.
#[utoipa::path(get, path = "/api/v1/snapshots/{slug}", operation_id = "get_snapshot",
    tag = "shares", params(("slug" = String, Path, description = "the link")), responses(
    (status = 200, body = SnapshotView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "The link was revoked"),
))]
pub async fn one(
    State(state): State<AppState>,
    IdPath(slug): IdPath<ShareSlug>,
) -> Result<Json<SnapshotView>, ApiError> {
    Ok(Json(state.store.snapshot_data(&slug).await?))
}
