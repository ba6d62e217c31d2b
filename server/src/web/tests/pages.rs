//! Pages, files, charts and the browser bundle.

use super::*;

#[tokio::test]
async fn pages_come_whole_with_safe_headers() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let slug =
        app.post_json("/api/v1/shares", serde_json::json!({"runs": [run]}).to_string()).await.json()["slug"]
            .as_str()
            .unwrap()
            .to_owned();
    let paths = [
        "/".to_owned(),
        "/new".into(),
        "/runs".into(),
        format!("/runs/{run}"),
        format!("/compare?runs={run}"),
        format!("/s/{slug}"),
    ];
    for path in paths {
        let page = app.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        assert!(page.header(header::CONTENT_TYPE).starts_with("text/html"), "{path}");
        assert!(page.text().contains("</html>"), "{path}");
        assert_eq!(page.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(page.header(header::REFERRER_POLICY), "same-origin");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
        let policy = page.header(header::CONTENT_SECURITY_POLICY);
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
        // Every script carries the nonce of this answer, and no element a script or a style of its own.
        let nonce = policy.split("script-src 'nonce-").nth(1).and_then(|p| p.split('\'').next()).unwrap();
        let text = page.text();
        assert!(text.contains(&format!("nonce=\"{nonce}\"")), "{path}: {text}");
        for tag in text.split('<').skip(1).filter_map(|tag| tag.split('>').next()) {
            let runs = tag.starts_with("script") && !tag.contains("application/json");
            assert!(!runs || tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: <{tag}>");
            assert!(!tag.contains(" style=\"") && !tag.contains(" onclick"), "{path}: <{tag}>");
        }
        assert_ne!(
            app.get(&path).await.header(header::CONTENT_SECURITY_POLICY),
            policy,
            "a nonce is used once"
        );
    }
    let board = app.get("/").await.text();
    assert!(board.contains("unet") && board.contains("0.65"), "{board}");
}

#[tokio::test]
async fn a_page_that_is_not_there_says_so() {
    let app = TestApp::new().await;
    for path in ["/nowhere", "/runs/no-such-run", "/s/no-such-link"] {
        let page = app.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.header(header::CONTENT_TYPE).starts_with("text/html"), "{path}");
    }
}

#[tokio::test]
async fn files_of_a_run_and_nothing_else() {
    let app = TestApp::new().await;
    let run = app.start(&[0]).await.remove(0);
    let dir = app.state.data.run(&run);
    std::fs::create_dir_all(dir.join("previews")).unwrap();
    std::fs::write(dir.join("previews/a.png"), b"\x89PNG").unwrap();
    std::fs::write(dir.join("secret.png"), b"no").unwrap();
    let picture = app.get(&format!("/runs/{run}/previews/a.png")).await;
    assert_eq!((picture.status, picture.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/png"));
    for bad in ["..%2Fsecret.png", "b.png", "a.png%00", "%2e%2e%2fsecret.png", "a.txt"] {
        app.get(&format!("/runs/{run}/previews/{bad}")).await.problem(404, "not-found");
    }
    assert_eq!(app.get(&format!("/runs/{run}/log")).await.text(), "");
    std::fs::write(dir.join("worker.log"), "one\ntwo\n").unwrap();
    let log = app.get(&format!("/runs/{run}/log")).await;
    assert_eq!(
        (log.text().as_str(), log.header(header::CONTENT_TYPE)),
        ("one\ntwo\n", "text/plain; charset=utf-8")
    );
    app.get(&format!("/runs/{run}/report.json")).await.problem(404, "not-found");
    std::fs::write(dir.join("report.json"), "{}").unwrap();
    assert_eq!(
        app.get(&format!("/runs/{run}/report.json")).await.header(header::CONTENT_TYPE),
        "application/json"
    );
    app.get("/runs/no-such-run/log").await.problem(404, "not-found");
}

#[tokio::test]
async fn charts_are_pictures() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let queued = app.start(&[1]).await.remove(0);
    for path in [
        format!("/runs/{run}/charts/loss.svg"),
        format!("/runs/{run}/charts/primary.svg?x=step&theme=dark"),
        format!("/runs/{run}/charts/alignment.svg"),
        format!("/runs/{queued}/charts/loss.svg"),
        format!("/compare/charts/val.svg?runs={run},{queued}&metric=val/dice&log=1"),
    ] {
        let chart = app.get(&path).await;
        assert_eq!(chart.status, StatusCode::OK, "{path}: {}", chart.text());
        assert_eq!(chart.header(header::CONTENT_TYPE), "image/svg+xml; charset=utf-8");
        assert!(chart.text().starts_with("<svg"), "{path}");
    }
    app.get(&format!("/runs/{run}/charts/nothing.svg")).await.problem(404, "not-found");
    app.get(&format!("/runs/{run}/charts/loss.gif")).await.problem(404, "not-found");
    app.get("/runs/no-such-run/charts/loss.svg").await.problem(404, "not-found");
    app.get("/compare/charts/val.svg").await.problem(422, "invalid");
    app.get("/compare/charts/val.svg?runs=no-such-run").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_bundle_is_sent_as_it_was_compressed() {
    let site = tempfile::tempdir().unwrap();
    let pkg = site.path().join("pkg");
    std::fs::create_dir_all(&pkg).unwrap();
    let name = "transferscope.0123456789abcdef.wasm";
    std::fs::write(pkg.join(name), b"plain").unwrap();
    std::fs::write(pkg.join(format!("{name}.br")), b"as brotli").unwrap();
    std::fs::write(pkg.join(format!("{name}.gz")), b"as gzip").unwrap();
    let css = "main.0123456789abcdef.css";
    std::fs::write(pkg.join(css), b"a{}").unwrap();
    let manifest = serde_json::json!({"js": "transferscope.js", "wasm": name, "css": css}).to_string();
    std::fs::write(pkg.join("manifest.json"), manifest).unwrap();
    let app = TestApp::with(|state| *state = state.clone().with_site(site.path())).await;
    let get = async |encoding: &str| {
        let request = Request::get(format!("/pkg/{name}")).header(header::ACCEPT_ENCODING, encoding);
        app.send(request.body(Body::empty()).unwrap()).await
    };
    let (br, gz, plain) = (get("gzip, br").await, get("gzip").await, get("identity").await);
    assert_eq!((br.text().as_str(), br.header(header::CONTENT_ENCODING)), ("as brotli", "br"));
    assert_eq!((gz.text().as_str(), gz.header(header::CONTENT_ENCODING)), ("as gzip", "gzip"));
    assert_eq!((plain.text().as_str(), plain.header(header::CONTENT_ENCODING)), ("plain", ""));
    assert_eq!(br.header(header::CONTENT_TYPE), "application/wasm");
    assert_eq!(br.header(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    assert_eq!(app.get("/pkg/manifest.json").await.header(header::CACHE_CONTROL), "no-cache");
    app.get("/pkg/nothing.js").await.problem(404, "not-found");
    app.get("/pkg/..%2Fmanifest.json").await.problem(404, "not-found");
    let page = app.get("/").await.text();
    assert!(page.contains(&format!("/pkg/{css}")) && page.contains(&format!("/pkg/{name}")), "{page}");
}
