//! The browser bundle: files with their content's hash in the name, compressed once when built.

use std::{convert::Infallible, path::Path};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tower::service_fn;
use tower_http::services::ServeDir;
use transferscope_app::SiteAssets;

use super::error::ApiError;

/// `pkg/manifest.json`, written with the bundle.
#[derive(Deserialize)]
struct Manifest {
    js: String,
    wasm: String,
    css: String,
}

/// The files of the bundle; none where none was built.
pub fn assets(site_dir: &Path) -> Option<SiteAssets> {
    let path = site_dir.join("pkg").join("manifest.json");
    let parsed = std::fs::read(&path)
        .map_err(|e| e.to_string())
        .and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).map_err(|e| e.to_string()));
    match parsed {
        Ok(Manifest { js, wasm, css }) => Some(SiteAssets { js, wasm, css }),
        Err(error) => {
            tracing::warn!(
                path = %path.display(),
                %error,
                "no browser bundle: pages come without styles and scripts; make it with `cargo xtask build`"
            );
            None
        }
    }
}

/// Serves `site_dir/pkg`.
pub fn package(site_dir: &Path) -> Router {
    let missing = service_fn(|request: Request| async move {
        let path = request.uri().path().to_owned();
        let words = format!("There is no file {path:?} in the browser bundle.");
        Ok::<_, Infallible>(ApiError::NotFound(words).into_response())
    });
    let files = ServeDir::new(site_dir.join("pkg"))
        .precompressed_br()
        .precompressed_gzip()
        .append_index_html_on_directories(false)
        .fallback(missing);
    Router::new().fallback_service(files).layer(middleware::from_fn(cache))
}

/// A file whose name holds its hash never changes; others must be asked for again.
async fn cache(request: Request, next: Next) -> Response {
    let hashed = request.uri().path().rsplit('/').next().is_some_and(is_hashed);
    let mut response = next.run(request).await;
    let value = match (response.status(), hashed) {
        (StatusCode::OK | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT, true) => {
            "public, max-age=31536000, immutable"
        }
        _ => "no-cache",
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    response
}

/// Whether a name is `stem.<16 hex digits>.extension`.
fn is_hashed(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    parts.len() >= 3
        && parts[1..parts.len() - 1].iter().any(|p| p.len() == 16 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        assert!(is_hashed("transferscope.0123456789abcdef.wasm"));
        assert!(!is_hashed("manifest.json") && !is_hashed("a.0123.js") && !is_hashed("snippet.js"));
    }
}
