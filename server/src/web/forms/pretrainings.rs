//! What the page of backbones posts.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use transferscope_domain::pretraining::PretrainForm;

use super::back_to;
use crate::{
    queue::submit::SubmitError,
    web::{error::ApiError, extract::FormPairs, openapi::FormFields, state::AppState},
};

/// Starts the pre-training of the form and shows its run; a form with errors goes back to its page.
#[utoipa::path(post, path = "/backbones/pretrain", operation_id = "form_pretrain", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "the fields of the page",
    ),
    responses(
        (status = 303, description = "To the run; back to the form if it has errors"),
    ),
)]
pub async fn new(State(state): State<AppState>, FormPairs(pairs): FormPairs) -> Result<Response, ApiError> {
    let form = PretrainForm::from_pairs(pairs);
    let back = || back_to("/backbones", form.to_pairs());
    let Ok(spec) = form.parse() else { return back() };
    match state.intake().pretraining(spec).await {
        Ok(created) => Ok(Redirect::to(&format!("/runs/{}", created.id)).into_response()),
        Err(SubmitError::Invalid(_)) => back(),
        Err(error) => Err(error.into()),
    }
}
