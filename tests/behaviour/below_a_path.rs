//! The server behind a proxy and below a path: every address that it gives away leads back to it.

use std::collections::BTreeSet;

use futures::StreamExt;
use reqwest::{StatusCode, header, redirect::Policy};
use transferscope_tests::{
    TestServer,
    reverse_proxy::{ReverseProxy, Way},
    tiny_spec,
};

/// Values of the attributes of a page that are addresses on the page's own host.
fn addresses(html: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in ["href=\"", "src=\"", "action=\""] {
        let values = html.split(name).skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(values.filter(|v| v.starts_with('/')).map(|v| v.replace("&amp;", "&")));
    }
    found
}

/// Starts at the board and follows every link, below the path and nowhere else.
async fn everything_leads_below(proxy: &ReverseProxy, first: &[String]) {
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let host = proxy.url.strip_suffix("/ts").expect("below /ts");
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut left: Vec<String> = first.to_vec();
    while let Some(path) = left.pop() {
        let plain = path.split('#').next().unwrap_or_default().to_owned();
        if !asked.insert(plain.clone()) || asked.len() > 120 {
            continue;
        }
        assert!(plain == "/ts" || plain.starts_with("/ts/"), "{plain} leads outside");
        let answer = http.get(format!("{host}{plain}")).send().await.expect("an answer");
        let status = answer.status();
        let kind = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .map_or("", |v| v.to_str().unwrap_or_default())
            .to_owned();
        let text = answer.text().await.unwrap_or_default();
        // Forms' addresses take no GET, and a file of a run may not be there yet: the server says so itself.
        let problem = kind.starts_with("application/problem+json");
        // A form that was sent without a choice.
        let empty = status == StatusCode::BAD_REQUEST && !plain.contains('?');
        let fine = status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED || problem || empty;
        assert!(fine, "{plain}: {status} {text}");
        if kind.starts_with("text/html") {
            left.extend(addresses(&text));
        }
    }
    assert!(asked.len() > 20, "{asked:?}");
}

async fn behind(way: Way) {
    let proxy = ReverseProxy::start("/ts", way).await;
    let server = TestServer::start_with(&["--public-url", &proxy.url, "--anonymous", "read"]).await;
    proxy.leads_to(&server.url);
    let token = std::fs::read_to_string(server.data.join("token")).expect("a token").trim().to_owned();
    let http =
        reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("an HTTP client");
    let origin = proxy.url.strip_suffix("/ts").expect("below /ts").to_owned();
    // As a browser sends it from a page over plain HTTP.
    let form_from = |origin: &str, path: &str, body: String| {
        http.post(format!("{}{path}", proxy.url))
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
    };
    let form = |path: &str, body: String| form_from(&origin, path, body);
    let location = |answer: &reqwest::Response| {
        answer.headers().get(header::LOCATION).map_or("", |v| v.to_str().unwrap_or_default()).to_owned()
    };

    let asked = form("/new", "name=x".into()).send().await.expect("an answer");
    assert_eq!(asked.status(), 401);
    let page = asked.text().await.expect("a page");
    assert!(page.contains("action=\"/ts/new\""), "{page}");
    let fields =
        "name=x&backbones=provicnet-mini&tasks=segmentation&arms=scratch&dataset=tiny&seeds=0&epochs=1";
    let sent = form("/new", format!("{fields}&token={token}")).send().await.expect("an answer");
    assert_eq!(sent.status(), 303);
    let to = location(&sent);
    assert!(to.starts_with("/ts/runs?experiment="), "{to}");
    let cookie = sent.headers()[header::SET_COOKIE].to_str().expect("a text").to_owned();
    assert!(cookie.contains("; Path=/ts/;") && cookie.contains("HttpOnly"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let foreign =
        form_from("http://evil.example", "/new", fields.into()).header(header::COOKIE, &cookie).send().await;
    assert_eq!(foreign.expect("an answer").status(), 403);

    let experiment = to.rsplit('=').next().unwrap_or_default().to_owned();
    let api: serde_json::Value = http
        .get(format!("{}/api/v1/runs?experiment={experiment}", proxy.url))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let run = api["runs"][0]["id"].as_str().expect("a run").to_owned();
    let posted = http
        .post(format!("{}/api/v1/experiments", proxy.url))
        .bearer_auth(&token)
        .json(&tiny_spec("provicnet-mini", "segmentation", "scratch", 1))
        .send()
        .await
        .expect("an answer");
    assert_eq!(posted.status(), 201);
    assert!(location(&posted).starts_with("/ts/api/v1/experiments/"), "{}", location(&posted));

    // A stream comes piece by piece.
    let stream = http.get(format!("{}/api/v1/queue/events", proxy.url)).send().await.expect("an answer");
    assert_eq!(stream.status(), 200);
    let first = tokio::time::timeout(std::time::Duration::from_secs(20), stream.bytes_stream().next()).await;
    assert!(first.is_ok_and(|piece| piece.is_some_and(|p| p.is_ok())), "the queue's first message");

    // Links of both kinds, with the picture that others fetch for them.
    let share = form("/compare/share", format!("runs={run}&frozen=true")).header(header::COOKIE, &cookie);
    let share = location(&share.send().await.expect("an answer"));
    let freeze = form("/experiments/freeze", format!("id={experiment}")).header(header::COOKIE, &cookie);
    let frozen = location(&freeze.send().await.expect("an answer"));
    for link in [&share, &frozen] {
        assert!(link.starts_with("/ts/s/"), "{link}");
        let page = http
            .get(format!("{origin}{link}"))
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("a page");
        let picture = format!("content=\"{origin}{link}/preview.png\"");
        assert!(page.contains(&picture), "{picture}: {page}");
    }
    let back = form(&format!("/runs/{run}/cancel"), String::new())
        .header(header::COOKIE, &cookie)
        .header(header::REFERER, format!("{}/runs?state=running", proxy.url));
    assert_eq!(location(&back.send().await.expect("an answer")), "/ts/runs?state=running");

    let pages =
        ["", "/", "/new", "/runs", "/queue", "/experiments", "/backbones", "/datasets", "/datasets/tiny"];
    let pages: Vec<String> = pages.iter().map(|page| format!("/ts{page}")).chain([share, frozen]).collect();
    everything_leads_below(&proxy, &pages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_takes_the_path_away_and_hides_the_name() {
    behind(Way { strips: true, keeps_host: false }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_passes_everything_on() {
    behind(Way { strips: false, keeps_host: true }).await;
}
