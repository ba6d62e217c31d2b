//! The pages, rendered by leptos, and the answer to addresses that lead nowhere.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use leptos_axum::{AxumRouteListing, LeptosRoutes, generate_route_list, render_app_async_with_context};
use transferscope_app::{App, base::at_root, shell};

use super::{error::ApiError, state::AppState};

/// The addresses of the pages. Listed once in a process: while leptos lists them, whatever any page waits for in another
/// thread is never answered (leptos-rs/leptos#4773).
static ROUTES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| at_root(|| generate_route_list(App)));

/// The addresses of the pages, with `{name}` for what varies.
pub fn paths() -> impl Iterator<Item = String> {
    ROUTES.iter().map(|route| route.path().to_owned())
}

/// Adds the pages and the functions through which they fetch.
pub fn add(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    let lent = state.clone();
    router.leptos_routes_with_context(state, ROUTES.clone(), move || lent.provide_to_page(), shell)
}

/// Addresses that lead nowhere: a problem document for programs, a page for people.
pub async fn not_found(State(state): State<AppState>, request: Request) -> Response {
    let path = request.uri().path();
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD)
        && !path.starts_with("/api/")
        && !path.starts_with("/fn/")
        && path != "/api";
    if !is_page {
        return ApiError::NotFound(format!("There is nothing at {path}.")).into_response();
    }
    let render = render_app_async_with_context(move || state.provide_to_page(), shell);
    let mut response = render(request).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
