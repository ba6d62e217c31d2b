//! Frozen pages: as one file, and under the link that was made for them.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use leptos::prelude::Nonce;
use transferscope_app::{
    context::SiteUrl,
    server_views::{frozen, offline},
};
use transferscope_domain::{ShareSlug, api::Problem};

use crate::{
    off_thread::blocking,
    web::{error::ApiError, extract::IdPath, policy, state::AppState},
};

/// A frozen link as one HTML file that needs no server and no network.
#[utoipa::path(get, path = "/s/{slug}/export.html", operation_id = "export_share", tag = "files", params(
    ("slug" = String, Path, description = "the link"),
), responses(
    (status = 200, body = String, content_type = "text/html"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "A live link keeps no data"),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "The link was revoked"),
))]
pub async fn export(
    State(state): State<AppState>,
    IdPath(slug): IdPath<ShareSlug>,
) -> Result<impl IntoResponse, ApiError> {
    let kept = state.store.snapshot(&slug).await?;
    let name = format!("attachment; filename=\"transferscope-{slug}.html\"");
    let html = match kept {
        Some(snapshot) => blocking(move || frozen::exported(&snapshot.html)).await?,
        None => {
            let (share, data) = state.store.frozen_share(&slug).await?;
            blocking(move || offline::document(&share, &data)).await?
        }
    };
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, html))
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
