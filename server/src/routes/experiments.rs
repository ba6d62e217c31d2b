//! Experiments.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use transferscope_domain::{
    ExperimentId,
    api::{ExperimentCreated, ExperimentList, ExperimentView, Problem},
    experiment::ExperimentSpec,
};

use super::extract::{ApiJson, IdPath};
use crate::{error::ApiError, state::AppState, submit::submit_experiment};

/// Starts an experiment: queues one run for each backbone, task, arm and seed.
#[utoipa::path(post, path = "/api/v1/experiments", tag = "experiments", request_body = ExperimentSpec, responses(
    (status = 201, body = ExperimentCreated, headers(("Location" = String, description = "The experiment"))),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "`errors` by field"),
))]
pub async fn create(
    State(state): State<AppState>,
    ApiJson(spec): ApiJson<ExperimentSpec>,
) -> Result<impl IntoResponse, ApiError> {
    let created = submit_experiment(&state, spec).await?;
    let location = format!("/api/v1/experiments/{}", created.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)))
}

/// The latest experiments, newest first.
#[utoipa::path(get, path = "/api/v1/experiments", tag = "experiments", responses((status = 200, body = ExperimentList)))]
pub async fn list(State(state): State<AppState>) -> Result<Json<ExperimentList>, ApiError> {
    Ok(Json(state.store.experiments().await?))
}

/// One experiment with its runs.
#[utoipa::path(get, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = String, Path)), responses(
    (status = 200, body = ExperimentView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn one(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
) -> Result<Json<ExperimentView>, ApiError> {
    Ok(Json(state.store.experiment(&id).await?))
}
