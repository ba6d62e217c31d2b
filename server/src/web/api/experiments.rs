//! Experiments.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use transferscope_app::server_views::experiment::choice;
use transferscope_domain::{
    ExperimentId,
    api::{ExperimentCreated, ExperimentList, ExperimentView, Problem},
    experiment::ExperimentSpec,
};
use transferscope_study::analysis::{Analysis, Choice, Network};

use crate::web::{
    error::ApiError,
    extract::{ApiJson, IdPath, pairs},
    state::AppState,
};

/// Starts an experiment: queues one run for each backbone, task, arm and seed.
#[utoipa::path(post, path = "/api/v1/experiments", operation_id = "create_experiment",
    tag = "experiments", request_body = ExperimentSpec,
    responses(
    (status = 201, body = ExperimentCreated, headers(("Location" = String, description = "The experiment"))),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "`errors` by field"),
))]
pub async fn create(
    State(state): State<AppState>,
    ApiJson(spec): ApiJson<ExperimentSpec>,
) -> Result<impl IntoResponse, ApiError> {
    let created = state.intake().experiment(spec).await?;
    let location = format!("/api/v1/experiments/{}", created.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)))
}

/// The latest experiments, newest first.
#[utoipa::path(get, path = "/api/v1/experiments", operation_id = "list_experiments",
    tag = "experiments", responses((status = 200, body = ExperimentList)))]
pub async fn list(State(state): State<AppState>) -> Result<Json<ExperimentList>, ApiError> {
    Ok(Json(state.store.experiments().await?))
}

/// One experiment with its runs.
#[utoipa::path(get, path = "/api/v1/experiments/{id}", operation_id = "get_experiment",
    tag = "experiments", params(("id" = String, Path, description = "id of the experiment")), responses(
    (status = 200, body = ExperimentView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn one(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
) -> Result<Json<ExperimentView>, ApiError> {
    Ok(Json(state.store.experiment(&id).await?))
}

/// The analysis of an experiment: cells with holes, gains, convergence, alignment, findings. Query: `layer` (first,
/// middle, last), `alignment` (d2p, d2r, d2s, cka, procrustes, svcca,
/// pwcca, rsa, mutual-neighbours, energy, frechet), `against` (specialist, scratch), `kernel`
/// (rbf, rbf-sum) and `estimator` (unbiased, biased) of an MMD², `unlearnt` (1: include tasks in which no network is
/// above the simple baseline).
#[utoipa::path(get, path = "/api/v1/experiments/{id}/analysis", operation_id = "get_experiment_analysis",
    tag = "experiments", params(
    ("id" = String, Path, description = "id of the experiment"),
    ("layer" = Option<String>, Query),
    ("alignment" = Option<String>, Query),
    ("against" = Option<String>, Query),
    ("kernel" = Option<String>, Query),
    ("estimator" = Option<String>, Query),
    ("unlearnt" = Option<String>, Query),
), responses(
    (status = 200, body = Analysis, description = "The analysis"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "`errors` by field"),
))]
pub async fn analysis(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
    RawQuery(query): RawQuery,
) -> Result<Json<Analysis>, ApiError> {
    let pairs = pairs(query)?;
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !CHOICES.contains(&name.as_str())) {
        return Err(ApiError::field(name, format!("unknown: use {}", CHOICES.join(", "))));
    }
    let choice = choice_of(&pairs)?;
    Ok(Json(state.studies().study(&id, choice).await?.analysis))
}

/// Names what was asked for and is not there, beside the answer about the rest.
const MISSING: &str = "x-missing";

/// Experiments side by side, network by network; the first is the reference for the others. Query: `id`, two to six
/// times.
#[utoipa::path(get, path = "/api/v1/comparisons", operation_id = "compare_experiments",
    tag = "experiments", params(
    ("id" = Vec<String>, Query, explode, description = "an experiment"),
), responses(
    (status = 200, body = Vec<Network>, description = "Networks by task",
        headers(("x-missing" = String, description = "Experiments that are not there, where some are not"))),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "`errors` by field"),
))]
pub async fn versus(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, ApiError> {
    let mut ids = Vec::new();
    for (key, value) in pairs(query)? {
        match key.as_str() {
            "id" => ids.push(value.parse().map_err(|e| ApiError::field("id", format!("{value:?}: {e}")))?),
            _ => return Err(ApiError::field(&key, "unknown: use id")),
        }
    }
    let (networks, missing) = state.studies().networks(&ids).await?;
    let missing = missing.iter().map(ExperimentId::as_str).collect::<Vec<_>>().join(", ");
    let named = (!missing.is_empty()).then_some([(MISSING, missing)]);
    Ok((named, Json::<Vec<Network>>(networks)))
}

/// What an analysis can be asked for.
const CHOICES: [&str; 6] = ["layer", "alignment", "against", "kernel", "estimator", "unlearnt"];

/// What of an analysis is looked at.
pub(crate) fn choice_of(pairs: &[(String, String)]) -> Result<Choice, ApiError> {
    choice(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))).map_err(|m| ApiError::field("query", m))
}
