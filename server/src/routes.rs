//! HTTP: the JSON API, the streams, files of runs, plain forms, and the pages.
//!
//! Handlers extract, ask the store, and answer; rules are in `domain`, SQL in the store. Every
//! error is a problem document ([`crate::error`]). Start reading at [`build_router`].

mod charts;
pub(crate) mod datasets;
mod door;
pub(crate) mod events;
pub(crate) mod experiments;
pub(crate) mod export;
mod extract;
mod files;
mod forms;
pub(crate) mod gone;
mod guard;
pub(crate) mod leaderboard;
pub mod once;
mod pages;
mod papers;
pub(crate) mod policy;
pub(crate) mod pretrainings;
pub(crate) mod queue;
pub(crate) mod runs;
pub(crate) mod shares;
mod site;
pub mod snapshots;
pub(crate) mod system;

#[cfg(test)]
mod tests;

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{Method, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, trace::TraceLayer};

use tracing::Instrument;

use crate::{error::ApiError, load, openapi, state::AppState};

/// Largest body that is read.
pub const BODY_MAX: usize = 1 << 20;

/// Everything that the server answers.
pub fn build_router(state: AppState) -> Router {
    // Forms that make something new each time they are sent.
    let making = Router::new()
        .route("/new", post(forms::new_experiment))
        .route("/backbones/pretrain", post(forms::pretrain))
        .route("/runs/{id}/repeat", post(forms::repeat))
        .route("/compare/share", post(forms::share))
        .route("/experiments/freeze", post(snapshots::create_form))
        .route_layer(middleware::from_fn_with_state(state.clone(), once::forms_once));
    // Writing: guarded by token and origin.
    let writing = making
        .route("/api/v1/experiments", post(experiments::create))
        .route("/api/v1/pretrainings", post(pretrainings::create))
        .route("/api/v1/runs/{id}/cancel", post(runs::cancel))
        .route("/api/v1/runs/{id}/repeat", post(runs::repeat))
        .route("/api/v1/runs/{id}/resume", post(runs::resume))
        .route("/api/v1/shares", post(shares::create))
        .route("/api/v1/snapshots", post(snapshots::create))
        .route("/api/v1/shares/{slug}", axum::routing::delete(shares::revoke))
        .route("/runs/{id}/cancel", post(forms::cancel))
        .route("/runs/{id}/resume", post(forms::resume))
        .route("/s/{slug}/revoke", post(forms::revoke_share))
        .route("/experiments/{id}/fill", post(experiments::fill))
        .route("/experiments/{id}/predict", post(experiments::predict))
        .route("/api/v1/runs/{id}/move", post(queue::move_run))
        .route("/api/v1/experiments/{id}/move", post(queue::move_experiment))
        .route("/api/v1/experiments/{id}/cancel", post(queue::cancel_experiment))
        .route("/runs/{id}/move", post(queue::move_run_form))
        .route("/experiments/{id}/move", post(queue::move_experiment_form))
        .route("/experiments/{id}/cancel", post(queue::cancel_experiment_form))
        .route(guard::SIGN_IN, post(guard::sign_in))
        .route_layer(middleware::from_fn(to_its_end))
        .route_layer(middleware::from_fn_with_state(state.clone(), guard::may_write));
    let reading = Router::new()
        .route("/api/v1/health", get(system::health))
        .route("/api/v1/tasks", get(system::tasks))
        .route("/api/v1/backbones", get(system::backbones))
        .route("/api/v1/backbones/{name}", get(system::backbone))
        .route("/api/v1/datasets", get(datasets::list))
        .route("/api/v1/datasets/{name}", get(datasets::one))
        .route("/api/v1/datasets/{name}/cases/{case}", get(datasets::case))
        .route("/api/v1/datasets/{name}/cases/{case}/sheet.png", get(datasets::sheet))
        .route("/api/v1/datasets/{name}/cases/{case}/slices/{file}", get(datasets::slice))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/experiments", get(experiments::list))
        .route("/api/v1/experiments/{id}", get(experiments::one))
        .route("/api/v1/experiments/{id}/analysis", get(experiments::analysis))
        .route("/api/v1/comparisons", get(experiments::versus))
        .route("/experiments/{id}/export/{file}", get(papers::file))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/runs/{id}", get(runs::one))
        .route("/api/v1/runs/{id}/metrics", get(runs::metrics))
        .route("/api/v1/runs/{id}/metrics.csv", get(export::metrics_csv))
        .route("/api/v1/runs/{id}/alignment", get(runs::alignment))
        .route("/api/v1/runs/{id}/cases", get(runs::cases))
        .route("/api/v1/runs/{id}/events", get(events::of_run))
        .route("/api/v1/queue", get(queue::view))
        .route("/api/v1/queue/events", get(events::of_queue))
        .route("/api/v1/leaderboard", get(leaderboard::rows))
        .route("/api/v1/leaderboard.csv", get(export::leaderboard_csv))
        .route("/api/v1/shares/{slug}", get(shares::one))
        .route("/api/v1/snapshots/{slug}", get(snapshots::one))
        .route("/runs/{id}/report.json", get(files::report))
        .route("/runs/{id}/log", get(files::log))
        .route("/runs/{id}/tensorboard", get(export::tensorboard))
        .route("/s/{slug}/export.html", get(shares::export))
        .route("/s/{slug}/preview.png", get(charts::of_share))
        .route("/runs/{id}/previews/{file}", get(files::preview))
        .route("/runs/{id}/charts/{file}", get(charts::of_run))
        .route("/compare/charts/{file}", get(charts::of_comparison));
    let router = pages::add(reading.merge(writing), &state)
        .nest_service("/pkg", site::package(&state.site_dir))
        .fallback(pages::not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), snapshots::page))
        // Where it is their turn: compressing takes its time as well.
        .layer(CompressionLayer::new().br(true).gzip(true))
        .layer(middleware::from_fn_with_state(state.clone(), load::limit))
        .with_state(state.clone())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(CatchPanicLayer::custom(answer_to_panic));
    policy::with_headers(door::before(router, state)).layer(TraceLayer::new_for_http())
}

/// Carries a request that writes out to its end, also when the one who asked has left: what is dropped half way would
/// leave directories without runs and files without rows.
async fn to_its_end(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(broken) => match broken.try_into_panic() {
            Ok(panic) => answer_to_panic(panic),
            Err(_) => ApiError::Busy("The server is stopping.".into()).into_response(),
        },
    }
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::MethodNotAllowed(format!("{} does not take {method}.", uri.path()))
}

fn answer_to_panic(panic: Box<dyn std::any::Any + Send + 'static>) -> Response<Body> {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&'static str>().copied())
        .unwrap_or("a panic without words");
    ApiError::Internal(format!("a handler panicked: {words}")).into_response()
}
