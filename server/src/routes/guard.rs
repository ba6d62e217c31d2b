//! Who may write: pages of this server and programs, with the token where others can reach it.

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};

use super::{BODY_MAX, extract::has_type};
use crate::{error::ApiError, state::AppState};

/// The cookie that keeps the token for a browser that has shown it once.
const COOKIE: &str = "transferscope_token";
/// The form field that shows it.
const FIELD: &str = "token";

/// Lets a request through, or answers why not.
pub async fn may_write(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let bearer = bearer(request.headers()).map(str::to_owned);
    // A program that shows a token is no page of another site.
    if bearer.is_none() && is_cross_site(request.headers()) {
        return ApiError::CrossSite.into_response();
    }
    let Some(token) = state.token.as_deref() else { return next.run(request).await };
    let shown = bearer.or_else(|| cookie(request.headers()));
    if shown.is_some_and(|shown| same(&shown, token)) {
        return next.run(request).await;
    }
    if *request.method() == Method::POST && is_form(request.headers()) {
        return form_with_token(request, next, token).await;
    }
    ApiError::Unauthorized.into_response()
}

/// A form may carry the token as a field; without it, the browser gets a page that asks for it and
/// sends the same form again.
async fn form_with_token(request: Request, next: Next, token: &str) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_MAX).await else {
        return ApiError::TooLarge { limit: BODY_MAX }.into_response();
    };
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes).unwrap_or_default();
    let shown = pairs.iter().find(|(k, _)| k == FIELD).map(|(_, v)| v.trim());
    if !shown.is_some_and(|shown| same(shown, token)) {
        let page = Html(ask(parts.uri.path(), &pairs, shown.is_some_and(|s| !s.is_empty())));
        return (StatusCode::UNAUTHORIZED, page).into_response();
    }
    let mut response = next.run(Request::from_parts(parts, Body::from(without_token(&pairs, bytes)))).await;
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The form without the token: nothing behind this point may put it into an address.
fn without_token(pairs: &[(String, String)], whole: Bytes) -> Bytes {
    let rest: Vec<_> = pairs.iter().filter(|(k, _)| k != FIELD).collect();
    serde_urlencoded::to_string(rest).map_or(whole, Bytes::from)
}

fn ask(path: &str, pairs: &[(String, String)], wrong: bool) -> String {
    let hidden: String = pairs
        .iter()
        .filter(|(k, _)| k != FIELD)
        .map(|(k, v)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(k), escape(v)))
        .collect();
    let note = if wrong { "<p><strong>That is not the token of this server.</strong></p>" } else { "" };
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Token needed · Transferscope</title>\
         <style>body{{font-family:system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}}\
         input[type=password]{{width:100%;padding:.5rem;margin:.5rem 0;box-sizing:border-box}}</style></head>\
         <body><h1>This server asks for its token</h1>{note}\
         <p>It was printed when the server was first started, and is in the file <code>token</code> of its data folder. \
         Reading needs none.</p>\
         <form method=\"post\" action=\"{}\">{hidden}<label>Token <input type=\"password\" name=\"{FIELD}\" required autofocus></label>\
         <button>Go on</button></form></body></html>",
        escape(path)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn is_form(headers: &HeaderMap) -> bool {
    has_type(headers, "application/x-www-form-urlencoded")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// Compares in a time that does not depend on where the texts differ.
fn same(shown: &str, token: &str) -> bool {
    blake3::hash(shown.as_bytes()) == blake3::hash(token.as_bytes())
}

/// Whether a browser sends this for a page of another origin. Browsers say so themselves, or name
/// the origin; programs do neither.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return false,
        Some(_) => return true,
        None => {}
    }
    let Some(origin) = text("origin") else { return false };
    let host = text("host").unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (axum::http::HeaderName::from_static(k), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn other_sites_are_told_from_own_pages_and_programs() {
        assert!(!is_cross_site(&headers(&[("host", "127.0.0.1:3000")])));
        assert!(!is_cross_site(&headers(&[("sec-fetch-site", "same-origin"), ("origin", "http://x")])));
        assert!(is_cross_site(&headers(&[("sec-fetch-site", "cross-site")])));
        // Another port of this machine is another site.
        assert!(is_cross_site(&headers(&[("sec-fetch-site", "same-site")])));
        assert!(!is_cross_site(&headers(&[("host", "a:1"), ("origin", "http://a:1")])));
        for origin in ["http://a:2", "null", "https://evil.example"] {
            let map: HeaderMap = [
                (header::HOST, HeaderValue::from_static("a:1")),
                (header::ORIGIN, HeaderValue::from_static(origin)),
            ]
            .into_iter()
            .collect();
            assert!(is_cross_site(&map), "{origin}");
        }
    }

    #[test]
    fn the_page_that_asks_repeats_the_form_and_nothing_breaks_out_of_it() {
        let pairs = [("name".to_owned(), "\"><script>".to_owned()), (FIELD.to_owned(), "wrong".to_owned())];
        let page = ask("/new", &pairs, true);
        assert!(page.contains("name=\"name\" value=\"&quot;&gt;&lt;script&gt;\""));
        assert!(!page.contains("<script>") && !page.contains("value=\"wrong\""));
    }
}
