//! Links to comparisons.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use transferscope_domain::{
    ShareSlug,
    api::{Problem, ShareCreated, ShareRequest, ShareView},
};

use crate::web::{
    error::ApiError,
    extract::{ApiJson, IdPath},
    state::AppState,
};

/// Creates a short link to a comparison; a frozen one keeps the data as they are now.
#[utoipa::path(post, path = "/api/v1/shares", operation_id = "create_share",
    tag = "shares", request_body = ShareRequest, responses(
    (status = 201, body = ShareCreated, headers(("Location" = String, description = "The page of the link"))),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "A run is unknown"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    ApiJson(request): ApiJson<ShareRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let created = state.store.create_share(&request).await?;
    let location = format!("/s/{}", created.slug);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)))
}

/// A link with its runs, its view and, where it is frozen, its data.
#[utoipa::path(get, path = "/api/v1/shares/{slug}", operation_id = "get_share",
    tag = "shares", params(("slug" = String, Path, description = "the link")), responses(
    (status = 200, body = ShareView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "The link was revoked"),
))]
pub async fn one(
    State(state): State<AppState>,
    IdPath(slug): IdPath<ShareSlug>,
) -> Result<Json<ShareView>, ApiError> {
    Ok(Json(state.store.share(&slug).await?))
}

/// Revokes a link.
#[utoipa::path(delete, path = "/api/v1/shares/{slug}", operation_id = "revoke_share",
    tag = "shares", params(("slug" = String, Path, description = "the link")), responses(
    (status = 204),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "It was revoked before"),
))]
pub async fn revoke(
    State(state): State<AppState>,
    IdPath(slug): IdPath<ShareSlug>,
) -> Result<StatusCode, ApiError> {
    state.store.revoke_share(&slug).await?;
    Ok(StatusCode::NO_CONTENT)
}
