//! Plain forms, so that pages work without scripts: each ends with a redirect to a page. What they ask for is what the
//! JSON API asks for (`api`), by the same functions below. Start reading at [`experiments`].

use axum::response::{IntoResponse, Redirect, Response};
use transferscope_domain::run::QueueMove;

use crate::web::error::ApiError;

pub mod experiments;
pub mod pretrainings;
pub mod runs;
pub mod shares;
pub mod sign_in;
mod way_back;

/// The page of a form with its fields in the query, where it says what is wrong with them.
fn back_to(page: &str, mut pairs: Vec<(&'static str, String)>) -> Result<Response, ApiError> {
    pairs.push(("checked", "1".into()));
    let query = serde_urlencoded::to_string(pairs)
        .map_err(|e| ApiError::Internal(format!("a form cannot be put into an address: {e}")))?;
    Ok(Redirect::to(&format!("{page}?{query}")).into_response())
}

/// The field `to` of a form.
fn to(pairs: &[(String, String)]) -> Result<QueueMove, ApiError> {
    let text = pairs.iter().find(|(k, _)| k == "to").map_or("", |(_, v)| v.as_str());
    text.parse().map_err(|message| ApiError::field("to", message))
}
