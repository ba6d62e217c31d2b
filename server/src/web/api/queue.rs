//! The queue: looking at its order, changing it, and taking an experiment out of it.

use axum::{Json, extract::State};
use transferscope_domain::{
    ExperimentId, RunId,
    api::{ExperimentView, MoveRequest, Problem, QueueView},
};
use transferscope_store::now_ms;

use crate::web::{
    error::ApiError,
    extract::{ApiJson, IdPath},
    state::AppState,
};

/// The queue in the order in which runs start, with an estimate of the time left.
#[utoipa::path(get, path = "/api/v1/queue", operation_id = "get_queue",
    tag = "queue", responses((status = 200, body = QueueView)))]
pub async fn view(State(state): State<AppState>) -> Result<Json<QueueView>, ApiError> {
    let paused = state.paused();
    Ok(Json(QueueView { paused, ..state.store.queue(state.jobs).await? }))
}

/// Moves a waiting run.
#[utoipa::path(post, path = "/api/v1/runs/{id}/move", operation_id = "move_run", tag = "queue",
    params(("id" = String, Path, description = "id of the run")),
    request_body = MoveRequest, responses(
    (status = 200, body = QueueView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "It does not wait"),
))]
pub async fn move_run(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    ApiJson(MoveRequest { to }): ApiJson<MoveRequest>,
) -> Result<Json<QueueView>, ApiError> {
    state.store.move_run(&id, to).await?;
    view(State(state)).await
}

/// Moves the waiting runs of an experiment to the front or the end.
#[utoipa::path(post, path = "/api/v1/experiments/{id}/move", operation_id = "move_experiment", tag = "queue",
    params(("id" = String, Path, description = "id of the experiment")),
    request_body = MoveRequest, responses(
    (status = 200, body = QueueView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Neither first nor last"),
))]
pub async fn move_experiment(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
    ApiJson(MoveRequest { to }): ApiJson<MoveRequest>,
) -> Result<Json<QueueView>, ApiError> {
    state.store.move_experiment(&id, to).await?;
    view(State(state)).await
}

/// Stops every run of an experiment that has not ended.
#[utoipa::path(post, path = "/api/v1/experiments/{id}/cancel", operation_id = "cancel_experiment",
    tag = "experiments",
    params(("id" = String, Path, description = "id of the experiment")),
    responses(
    (status = 200, body = ExperimentView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn cancel_experiment(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
) -> Result<Json<ExperimentView>, ApiError> {
    stop(&state, &id).await?;
    Ok(Json(state.store.experiment(&id).await?))
}

/// Asks every run of an experiment that has not ended to stop.
pub(crate) async fn stop(state: &AppState, id: &ExperimentId) -> Result<(), ApiError> {
    for run in state.store.stop_experiment(id, now_ms()).await? {
        state.run_changed(&run);
    }
    Ok(())
}
