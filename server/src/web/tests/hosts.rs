//! By which names the server may be asked, who may read, and what a proxy does to addresses.

use std::{net::SocketAddr, sync::Arc};

use super::*;
use crate::web::reach::Reach;

fn at(addr: &str, change: impl FnOnce(&mut Reach)) -> impl FnOnce(&mut AppState) {
    let addr: SocketAddr = addr.parse().unwrap();
    move |state| {
        let mut reach = Reach::at(addr);
        change(&mut reach);
        state.reach = Arc::new(reach);
    }
}

fn get(path: &str, host: &str) -> Request<Body> {
    Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap()
}

const FORM: &str = "name=test&tasks=segmentation&arms=specialist&dataset=tiny&seeds=0&epochs=2";

fn post(path: &str, host: &str, origin: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header(header::HOST, host)
        .header(header::ORIGIN, origin)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// A page of another site can make its own name lead to this machine.
#[tokio::test]
async fn loopback_answers_nobody_by_a_name_that_is_not_its_own() {
    let app = TestApp::with(at("127.0.0.1:3000", |_| ())).await;
    let run = app.finished().await;
    let evil = "evil.example:3000";
    let paths = [
        "/".to_owned(),
        "/runs".into(),
        format!("/runs/{run}"),
        "/api/v1/runs".into(),
        "/api/v1/health".into(),
        "/api/v1/queue/events".into(),
        "/fn/datasets".into(),
        "/pkg/manifest.json".into(),
        format!("/runs/{run}/charts/loss.svg"),
        "/api/v1/datasets/tiny/cases/case-test/slices/0.png".into(),
        "/nowhere".into(),
    ];
    for path in &paths {
        let problem = app.send(get(path, evil)).await.problem(421, "host-not-allowed");
        assert!(problem["detail"].as_str().unwrap().contains("--allow-host evil.example"), "{problem}");
    }
    let same_site = || {
        Request::post("/api/v1/experiments")
            .header(header::HOST, evil)
            .header(header::ORIGIN, "http://evil.example:3000")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/json")
    };
    app.send(same_site().body(spec(&[0]).to_string().into()).unwrap()).await.problem(421, "host-not-allowed");
    for own in ["localhost:3000", "LOCALHOST", "127.0.0.1:8080", "[::1]:3000", "localhost.:3000"] {
        assert_eq!(app.send(get("/api/v1/runs", own)).await.status, StatusCode::OK, "{own}");
    }
    let none = Request::get("/api/v1/runs").body(Body::empty()).unwrap();
    app.send_as_is(none).await.problem(400, "bad-host");
    let two = Request::get("/api/v1/runs").header(header::HOST, "localhost").header(header::HOST, evil);
    app.send_as_is(two.body(Body::empty()).unwrap()).await.problem(400, "bad-host");
    app.send(get("/api/v1/runs", "user@localhost")).await.problem(400, "bad-host");
    let absolute = get("http://evil.example/api/v1/runs", "localhost");
    app.send(absolute).await.problem(421, "host-not-allowed");
    let absolute = get("http://localhost:3000/api/v1/runs", "localhost:3000");
    assert_eq!(app.send(absolute).await.status, StatusCode::OK);
}

#[tokio::test]
async fn names_that_were_allowed_are_answered() {
    let app = TestApp::with(at("127.0.0.1:3000", |r| r.names = vec!["lab.example".parse().unwrap()])).await;
    assert_eq!(app.send(get("/runs", "lab.example:81")).await.status, StatusCode::OK);
    let sent = app.send(post("/new", "lab.example:81", "http://lab.example:81", FORM)).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    app.send(post("/new", "lab.example:81", "http://evil.example", FORM)).await.problem(403, "cross-site");
}

/// nginx asks for its own target unless it is told otherwise, and a page over plain HTTP says no more than its origin.
#[tokio::test]
async fn a_proxy_that_hides_the_name_is_accepted_or_told_of_the_setting() {
    let form = || post("/new", "127.0.0.1:3000", "http://lab.example:8080", FORM);
    let app = TestApp::with(at("127.0.0.1:3000", |_| ())).await;
    let problem = app.send(form()).await.problem(403, "cross-site");
    let words = problem["detail"].as_str().unwrap();
    assert!(words.contains("--public-url http://lab.example:8080"), "{words}");

    let public = |r: &mut Reach| r.public = Some("http://lab.example:8080/ts".parse().unwrap());
    let app = TestApp::with(at("127.0.0.1:3000", public)).await;
    for (path, seed) in [("/new", "0"), ("/ts/new", "1")] {
        let form = FORM.replace("seeds=0", &format!("seeds={seed}"));
        let sent = app.send(post(path, "127.0.0.1:3000", "http://lab.example:8080", &form)).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
        assert!(sent.header(header::LOCATION).starts_with("/ts/runs?experiment="), "{:?}", sent.headers);
    }
    app.send(post("/new", "127.0.0.1:3000", "http://evil.example", FORM)).await.problem(403, "cross-site");
    // Base taken away by the proxy or not, the routes are the same.
    for path in ["/api/v1/runs", "/ts/api/v1/runs"] {
        assert_eq!(app.get(path).await.json()["runs"].as_array().unwrap().len(), 2, "{path}");
    }
    assert_eq!(app.get("/tsunami").await.status, StatusCode::NOT_FOUND);
    let run: RunId = app.get("/api/v1/runs").await.json()["runs"][0]["id"].as_str().unwrap().parse().unwrap();
    let back = Request::post(format!("/runs/{run}/cancel"))
        .header(header::REFERER, "http://lab.example:8080/ts/runs?state=queued")
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.send(back).await.header(header::LOCATION), "/ts/runs?state=queued");
}

/// On a shared machine loopback is not one person's own.
#[tokio::test]
async fn reading_needs_the_token_where_it_was_closed() {
    let closed = at("127.0.0.1:3000", |r| r.reading_is_open = false);
    let app = TestApp::with(|state| {
        closed(state);
        state.token = Some("secret".into());
    })
    .await;
    for path in ["/api/v1/runs", "/fn/datasets", "/runs", "/api/v1/queue/events", "/pkg/manifest.json"] {
        app.get(path).await.problem(401, "unauthorized");
    }
    assert_eq!(app.get("/api/v1/health").await.status, StatusCode::OK);
    let bearer = Request::get("/api/v1/runs").header(header::AUTHORIZATION, "Bearer secret");
    assert_eq!(app.send(bearer.body(Body::empty()).unwrap()).await.status, StatusCode::OK);

    // A person is asked, and comes to the page that was wanted.
    let page = Request::get("/runs?state=queued")
        .header(header::ACCEPT, "text/html,*/*")
        .body(Body::empty())
        .unwrap();
    let asked = app.send(page).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(
        asked.text().contains("action=\"/sign-in\"") && asked.text().contains("value=\"/runs?state=queued\"")
    );
    assert!(asked.header(header::CONTENT_SECURITY_POLICY).contains("style-src 'nonce-"));
    let wrong = app.post_form("/sign-in", "to=%2Fruns&token=guess").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let sent = app.post_form("/sign-in", "to=%2Fruns%3Fstate%3Dqueued&token=secret").await;
    assert_eq!((sent.status, sent.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/runs?state=queued"));
    let cookie = sent.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("transferscope_3000="), "{cookie}");
    let read = Request::get("/runs").header(header::COOKIE, &cookie).body(Body::empty()).unwrap();
    assert_eq!(app.send(read).await.status, StatusCode::OK);
    // The token itself is no cookie: what goes to every port of this machine must not serve programs.
    let token = Request::get("/runs")
        .header(header::COOKIE, "transferscope_3000=secret")
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.send(token).await.status, StatusCode::UNAUTHORIZED);
    for away in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example", "%2F%0Aevil"] {
        let sent = app.post_form("/sign-in", &format!("to={away}&token=secret")).await;
        assert_eq!(sent.header(header::LOCATION), "/", "{away}");
    }
}

#[tokio::test]
async fn where_others_reach_it_names_are_taken_until_some_are_given() {
    let app = TestApp::with(at("0.0.0.0:3000", |_| ())).await;
    assert_eq!(app.send(get("/runs", "lab.example:3000")).await.status, StatusCode::OK);
    let app = TestApp::with(at("0.0.0.0:3000", |r| r.names = vec!["lab.example".parse().unwrap()])).await;
    for ours in ["lab.example:3000", "10.1.2.3:3000", "localhost:3000"] {
        assert_eq!(app.send(get("/runs", ours)).await.status, StatusCode::OK, "{ours}");
    }
    app.send(get("/runs", "evil.example:3000")).await.problem(421, "host-not-allowed");
}

/// People who have not shown the token see what failed, and which file of the data, but not where others lie.
#[tokio::test]
async fn strangers_see_no_folders_of_the_machine() {
    let app = TestApp::with(|state| *state = state.clone().with_token("secret".into())).await;
    let post = Request::post("/api/v1/experiments")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, "Bearer secret")
        .body(Body::from(spec(&[0]).to_string()))
        .unwrap();
    let created = app.send(post).await.json();
    let run: RunId = created["runs"][0]["id"].as_str().unwrap().parse().unwrap();
    let folder = app.state.data.run(&run);
    let words = format!("/home/jane/x.pth: no checkpoint; see {}", folder.join("worker.log").display());
    let failure = Failure::new(FailureKind::BadCheckpoint, words.clone());
    app.say(&run, [log_line(&words), EventBody::Failed { failure }]).await;
    std::fs::write(folder.join("worker.log"), format!("{words}\nsecond line\n")).unwrap();
    let experiment = created["id"].as_str().unwrap();
    let paths = [
        format!("/api/v1/runs/{run}"),
        "/api/v1/runs".into(),
        format!("/api/v1/experiments/{experiment}"),
        format!("/api/v1/runs/{run}/events"),
        format!("/runs/{run}"),
        "/runs".into(),
        format!("/experiments/{experiment}"),
        format!("/compare?runs={run}"),
        format!("/fn/compare?runs={run}"),
        format!("/runs/{run}/log"),
    ];
    for path in paths {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(!answer.text().contains("/home/jane"), "{path}: {}", answer.text());
    }
    let log = app.get(&format!("/runs/{run}/log")).await.text();
    assert_eq!(log, format!("…/x.pth: no checkpoint; see runs/{run}/worker.log\nsecond line\n"));
    let whole = Request::get(format!("/runs/{run}/log")).header(header::AUTHORIZATION, "Bearer secret");
    assert!(app.send(whole.body(Body::empty()).unwrap()).await.text().contains("/home/jane/x.pth"));
}
