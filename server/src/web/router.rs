//! The router: every address, and what stands before the handlers. Start reading at [`build_router`].

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{Method, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, trace::TraceLayer};
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    api::{datasets, events, experiments, leaderboard, pretrainings, queue, runs, shares, snapshots, system},
    door,
    error::ApiError,
    files::{charts, export, frozen, of_runs, papers},
    forms, guard, load, once, openapi, pages, policy, site,
    state::AppState,
};
use crate::web::BODY_MAX;

/// Everything that the server answers.
pub fn build_router(state: AppState) -> Router {
    let making = making().route_layer(middleware::from_fn_with_state(state.clone(), once::forms_once));
    let writing = making
        .merge(writing())
        .route_layer(middleware::from_fn(to_its_end))
        .route_layer(middleware::from_fn_with_state(state.clone(), guard::may_write));
    let (addresses, _) = reading().merge(writing).split_for_parts();
    let router = pages::add(addresses, &state)
        .nest_service("/pkg", site::package(&state.site_dir))
        .fallback(pages::not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), frozen::page))
        // Where it is their turn: compressing takes its time as well.
        .layer(CompressionLayer::new().br(true).gzip(true))
        .layer(middleware::from_fn_with_state(state.clone(), load::limit))
        .with_state(state.clone())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(CatchPanicLayer::custom(answer_to_panic));
    policy::with_headers(door::before(router, state)).layer(TraceLayer::new_for_http())
}

/// Every address but those of the pages, with what the document says of it: a handler cannot be added here without
/// its annotation.
pub(crate) fn addresses() -> OpenApiRouter<AppState> {
    reading().merge(making()).merge(writing())
}

/// Forms that make something new each time they are sent; guarded as all that writes.
fn making() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(forms::experiments::new))
        .routes(routes!(forms::pretrainings::new))
        .routes(routes!(forms::runs::repeat))
        .routes(routes!(forms::shares::new))
        .routes(routes!(forms::shares::freeze))
}

/// What changes something: guarded by token and origin.
fn writing() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(experiments::create))
        .routes(routes!(pretrainings::create))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::repeat))
        .routes(routes!(runs::resume))
        .routes(routes!(shares::create))
        .routes(routes!(snapshots::create))
        .routes(routes!(shares::revoke))
        .routes(routes!(forms::runs::cancel))
        .routes(routes!(forms::runs::resume))
        .routes(routes!(forms::shares::revoke))
        .routes(routes!(forms::experiments::fill))
        .routes(routes!(forms::experiments::predict))
        .routes(routes!(queue::move_run))
        .routes(routes!(queue::move_experiment))
        .routes(routes!(queue::cancel_experiment))
        .routes(routes!(forms::runs::move_in_queue))
        .routes(routes!(forms::experiments::move_in_queue))
        .routes(routes!(forms::experiments::cancel))
        .routes(routes!(forms::sign_in::sign_in))
}

/// What only reads.
fn reading() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(system::health))
        .routes(routes!(system::tasks))
        .routes(routes!(system::backbones))
        .routes(routes!(system::backbone))
        .routes(routes!(datasets::list))
        .routes(routes!(datasets::one))
        .routes(routes!(datasets::case))
        .routes(routes!(datasets::sheet))
        .routes(routes!(datasets::slice))
        .routes(routes!(openapi::serve))
        .routes(routes!(experiments::list))
        .routes(routes!(experiments::one))
        .routes(routes!(experiments::analysis))
        .routes(routes!(experiments::versus))
        .routes(routes!(papers::file))
        .routes(routes!(runs::list))
        .routes(routes!(runs::one))
        .routes(routes!(runs::metrics))
        .routes(routes!(export::metrics_csv))
        .routes(routes!(runs::alignment))
        .routes(routes!(runs::cases))
        .routes(routes!(events::of_run))
        .routes(routes!(queue::view))
        .routes(routes!(events::of_queue))
        .routes(routes!(leaderboard::rows))
        .routes(routes!(export::leaderboard_csv))
        .routes(routes!(shares::one))
        .routes(routes!(snapshots::one))
        .routes(routes!(of_runs::report))
        .routes(routes!(of_runs::log))
        .routes(routes!(export::tensorboard))
        .routes(routes!(frozen::export))
        .routes(routes!(charts::of_share))
        .routes(routes!(of_runs::preview))
        .routes(routes!(charts::of_run))
        .routes(routes!(charts::of_comparison))
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
