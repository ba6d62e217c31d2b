//! The page that a form was on.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::web::{
    reach::{Authority, Reach},
    state::AppState,
};

/// The path of the page that a form was on; only ever one of this server.
pub struct WayBack(pub Option<String>);

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
