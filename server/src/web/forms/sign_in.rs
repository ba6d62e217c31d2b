//! Showing the token once, for a browser that reads.

use axum::response::Redirect;

use crate::web::{extract::FormPairs, guard::WANTED, openapi::FormFields};

/// Redirects a browser that has shown the token to the page that it wanted, which must be one of this server.
#[utoipa::path(post, path = "/sign-in", operation_id = "form_sign_in", tag = "forms",
    request_body(
        content = FormFields, content_type = "application/x-www-form-urlencoded",
        description = "token, and the page that was wanted",
    ),
    responses((status = 303, description = "To the page that was wanted")),
)]
pub async fn sign_in(FormPairs(pairs): FormPairs) -> Redirect {
    let wanted = pairs.iter().find(|(k, _)| k == WANTED).map_or("/", |(_, v)| v.as_str());
    let ours = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && wanted.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    Redirect::to(if ours { wanted } else { "/" })
}
