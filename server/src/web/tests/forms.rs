//! Plain forms, and who may send them.

use super::*;

const FORM: &str = "name=test&tasks=segmentation&arms=specialist&dataset=tiny&seeds=0%2C1&epochs=2";

#[tokio::test]
async fn a_form_starts_an_experiment_or_goes_back_with_its_fields() {
    let app = TestApp::new().await;
    let answer = app.post_form("/new", FORM).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let experiment = answer.header(header::LOCATION).strip_prefix("/runs?experiment=").unwrap().to_owned();
    let list = app.get(&format!("/api/v1/runs?experiment={experiment}")).await.json();
    assert_eq!(list["runs"].as_array().unwrap().len(), 2);

    let back = app.post_form("/new", &FORM.replace("epochs=2", "epochs=none")).await;
    let to = back.header(header::LOCATION);
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(to.starts_with("/new?") && to.contains("epochs=none") && to.ends_with("checked=1"), "{to}");
    // Right on its own, wrong on this server.
    let back = app.post_form("/new", &FORM.replace("dataset=tiny", "dataset=other")).await;
    assert!(back.header(header::LOCATION).contains("dataset=other"));
    app.post_json("/new", "{}").await.problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn run_and_share_forms_go_where_the_reader_looks_next() {
    let app = TestApp::new().await;
    let run = app.start(&[0]).await.remove(0);
    let cancel = app.post_form(&format!("/runs/{run}/cancel"), "").await;
    assert_eq!(cancel.header(header::LOCATION), format!("/runs/{run}"));
    // The run has ended already: no error for someone whose page was a moment old.
    let from_queue = Request::post(format!("/runs/{run}/cancel"))
        .header(header::REFERER, "http://127.0.0.1:3000/runs?state=queued")
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.send(from_queue).await.header(header::LOCATION), "/runs?state=queued");
    let repeat = app.post_form(&format!("/runs/{run}/repeat"), "").await;
    let new: RunId = repeat.header(header::LOCATION).strip_prefix("/runs/").unwrap().parse().unwrap();
    assert_ne!(new, run);

    let share = app.post_form("/compare/share", &format!("runs={run}%2C{new}&x=step&frozen=true")).await;
    assert_eq!(share.status, StatusCode::SEE_OTHER, "{}", share.text());
    let slug = share.header(header::LOCATION).strip_prefix("/s/").unwrap().to_owned();
    let stored = app.get(&format!("/api/v1/shares/{slug}")).await.json();
    assert_eq!((stored["frozen"].as_bool(), stored["view"]["x"].as_str()), (Some(true), Some("step")));
    assert_eq!(stored["runs"].as_array().unwrap().len(), 2);
    app.post_form("/compare/share", "x=step").await.problem(422, "invalid");
    app.post_form("/runs/no-such-run/repeat", "").await.problem(404, "not-found");
}

#[tokio::test]
async fn other_sites_cannot_write() {
    let app = TestApp::new().await;
    let post = |name: &'static str, value: &'static str| {
        Request::post("/new")
            .header(header::HOST, "127.0.0.1:3000")
            .header(name, value)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(FORM))
            .unwrap()
    };
    app.send(post("sec-fetch-site", "cross-site")).await.problem(403, "cross-site");
    app.send(post("origin", "http://127.0.0.1:8000")).await.problem(403, "cross-site");
    app.send(post("origin", "null")).await.problem(403, "cross-site");
    assert_eq!(app.send(post("sec-fetch-site", "same-origin")).await.status, StatusCode::SEE_OTHER);
    // Reading is open to all.
    let read =
        Request::get("/api/v1/runs").header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap();
    assert_eq!(app.send(read).await.status, StatusCode::OK);
}

#[tokio::test]
async fn with_a_token_writing_needs_it_and_reading_does_not() {
    let app = TestApp::with(|state| state.token = Some("secret".into())).await;
    let json = |bearer: Option<&str>| {
        let mut request =
            Request::post("/api/v1/experiments").header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(Body::from(spec(&[0]).to_string())).unwrap()
    };
    let refused = app.send(json(None)).await;
    refused.problem(401, "unauthorized");
    assert_eq!(refused.header(header::WWW_AUTHENTICATE), "Bearer");
    app.send(json(Some("guess"))).await.problem(401, "unauthorized");
    assert_eq!(app.send(json(Some("secret"))).await.status, StatusCode::CREATED);
    assert_eq!(app.get("/api/v1/runs").await.status, StatusCode::OK);

    // A browser is asked, sends the token with the form once, and has a cookie from then on.
    let asked = app.post_form("/new", FORM).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(asked.header(header::CONTENT_TYPE).starts_with("text/html"));
    assert!(asked.text().contains("name=\"seeds\" value=\"0,1\""), "{}", asked.text());
    let wrong = app.post_form("/new", &format!("{FORM}&token=guess")).await;
    assert!(wrong.status == StatusCode::UNAUTHORIZED && wrong.text().contains("not the token"));
    let sent = app.post_form("/new", &format!("{FORM}&token=secret")).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let cookie = sent.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    assert!(sent.header(header::SET_COOKIE).contains("HttpOnly; SameSite=Lax"));
    assert!(!sent.header(header::LOCATION).contains("secret") && !cookie.contains("secret"));
    let again = Request::post("/new")
        .header(header::COOKIE, format!("theme=dark; {cookie}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(FORM))
        .unwrap();
    assert_eq!(app.send(again).await.status, StatusCode::SEE_OTHER);
}
