//! Frozen pages of experiments.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use leptos::prelude::Nonce;
use transferscope_app::{
    context::SiteUrl,
    server_views::frozen::{self, Frozen},
};
use transferscope_domain::{
    ShareSlug,
    api::{Problem, ShareCreated, SnapshotRequest, SnapshotView},
};
use transferscope_store::{NewSnapshot, ids::new_slug, now_ms};

use super::{experiments::choice_of, system::blocking};
use crate::{
    results::study,
    web::{
        error::ApiError,
        extract::{ApiJson, FormPairs, IdPath},
        openapi::FormFields,
        policy,
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

/// The same from a form, which ends at the link. Fields: `id`, once for each experiment; all others are the view.
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
pub async fn create_form(
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
    let slug = freeze(&state, request).await?;
    Ok(Redirect::to(&format!("/s/{slug}")))
}

async fn freeze(state: &AppState, request: SnapshotRequest) -> Result<ShareSlug, ApiError> {
    let SnapshotRequest { experiments, view } = request;
    let (slug, created_ms) = (new_slug(), now_ms());
    let of = slug.clone();
    let made = match experiments.as_slice() {
        [] => return Err(ApiError::field("experiments", "name at least one experiment")),
        [id] => {
            let pairs: Vec<(String, String)> = view.into_iter().collect();
            let study = study::study(state, id, choice_of(&pairs)?).await?;
            blocking(move || frozen::experiment(&of, created_ms, study)).await?
        }
        several => {
            let versus = study::versus(state, several).await?;
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

/// Answers `/s/{slug}` where the link leads to a frozen page; links to comparisons of runs are pages like others.
pub async fn page(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let slug = request.uri().path().strip_prefix("/s/").and_then(|rest| rest.parse::<ShareSlug>().ok());
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(slug) = slug.filter(|_| reading)
        && let Ok(Some(snapshot)) = state.store.snapshot(&slug).await
    {
        let site = request.extensions().get::<SiteUrl>().map_or("", |url| url.0.as_str());
        let nonce = Nonce::new();
        let html = frozen::served(&snapshot.html, &slug, &snapshot.title, site, &nonce);
        let policy = (header::CONTENT_SECURITY_POLICY, policy::of_document(&nonce));
        return ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache")), policy], Html(html))
            .into_response();
    }
    next.run(request).await
}
