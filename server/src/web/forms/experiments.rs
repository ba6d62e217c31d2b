//! What pages of experiments post.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use transferscope_domain::{ExperimentId, api::Problem, form::ExperimentForm};

use super::{back_to, to, way_back::WayBack};
use crate::{
    queue::submit::SubmitError,
    web::{
        api::queue::stop,
        error::ApiError,
        extract::{FormPairs, IdPath},
        openapi::FormFields,
        state::AppState,
    },
};

/// Starts the experiment of the form. A form with errors goes back to its page, which parses its own query in the
/// same way and shows the messages.
#[utoipa::path(post, path = "/new", operation_id = "form_new_experiment", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "the fields of the page",
    ),
    responses(
        (status = 303, description = "To the runs; back to the form if it has errors"),
    ),
)]
pub async fn new(State(state): State<AppState>, FormPairs(pairs): FormPairs) -> Result<Response, ApiError> {
    let form = ExperimentForm::from_pairs(pairs);
    let spec = match form.parse() {
        Ok(spec) => spec,
        Err(_) => return back_to_form(&form),
    };
    match state.intake().experiment(spec).await {
        Ok(created) => Ok(Redirect::to(&format!("/runs?experiment={}", created.id)).into_response()),
        Err(SubmitError::Invalid(_)) => back_to_form(&form),
        Err(error) => Err(error.into()),
    }
}

fn back_to_form(form: &ExperimentForm) -> Result<Response, ApiError> {
    back_to("/new", form.to_pairs())
}

/// Scores all backbones on the experiment's tasks from frozen features, in the background, and goes back to it.
#[utoipa::path(post, path = "/experiments/{id}/predict", operation_id = "form_predict", tag = "forms",
    params(("id" = String, Path, description = "id of the experiment")),
    responses(
        (status = 303, description = "Back to the experiment"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn predict(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
) -> Result<Redirect, ApiError> {
    let spec = state.store.experiment(&id).await?.spec;
    state.predicting.start(&state.data, &spec.dataset, &spec.tasks(), state.device);
    Ok(Redirect::to(&format!("/experiments/{id}#prediction")))
}

/// Queues the planned runs that have no result and are not under way, and goes back to the experiment.
#[utoipa::path(post, path = "/experiments/{id}/fill", operation_id = "form_fill", tag = "forms",
    params(("id" = String, Path, description = "id of the experiment")),
    responses(
        (status = 303, description = "Back to the experiment"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn fill(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
) -> Result<Redirect, ApiError> {
    state.intake().fill(&id).await?;
    Ok(Redirect::to(&format!("/experiments/{id}")))
}

/// Moves an experiment and returns to the page that sent the form.
#[utoipa::path(post, path = "/experiments/{id}/move", operation_id = "form_move_experiment", tag = "forms",
    params(("id" = String, Path, description = "id of the experiment")),
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "to: first or last",
    ),
    responses(
        (status = 303, description = "Back to the page that sent the form"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn move_in_queue(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
    WayBack(back): WayBack,
    FormPairs(pairs): FormPairs,
) -> Result<Redirect, ApiError> {
    state.store.move_experiment(&id, to(&pairs)?).await?;
    Ok(Redirect::to(&back.unwrap_or_else(|| "/queue".into())))
}

/// Stops an experiment and returns to the page that sent the form.
#[utoipa::path(post, path = "/experiments/{id}/cancel", operation_id = "form_cancel_experiment", tag = "forms",
    params(("id" = String, Path, description = "id of the experiment")),
    responses(
        (status = 303, description = "Back to the page that sent the form"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn cancel(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExperimentId>,
    WayBack(back): WayBack,
) -> Result<Redirect, ApiError> {
    stop(&state, &id).await?;
    Ok(Redirect::to(&back.unwrap_or_else(|| format!("/experiments/{id}"))))
}
