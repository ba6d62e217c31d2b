//! Runs: lists, details, curves, and the two things that can be done to them.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use transferscope_domain::{
    RunId,
    api::{AlignmentView, CaseScores, CreatedRun, MetricSeries, Problem, RunDetail, RunList, RunView},
};
use transferscope_store::{RunFilter, now_ms, runs::LIMIT_MAX};

use crate::web::{
    error::ApiError,
    extract::{IdPath, QueryPairs},
    state::AppState,
};

/// Points of a curve unless asked otherwise.
const POINTS_DEFAULT: usize = 500;
/// Most points of a curve in one answer; a longer one comes as extremes of equal stretches.
const POINTS_MAX: usize = 20_000;

/// A page of runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", operation_id = "list_runs", tag = "runs", params(
    ("state" = Option<String>, Query, description = "queued, preparing, running, stopping, stopped, succeeded, failed or lost"),
    ("task" = Option<String>, Query), ("dataset" = Option<String>, Query), ("experiment" = Option<String>, Query),
    ("backbone" = Option<String>, Query),
    ("limit" = Option<u32>, Query, description = "1 to 500, 100 unless given"),
    ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
), responses(
    (status = 200, body = RunList),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(State(state): State<AppState>, mut query: QueryPairs) -> Result<Json<RunList>, ApiError> {
    let filter = RunFilter {
        state: query.take("state"),
        task: query.take("task"),
        dataset: query.take("dataset"),
        experiment: query.take("experiment"),
        backbone: query.take("backbone"),
        limit: query.take("limit"),
        cursor: query.take("cursor"),
    };
    if filter.limit.is_some_and(|n| !(1..=LIMIT_MAX).contains(&n)) {
        query.wrong("limit", format!("out of range: use 1 to {LIMIT_MAX}"));
    }
    query.finish()?;
    Ok(Json(state.store.runs(&filter).await?))
}

/// Everything about one run.
#[utoipa::path(get, path = "/api/v1/runs/{id}", operation_id = "get_run",
    tag = "runs", params(("id" = String, Path, description = "id of the run")), responses(
    (status = 200, body = RunDetail),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn one(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
) -> Result<Json<RunDetail>, ApiError> {
    Ok(Json(state.store.run(&id).await?))
}

/// One curve of a run; empty if the run has no such value yet.
#[utoipa::path(get, path = "/api/v1/runs/{id}/metrics", operation_id = "get_run_metrics", tag = "runs", params(
    ("id" = String, Path, description = "id of the run"),
    ("name" = String, Query, description = "split/metric, such as val/dice; a run's metric_names lists them"),
    ("max_points" = Option<usize>, Query, description = "4 to 20000, 500 unless given; a longer curve is returned as its ends and the smallest and largest value of stretches of about equal length"),
    ("from_step" = Option<u64>, Query, description = "only from this step on: as exact as max_points allows for what is left"),
    ("to_step" = Option<u64>, Query, description = "only up to this step"),
), responses(
    (status = 200, body = MetricSeries),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn metrics(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    mut query: QueryPairs,
) -> Result<Json<MetricSeries>, ApiError> {
    let name: Option<String> = query.take("name");
    let max_points: usize = query.take("max_points").unwrap_or(POINTS_DEFAULT);
    if !(4..=POINTS_MAX).contains(&max_points) {
        query.wrong("max_points", format!("out of range: use 4 to {POINTS_MAX}"));
    }
    let from: u64 = query.take("from_step").unwrap_or(0);
    let to: u64 = query.take("to_step").unwrap_or(u64::MAX);
    if from > to {
        query.wrong("to_step", format!("lies before from_step: use {from} or more"));
    }
    if name.is_none() {
        query.wrong("name", "missing: name a metric, such as val/loss");
    }
    query.finish()?;
    Ok(Json(state.store.metrics_between(&id, &name.unwrap_or_default(), from..=to, max_points).await?))
}

/// Alignment of a run's features with those before training, by layer and epoch.
#[utoipa::path(get, path = "/api/v1/runs/{id}/alignment", operation_id = "get_run_alignment",
    tag = "runs", params(("id" = String, Path, description = "id of the run")), responses(
    (status = 200, body = AlignmentView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn alignment(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
) -> Result<Json<AlignmentView>, ApiError> {
    Ok(Json(state.store.alignment(&id).await?))
}

/// Scores of the cases; none until the run has finished.
#[utoipa::path(get, path = "/api/v1/runs/{id}/cases", operation_id = "get_run_cases",
    tag = "runs", params(("id" = String, Path, description = "id of the run")), responses(
    (status = 200, body = CaseScores),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn cases(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
) -> Result<Json<CaseScores>, ApiError> {
    Ok(Json(state.store.cases(&id).await?))
}

/// Asks a run to stop; it is `stopping` until its worker has ended.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", operation_id = "cancel_run",
    tag = "runs", params(("id" = String, Path, description = "id of the run")), responses(
    (status = 200, body = RunView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "It has ended already"),
))]
pub async fn cancel(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
) -> Result<Json<RunView>, ApiError> {
    state.store.request_stop(&id, now_ms()).await?;
    state.run_changed(&id);
    Ok(Json(state.store.run(&id).await?.run))
}

/// Starts a run again with the same settings, under a new id.
#[utoipa::path(post, path = "/api/v1/runs/{id}/repeat", operation_id = "repeat_run",
    tag = "runs", params(("id" = String, Path, description = "id of the run")), responses(
    (status = 201, body = CreatedRun, headers(("Location" = String, description = "The new run"))),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn repeat(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
) -> Result<impl IntoResponse, ApiError> {
    let created = state.intake().repeat(&id).await?;
    let location = format!("/api/v1/runs/{}", created.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)))
}

/// Continues a run that failed or was stopped from its last checkpoint: the same run, queued again.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", operation_id = "resume_run",
    tag = "runs", params(("id" = String, Path, description = "id of the run")), responses(
    (status = 200, body = RunView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json",
        description = "It has neither failed nor been stopped, or it has no complete checkpoint"),
))]
pub async fn resume(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
) -> Result<Json<RunView>, ApiError> {
    state.intake().resume(&id).await?;
    Ok(Json(state.store.run(&id).await?.run))
}
