//! Plain forms, so that pages work without scripts: each ends with a redirect to a page.

use std::{collections::BTreeMap, convert::Infallible};

use axum::{
    extract::{FromRequestParts, State},
    http::{header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use transferscope_domain::{
    RunId, ShareSlug,
    api::{Problem, ShareRequest},
    form::ExperimentForm,
    pretraining::PretrainForm,
};
use transferscope_store::{StoreError, now_ms};

use crate::{
    queue::{
        resume::resume_run,
        submit::{SubmitError, repeat_run, submit_experiment, submit_pretraining},
    },
    web::{
        error::ApiError,
        extract::{FormPairs, IdPath},
        files::charts::run_ids,
        openapi::FormFields,
        reach::{Authority, Reach},
        state::AppState,
    },
};

/// Starts the experiment of the form. A form with something wrong in it goes back to its page,
/// which parses its own query in the same way and shows the messages.
#[utoipa::path(post, path = "/new", operation_id = "form_new_experiment", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "the fields of the page",
    ),
    responses(
        (status = 303, description = "To the runs; back to the form where something is wrong with it"),
    ),
)]
pub async fn new_experiment(
    State(state): State<AppState>,
    FormPairs(pairs): FormPairs,
) -> Result<Response, ApiError> {
    let form = ExperimentForm::from_pairs(pairs);
    let spec = match form.parse() {
        Ok(spec) => spec,
        Err(_) => return back_to_form(&form),
    };
    match submit_experiment(&state, spec).await {
        Ok(created) => Ok(Redirect::to(&format!("/runs?experiment={}", created.id)).into_response()),
        Err(SubmitError::Invalid(_)) => back_to_form(&form),
        Err(error) => Err(error.into()),
    }
}

/// Starts the pre-training of the form and shows its run; a form with something wrong in it goes back
/// to its page.
#[utoipa::path(post, path = "/backbones/pretrain", operation_id = "form_pretrain", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "the fields of the page",
    ),
    responses(
        (status = 303, description = "To the run; back to the form where something is wrong with it"),
    ),
)]
pub async fn pretrain(
    State(state): State<AppState>,
    FormPairs(pairs): FormPairs,
) -> Result<Response, ApiError> {
    let form = PretrainForm::from_pairs(pairs);
    let back = || back_to("/backbones", form.to_pairs());
    let Ok(spec) = form.parse() else { return back() };
    match submit_pretraining(&state, spec).await {
        Ok(created) => Ok(Redirect::to(&format!("/runs/{}", created.id)).into_response()),
        Err(SubmitError::Invalid(_)) => back(),
        Err(error) => Err(error.into()),
    }
}

fn back_to_form(form: &ExperimentForm) -> Result<Response, ApiError> {
    back_to("/new", form.to_pairs())
}

/// The page of a form with its fields in the query, where it says what is wrong with them.
fn back_to(page: &str, mut pairs: Vec<(&'static str, String)>) -> Result<Response, ApiError> {
    pairs.push(("checked", "1".into()));
    let query = serde_urlencoded::to_string(pairs)
        .map_err(|e| ApiError::Internal(format!("a form cannot be put into an address: {e}")))?;
    Ok(Redirect::to(&format!("{page}?{query}")).into_response())
}

/// Asks a run to stop and goes back to the page that asked.
#[utoipa::path(post, path = "/runs/{id}/cancel", operation_id = "form_cancel_run", tag = "forms",
    params(("id" = String, Path, description = "id of the run")),
    responses(
        (status = 303, description = "Back to the page that asked"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn cancel(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    WayBack(back): WayBack,
) -> Result<Redirect, ApiError> {
    match state.store.request_stop(&id, now_ms()).await {
        // It ended while the page was open: the page that comes next says so.
        Ok(_) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    state.run_changed(&id);
    Ok(Redirect::to(&back.unwrap_or_else(|| format!("/runs/{id}"))))
}

/// Starts a run again and shows the new one.
#[utoipa::path(post, path = "/runs/{id}/repeat", operation_id = "form_repeat_run", tag = "forms",
    params(("id" = String, Path, description = "id of the run")),
    responses(
        (status = 303, description = "To the new run"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn repeat(State(state): State<AppState>, IdPath(id): IdPath<RunId>) -> Result<Redirect, ApiError> {
    let created = repeat_run(&state, &id).await?;
    Ok(Redirect::to(&format!("/runs/{}", created.id)))
}

/// Lets a run go on from its checkpoint and shows it.
#[utoipa::path(post, path = "/runs/{id}/resume", operation_id = "form_resume_run", tag = "forms",
    params(("id" = String, Path, description = "id of the run")),
    responses(
        (status = 303, description = "To the run"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn resume(State(state): State<AppState>, IdPath(id): IdPath<RunId>) -> Result<Redirect, ApiError> {
    resume_run(&state, &id).await?;
    Ok(Redirect::to(&format!("/runs/{id}")))
}

/// Makes a link to a comparison and goes to it. Fields: `runs` (comma-separated, may be repeated),
/// `frozen` and `include_patients` (1 or on); all others are the view.
#[utoipa::path(post, path = "/compare/share", operation_id = "form_share", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "runs (ids with commas, may be repeated), frozen, include_patients; all others are the view",
    ),
    responses(
        (status = 303, description = "To the link"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn share(State(state): State<AppState>, FormPairs(pairs): FormPairs) -> Result<Redirect, ApiError> {
    let runs = run_ids(pairs.iter().filter(|(k, _)| k == "runs").map(|(_, v)| v.as_str()))?;
    let ticked = |key: &str| pairs.iter().any(|(k, v)| k == key && matches!(v.as_str(), "1" | "on" | "true"));
    let (frozen, include_patients) = (ticked("frozen"), ticked("include_patients"));
    let is_view = |key: &str| !["runs", "frozen", "include_patients"].contains(&key);
    let view: BTreeMap<String, String> =
        pairs.into_iter().filter(|(k, v)| is_view(k) && !v.is_empty()).collect();
    let created = state.store.create_share(&ShareRequest { runs, view, frozen, include_patients }).await?;
    Ok(Redirect::to(&format!("/s/{}", created.slug)))
}

/// Ends a link and goes back to it, where it now says so.
#[utoipa::path(post, path = "/s/{slug}/revoke", operation_id = "form_revoke_share", tag = "forms",
    params(("slug" = String, Path, description = "the link")),
    responses(
        (status = 303, description = "To the link, which now says that it was revoked"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn revoke_share(
    State(state): State<AppState>,
    IdPath(slug): IdPath<ShareSlug>,
) -> Result<Redirect, ApiError> {
    match state.store.revoke_share(&slug).await {
        // Someone else was faster.
        Ok(()) | Err(StoreError::Gone { .. }) => Ok(Redirect::to(&format!("/s/{slug}"))),
        Err(error) => Err(error.into()),
    }
}

/// The path of the page that a form was on; only ever one of this server.
pub(crate) struct WayBack(pub Option<String>);

impl FromRequestParts<AppState> for WayBack {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let referer = parts.headers.get(header::REFERER).and_then(|r| r.to_str().ok());
        let host = parts.extensions.get::<Authority>();
        Ok(Self(referer.zip(host).and_then(|(referer, host)| way_back(&state.reach, host, referer))))
    }
}

fn way_back(reach: &Reach, host: &Authority, referer: &str) -> Option<String> {
    let (scheme, rest) = referer.split_once("://")?;
    let (authority, _) = rest.split_once('/')?;
    let path = &rest[authority.len()..];
    if !reach.is_own_origin(&format!("{scheme}://{authority}"), host) {
        return None;
    }
    // The door gives redirects the base.
    let inner = path.strip_prefix(reach.base()).filter(|inner| inner.starts_with('/')).unwrap_or(path);
    (!inner.starts_with("//")).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leaves_this_server() {
        let mut reach = Reach::at("127.0.0.1:1".parse().unwrap());
        let host: Authority = "127.0.0.1:1".parse().unwrap();
        let way = |referer: &str| way_back(&reach, &host, referer);
        assert_eq!(way("http://127.0.0.1:1/runs?state=queued").as_deref(), Some("/runs?state=queued"));
        for bad in ["http://b/runs", "http://127.0.0.1:1.evil/x", "http://127.0.0.1:1//evil/x", "/runs", ""] {
            assert_eq!(way(bad), None, "{bad}");
        }
        reach.public = Some("https://lab.example/ts".parse().unwrap());
        let way = |referer: &str| way_back(&reach, &host, referer);
        assert_eq!(way("https://lab.example/ts/runs?a=1").as_deref(), Some("/runs?a=1"));
        assert_eq!(way("https://lab.example/ts//evil"), None);
    }
}
