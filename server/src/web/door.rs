//! What happens to every request before any route sees it: is it meant for this server, below which path do people see
//! it, and may its sender read?

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, Uri, header, uri::PathAndQuery},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use transferscope_app::context::SiteUrl;

use super::{error::ApiError, guard, state::AppState};

/// Answered even where reading needs the token: monitors ask it, and it tells counts alone.
const HEALTH: &str = "/api/v1/health";

/// Puts the door before all routes. A layer of the routes themselves would come after the route was chosen.
pub fn before(routes: Router, state: AppState) -> Router {
    Router::new().fallback_service(routes).layer(middleware::from_fn_with_state(state, pass))
}

async fn pass(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let reach = &state.reach;
    let host = match reach.admits(request.uri(), request.headers()) {
        Ok(host) => host,
        Err(error) => return ApiError::from(error).into_response(),
    };
    // Proxies that pass the whole path on and proxies that take the base away mean the same.
    if let Some(inner) = below(reach.base(), request.uri()) {
        *request.uri_mut() = inner;
    }
    let seen_as = SiteUrl(reach.seen_as(&host, request.headers()));
    request.extensions_mut().insert(seen_as);
    request.extensions_mut().insert(host);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads
        && !reach.reading_is_open
        && request.uri().path() != HEALTH
        && !guard::knows_token(&state, &request)
    {
        return guard::ask_reader(&state, &request);
    }
    let mut response = next.run(request).await;
    if let Some(to) = response.headers().get(header::LOCATION).and_then(|to| outside(reach.base(), to)) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// The address as the routes know it: the path without the base, without scheme and host.
fn below(base: &str, uri: &Uri) -> Option<Uri> {
    let whole = uri.path_and_query()?;
    let rest = whole
        .as_str()
        .strip_prefix(base)
        .filter(|rest| matches!(rest.bytes().next(), None | Some(b'/' | b'?')));
    let rest = match rest {
        Some(rest) if !base.is_empty() => rest,
        _ if uri.authority().is_some() => whole.as_str(),
        _ => return None,
    };
    let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    Some(Uri::from(path.parse::<PathAndQuery>().ok()?))
}

/// Where a redirect within this server leads as people see it.
fn outside(base: &str, to: &HeaderValue) -> Option<HeaderValue> {
    let path =
        to.to_str().ok().filter(|to| !base.is_empty() && to.starts_with('/') && !to.starts_with("//"))?;
    HeaderValue::from_str(&format!("{base}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_taken_from_paths_and_given_to_redirects() {
        let inner = |uri: &'static str| below("/ts", &Uri::from_static(uri)).map(|u| u.to_string());
        assert_eq!(inner("/ts/runs?a=/ts").as_deref(), Some("/runs?a=/ts"));
        assert_eq!(inner("/ts").as_deref(), Some("/"));
        assert_eq!(inner("/ts?x=1").as_deref(), Some("/?x=1"));
        assert_eq!(inner("http://a/ts/runs").as_deref(), Some("/runs"));
        assert_eq!(inner("http://a/runs").as_deref(), Some("/runs"));
        assert_eq!((inner("/runs"), inner("/tsx/runs")), (None, None));
        assert_eq!(below("", &Uri::from_static("/ts/runs")), None);
        let to = |path: &'static str| outside("/ts", &HeaderValue::from_static(path));
        assert_eq!(to("/runs").unwrap(), "/ts/runs");
        assert_eq!((to("//evil.example"), to("https://evil.example/")), (None, None));
    }
}
