//! Links to what a page shows, made and ended by forms.

use std::collections::BTreeMap;

use axum::{extract::State, response::Redirect};
use transferscope_domain::{
    ShareSlug,
    api::{Problem, ShareRequest, SnapshotRequest},
};
use transferscope_store::StoreError;

use crate::web::{
    api::snapshots,
    error::ApiError,
    extract::{FormPairs, IdPath, run_ids},
    openapi::FormFields,
    state::AppState,
};

/// Creates a link to a comparison and opens it. Fields: `runs` (comma-separated, may be repeated),
/// `frozen` and `include_patients` (1 or on); all others are the view.
#[utoipa::path(post, path = "/compare/share", operation_id = "form_share", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "runs (ids with commas, may be repeated), frozen, include_patients; all others are the view",
    ),
    responses(
        (status = 303, description = "To the link"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn new(State(state): State<AppState>, FormPairs(pairs): FormPairs) -> Result<Redirect, ApiError> {
    let runs = run_ids(pairs.iter().filter(|(k, _)| k == "runs").map(|(_, v)| v.as_str()))?;
    let ticked = |key: &str| pairs.iter().any(|(k, v)| k == key && matches!(v.as_str(), "1" | "on" | "true"));
    let (frozen, include_patients) = (ticked("frozen"), ticked("include_patients"));
    let is_view = |key: &str| !["runs", "frozen", "include_patients"].contains(&key);
    let view: BTreeMap<String, String> =
        pairs.into_iter().filter(|(k, v)| is_view(k) && !v.is_empty()).collect();
    let created = state.store.create_share(&ShareRequest { runs, view, frozen, include_patients }).await?;
    Ok(Redirect::to(&format!("/s/{}", created.slug)))
}

/// Revokes a link and returns to its page, which now says so.
#[utoipa::path(post, path = "/s/{slug}/revoke", operation_id = "form_revoke_share", tag = "forms",
    params(("slug" = String, Path, description = "the link")),
    responses(
        (status = 303, description = "To the link, which now says that it was revoked"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn revoke(
    State(state): State<AppState>,
    IdPath(slug): IdPath<ShareSlug>,
) -> Result<Redirect, ApiError> {
    match state.store.revoke_share(&slug).await {
        // Someone else was faster.
        Ok(()) | Err(StoreError::Gone { .. }) => Ok(Redirect::to(&format!("/s/{slug}"))),
        Err(error) => Err(error.into()),
    }
}

/// Keeps the page of an experiment, or of several side by side, as it is now, and goes to its link. Fields: `id`, once for each experiment; all others are the view.
#[utoipa::path(post, path = "/experiments/freeze", operation_id = "form_freeze", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "id, once for each experiment; all others are the view",
    ),
    responses(
        (status = 303, description = "To the link"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn freeze(
    State(state): State<AppState>,
    FormPairs(pairs): FormPairs,
) -> Result<Redirect, ApiError> {
    let mut request = SnapshotRequest { experiments: Vec::new(), view: Default::default() };
    for (key, value) in pairs {
        if key == "id" {
            let id = value.parse().map_err(|e| ApiError::field("id", format!("{value:?}: {e}")))?;
            request.experiments.push(id);
        } else {
            request.view.insert(key, value);
        }
    }
    let slug = snapshots::freeze(&state, request).await?;
    Ok(Redirect::to(&format!("/s/{slug}")))
}
