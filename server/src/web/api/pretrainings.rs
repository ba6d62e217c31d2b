//! Pre-training of backbones.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use transferscope_domain::{
    api::{CreatedRun, Problem},
    pretraining::PretrainSpec,
};

use crate::web::{error::ApiError, extract::ApiJson, state::AppState};

/// Starts the pre-training of a backbone: one run, which produces a backbone of the given name.
#[utoipa::path(post, path = "/api/v1/pretrainings", operation_id = "create_pretraining",
    tag = "backbones", request_body = PretrainSpec, responses(
    (status = 201, body = CreatedRun, headers(("Location" = String, description = "The run"))),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "`errors` by field"),
))]
pub async fn create(
    State(state): State<AppState>,
    ApiJson(spec): ApiJson<PretrainSpec>,
) -> Result<impl IntoResponse, ApiError> {
    let created = state.intake().pretraining(spec).await?;
    let location = format!("/api/v1/runs/{}", created.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)))
}
