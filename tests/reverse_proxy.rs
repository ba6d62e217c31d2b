//! A reverse proxy as people put before the server: below a path, with or without taking it away, and with the name that
//! was asked for or, as nginx does unless it is told otherwise, with that of its target.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// What a proxy does to requests.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Whether it takes the path away below which it was asked.
    pub strips: bool,
    /// Whether it passes the name on by which it was asked.
    pub keeps_host: bool,
}

/// A proxy on a free port of this machine; ends with the test's runtime.
pub struct ReverseProxy {
    /// `http://localhost:PORT/BASE`, without a slash at its end.
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    base: &'static str,
    way: Way,
    target: OnceLock<String>,
    http: reqwest::Client,
}

impl ReverseProxy {
    /// Starts a proxy below `base`, which begins with a slash and ends without one. It answers when it has a target.
    pub async fn start(base: &'static str, way: Way) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        let inner = Arc::new(Inner { base, way, target: OnceLock::new(), http });
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://localhost:{port}{base}"), inner }
    }

    /// Says to which server requests go, as `http://host:port`.
    pub fn leads_to(&self, server: &str) {
        self.inner.target.set(server.to_owned()).expect("a proxy has one target");
    }
}

async fn pass_on(State(proxy): State<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let (Some(target), Some(below)) = (proxy.target.get(), path.strip_prefix(proxy.base)) else {
        return (StatusCode::NOT_FOUND, "this is the proxy's own site").into_response();
    };
    let path = if proxy.way.strips { below } else { &path };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    headers.remove(header::CONNECTION);
    if !proxy.way.keeps_host {
        headers.remove(header::HOST);
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
    let sent = proxy.http.request(parts.method, format!("{target}{slash}{path}")).headers(headers).body(body);
    match sent.send().await {
        Ok(answer) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            response.headers_mut().remove(header::TRANSFER_ENCODING);
            *response.body_mut() = Body::from_stream(answer.bytes_stream());
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
