//! Headers by which a browser keeps a page to what it was made for: what may run in it, what it may ask for, who may
//! put it into a frame.
//!
//! Scripts run only with the page's nonce, drawn anew for every answer: text that got into a page by a mistake of ours
//! stays text. Styles come from our own files, or with the nonce.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
};
use leptos::prelude::{Nonce, use_context, use_nonce};
use leptos_axum::ResponseOptions;
use tower_http::set_header::SetResponseHeaderLayer;

/// For answers that are no pages of ours: data, pictures, files.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// For a page with the scripts and styles that carry `nonce`.
fn of_page(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
         object-src 'none'"
    )
}

/// For a document that is kept as it was made: it has forms and styles with `nonce`, and no scripts.
pub fn of_document(nonce: &Nonce) -> HeaderValue {
    value(&format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'self'"
    ))
}

/// A nonce is letters and digits, so the text is always a value.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(NO_PAGE))
}

/// Gives the page that is being rendered its policy; for functions that answer with data there is no nonce.
pub fn provide() {
    if let (Some(nonce), Some(answer)) = (use_nonce(), use_context::<ResponseOptions>()) {
        answer.insert_header(header::CONTENT_SECURITY_POLICY, value(&of_page(&nonce)));
    }
}

/// Headers that every answer carries unless it says otherwise.
pub fn with_headers(router: Router) -> Router {
    let own = |name: &'static str| HeaderName::from_static(name);
    let headers: [(HeaderName, &'static str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (own("cross-origin-opener-policy"), "same-origin"),
        (own("cross-origin-resource-policy"), "same-origin"),
        (header::CONTENT_SECURITY_POLICY, NO_PAGE),
    ];
    headers.into_iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}
