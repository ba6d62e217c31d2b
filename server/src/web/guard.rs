//! Who may write: pages of this server and programs, with the token where others can reach it.

use std::fmt::Write;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use leptos::prelude::Nonce;
use transferscope_app::format::html;

use super::{
    BODY_MAX,
    error::ApiError,
    extract::has_type,
    policy,
    reach::{Authority, Reach},
    state::AppState,
};

/// The form field that shows the token.
const FIELD: &str = "token";
/// Seconds that a browser keeps what shows that it has known the token: 30 days.
const KEPT_S: u32 = 2_592_000;
/// Where the form leads that asks a reader for the token, and its field with the page that was wanted.
pub const SIGN_IN: &str = "/sign-in";
pub const WANTED: &str = "to";

/// Lets a request through, or answers why not.
pub async fn may_write(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // A program that shows a token is no page of another site.
    if bearer(request.headers()).is_none()
        && let Some(host) = request.extensions().get::<Authority>()
        && let Some(words) = cross_site(&state.reach, host, request.headers())
    {
        return ApiError::CrossSite(words).into_response();
    }
    if state.token.is_none() || knows_token(&state, &request) {
        return next.run(request).await;
    }
    if *request.method() == Method::POST && is_form(request.headers()) {
        return form_with_token(&state, request, next).await;
    }
    ApiError::Unauthorized.into_response()
}

/// Whether a request shows the token, or what a browser got for showing it.
pub fn knows_token(state: &AppState, request: &Request) -> bool {
    let Some(token) = state.token.as_deref() else { return true };
    match bearer(request.headers()) {
        Some(shown) => same(shown, token),
        None => cookies(request.headers(), &cookie_name(&state.reach))
            .any(|shown| same(shown, &cookie_value(token))),
    }
}

/// Asks for the token where reading needs it: people by a page, programs by a problem document.
pub fn ask_reader(state: &AppState, request: &Request) -> Response {
    let is_page = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("text/html")));
    if !is_page {
        return ApiError::Unauthorized.into_response();
    }
    let wanted = request.uri().path_and_query().map_or("/", |p| p.as_str());
    ask(&state.reach, SIGN_IN, &[(WANTED.to_owned(), wanted.to_owned())], false)
}

/// A form may carry the token as a field; without it, the browser gets a page that asks for it and
/// sends the same form again.
async fn form_with_token(state: &AppState, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_MAX).await else {
        return ApiError::TooLarge { limit: BODY_MAX }.into_response();
    };
    let token = state.token.as_deref().unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes).unwrap_or_default();
    let shown = pairs.iter().find(|(k, _)| k == FIELD).map(|(_, v)| v.trim());
    if !shown.is_some_and(|shown| same(shown, token)) {
        return ask(&state.reach, parts.uri.path(), &pairs, shown.is_some_and(|s| !s.is_empty()));
    }
    let mut response = next.run(Request::from_parts(parts, Body::from(without_token(&pairs, bytes)))).await;
    if let Ok(value) = HeaderValue::from_str(&set_cookie(&state.reach, token)) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Browsers keep cookies by host and not by port, so the name tells servers of one machine apart. It goes to all of
/// them nevertheless: that is why it does not hold the token itself.
fn cookie_name(reach: &Reach) -> String {
    let port = reach.public.as_ref().map_or(reach.listens.port(), |p| p.port());
    format!("transferscope_{port}")
}

/// What a browser keeps in place of the token; of no use with programs, and worthless with a new token.
fn cookie_value(token: &str) -> String {
    let key =
        blake3::derive_key("transferscope: cookie of a browser that has shown the token", token.as_bytes());
    blake3::Hash::from_bytes(key).to_hex().to_string()
}

/// `Lax`, so that a link in a message still finds the reader signed in; what writes is checked for its origin.
fn set_cookie(reach: &Reach, token: &str) -> String {
    let secure = if reach.public.as_ref().is_some_and(|p| p.https) { "; Secure" } else { "" };
    let (name, value, base) = (cookie_name(reach), cookie_value(token), reach.base());
    format!("{name}={value}; Path={base}/; HttpOnly; SameSite=Lax; Max-Age={KEPT_S}{secure}")
}

/// The form without the token: nothing behind this point may put it into an address.
fn without_token(pairs: &[(String, String)], whole: Bytes) -> Bytes {
    let rest: Vec<_> = pairs.iter().filter(|(k, _)| k != FIELD).collect();
    serde_urlencoded::to_string(rest).map_or(whole, Bytes::from)
}

/// A page that asks for the token and sends the same form again.
fn ask(reach: &Reach, path: &str, pairs: &[(String, String)], wrong: bool) -> Response {
    let nonce = Nonce::new();
    let page = Html(asking(&nonce, &format!("{}{path}", reach.base()), pairs, wrong, reach.reading_is_open));
    let policy = [(header::CONTENT_SECURITY_POLICY, policy::of_document(&nonce))];
    let fresh = [(header::CACHE_CONTROL, "no-store")];
    (StatusCode::UNAUTHORIZED, policy, fresh, page).into_response()
}

fn asking(
    nonce: &Nonce,
    action: &str,
    pairs: &[(String, String)],
    wrong: bool,
    reading_is_open: bool,
) -> String {
    let mut hidden = String::new();
    for (name, value) in pairs.iter().filter(|(k, _)| k != FIELD) {
        // Writing to a text cannot fail.
        let _ = write!(hidden, "<input type=\"hidden\" name=\"{}\" value=\"{}\">", html(name), html(value));
    }
    let note = if wrong { "<p><strong>That is not the token of this server.</strong></p>" } else { "" };
    let open = if reading_is_open { " Reading needs none." } else { "" };
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Token needed · Transferscope</title>\
         <style nonce=\"{nonce}\">body{{font-family:system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}}\
         input[type=password]{{width:100%;padding:.5rem;margin:.5rem 0;box-sizing:border-box}}</style></head>\
         <body><main><h1>This server asks for its token</h1>{note}\
         <p>It is in the file <code>token</code> of the server's data folder.{open}</p>\
         <form method=\"post\" action=\"{}\">{hidden}<label>Token <input type=\"password\" name=\"{FIELD}\" required autofocus></label>\
         <button>Go on</button></form></main></body></html>",
        html(action)
    )
}

fn is_form(headers: &HeaderMap) -> bool {
    has_type(headers, "application/x-www-form-urlencoded")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// All values of a cookie: pages of other ports may have set one of the same name.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(n, _)| *n == name)
        .map(|(_, value)| value)
}

/// Compares in a time that does not depend on where the texts differ.
fn same(shown: &str, token: &str) -> bool {
    blake3::hash(shown.as_bytes()) == blake3::hash(token.as_bytes())
}

/// Why a request is refused that a browser sends for a page of another origin; none where it does not. Browsers say so
/// themselves, or name the origin; programs do neither. `host` is a name of this server by which it was asked.
fn cross_site(reach: &Reach, host: &Authority, headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return None,
        Some(_) => return Some("This request comes from another site's page and was refused.".into()),
        None => {}
    }
    let origin = text("origin").filter(|origin| !reach.is_own_origin(origin, host))?;
    let origin: String = origin.chars().take(120).collect();
    Some(format!(
        "This request comes from a page of {origin:?} and asks for the host {host}, so it was refused as one of another \
         site. If that page is this server's own and a proxy stands between, start the server with --public-url and the \
         address that people see, such as --public-url {}.",
        if origin.contains("://") { &origin } else { "https://host/base" }
    ))
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
        let mut reach = Reach::at("127.0.0.1:3000".parse().unwrap());
        let host: Authority = "127.0.0.1:3000".parse().unwrap();
        let refused = |reach: &Reach, pairs: &[_]| cross_site(reach, &host, &headers(pairs));
        assert_eq!(refused(&reach, &[]), None);
        assert_eq!(refused(&reach, &[("sec-fetch-site", "same-origin")]), None);
        assert!(refused(&reach, &[("sec-fetch-site", "cross-site")]).is_some());
        // Another port of this machine is another site.
        assert!(refused(&reach, &[("sec-fetch-site", "same-site")]).is_some());
        assert_eq!(refused(&reach, &[("origin", "http://127.0.0.1:3000")]), None);
        for origin in ["http://127.0.0.1:2", "null", "https://evil.example"] {
            let words = refused(&reach, &[("origin", origin)]).expect(origin);
            assert!(words.contains("--public-url"), "{words}");
        }
        reach.public = Some("https://lab.example/ts".parse().unwrap());
        assert_eq!(refused(&reach, &[("origin", "https://lab.example")]), None);
        assert!(refused(&reach, &[("origin", "https://evil.example")]).is_some());
    }

    #[test]
    fn a_cookie_is_for_one_server_and_does_not_hold_the_token() {
        let mut reach = Reach::at("0.0.0.0:3000".parse().unwrap());
        let cookie = set_cookie(&reach, "secret");
        assert!(
            cookie.starts_with("transferscope_3000=") && cookie.contains("; Path=/; HttpOnly; SameSite=Lax;")
        );
        assert!(!cookie.contains("secret") && !cookie.contains("Secure"));
        reach.public = Some("https://lab.example/ts".parse().unwrap());
        let cookie = set_cookie(&reach, "secret");
        assert!(
            cookie.starts_with("transferscope_443=")
                && cookie.contains("; Path=/ts/;")
                && cookie.ends_with("; Secure")
        );
        assert_ne!(cookie_value("secret"), cookie_value("other"));
    }

    #[test]
    fn the_page_that_asks_repeats_the_form_and_nothing_breaks_out_of_it() {
        let pairs = [("name".to_owned(), "\"><script>".to_owned()), (FIELD.to_owned(), "wrong".to_owned())];
        let page = asking(&Nonce::new(), "/new", &pairs, true, true);
        assert!(page.contains("name=\"name\" value=\"&quot;&gt;&lt;script&gt;\""));
        assert!(!page.contains("<script>") && !page.contains("value=\"wrong\""));
    }
}
