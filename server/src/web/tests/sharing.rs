//! Links that were given away: old ones keep opening, frozen ones leave as a file, revoked ones say so.

use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};

use super::*;
use crate::web::reach::Reach;

/// Links and rows as earlier versions made them. Lines are added here and never taken away; `{run}` and `{experiment}`
/// stand for those that this server has.
const GOLDEN: &str = include_str!("golden_links.json");

#[tokio::test]
async fn every_link_ever_made_keeps_opening() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let experiment = app.get(&format!("/api/v1/runs/{run}")).await.json()["experiment"].clone();
    let golden = GOLDEN.replace("{run}", run.as_str()).replace("{experiment}", experiment.as_str().unwrap());
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let file = format!("sqlite://{}", app.state.data.database().display());
    let mut database = SqliteConnection::connect(&file).await.unwrap();
    for share in golden["shares"].as_array().unwrap() {
        sqlx::query(
            "insert into shares (slug, schema, frozen, created_ms, view, runs, data, content_hash)
            values (?, ?, ?, 1764000100000, ?, ?, ?, ?)",
        )
        .bind(share["slug"].as_str())
        .bind(share["schema"].as_i64())
        .bind(share["data"].is_string())
        .bind(share["view"].to_string())
        .bind(share["runs"].to_string())
        .bind(share["data"].as_str())
        .bind(share["content_hash"].as_str())
        .execute(&mut database)
        .await
        .unwrap();
    }
    for snapshot in golden["snapshots"].as_array().unwrap() {
        sqlx::query(
            "insert into snapshots (slug, schema, title, experiments, created_ms, html, picture, data, content_hash)
            values (?, ?, ?, ?, 1764000100000, ?, ?, ?, ?)",
        )
        .bind(snapshot["slug"].as_str())
        .bind(snapshot["schema"].as_i64())
        .bind(snapshot["title"].as_str())
        .bind(snapshot["experiments"].to_string())
        .bind(snapshot["html"].as_str())
        .bind(snapshot["picture"].as_str())
        .bind(snapshot["data"].as_str())
        .bind(snapshot["content_hash"].as_str())
        .execute(&mut database)
        .await
        .unwrap();
    }
    for link in golden["links"].as_array().unwrap() {
        let link = link.as_str().unwrap();
        let page = app.get(link).await;
        assert_eq!(page.status, StatusCode::OK, "{link}: {}", page.text());
    }
    let frozen = app.get("/s/golden-frozen").await.text();
    assert!(frozen.contains("Frozen") && frozen.contains("0.625"), "{frozen}");
    let file = app.get("/s/golden-frozen/export.html").await;
    assert_eq!(file.status, StatusCode::OK, "{}", file.text());
    assert!(file.header(header::CONTENT_DISPOSITION).contains("transferscope-golden-frozen.html"));
    assert!(file.text().contains("<svg") && !file.text().contains("href="));
    let kept = app.get("/s/golden-snapshot").await.text();
    assert!(kept.contains("<h1>An old study</h1>") && kept.contains("Download as one file"), "{kept}");
    assert!(!app.get("/s/golden-snapshot/export.html").await.text().contains("href=\"/"));
    let numbers = app.get("/api/v1/snapshots/golden-snapshot").await.json();
    assert_eq!(numbers["data"]["analysis"]["counts"]["planned"], 2);
    app.get("/s/golden-live/export.html").await.problem(409, "conflict");
    app.get("/s/no-such-link/export.html").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_revoked_link_says_so() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let share = app.post_form("/compare/share", &format!("runs={run}&frozen=true")).await;
    let link = share.header(header::LOCATION).to_owned();
    let page = app.get(&link).await.text();
    assert!(page.contains(&format!("action=\"{link}/revoke\"")), "{page}");
    for _ in 0..2 {
        let answer = app.post_form(&format!("{link}/revoke"), "").await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, link.as_str()));
    }
    let page = app.get(&link).await;
    assert_eq!(page.status, StatusCode::GONE);
    assert!(page.text().contains("Revoked"), "{}", page.text());
    app.get(&format!("{link}/export.html")).await.problem(410, "gone");
    app.get(&format!("/api/v1/shares{}", &link[2..])).await.problem(410, "gone");
    app.post_form("/s/no-such-link/revoke", "").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_run_leaves_as_an_event_file() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let file = app.get(&format!("/runs/{run}/tensorboard")).await;
    assert_eq!(file.status, StatusCode::OK);
    assert!(file.header(header::CONTENT_DISPOSITION).contains("events.out.tfevents."));
    let has = |text: &[u8]| file.body.windows(text.len()).any(|w| w == text);
    assert!(has(b"brain.Event:2") && has(b"val/dice") && has(b"train/loss"));
    app.get("/runs/no-such-run/tensorboard").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_link_unfurls_with_a_picture() {
    let named = |reach: &mut Reach| reach.names = vec!["scope.example".parse().unwrap()];
    let app = TestApp::with(|state| named(Arc::make_mut(&mut state.reach))).await;
    let run = app.finished().await;
    let share = app.post_form("/compare/share", &format!("runs={run}&frozen=true&x=step")).await;
    let link = share.header(header::LOCATION).to_owned();
    let request = Request::get(&link).header(header::HOST, "scope.example:3000").body(Body::empty()).unwrap();
    let page = app.send(request).await.text();
    let picture = format!("http://scope.example:3000{link}/preview.png");
    assert!(page.contains(&format!("content=\"{picture}\"")), "{page}");
    let file = app.get(&format!("{link}/preview.png")).await;
    assert_eq!((file.status, file.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/png"));
    assert!(file.body.starts_with(b"\x89PNG"));
    app.get("/s/no-such-link/preview.png").await.problem(404, "not-found");
}

#[tokio::test]
async fn charts_come_as_drawing_and_as_bitmap() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    for (path, kind) in [("loss.svg", "image/svg+xml; charset=utf-8"), ("loss.png", "image/png")] {
        let file = app.get(&format!("/runs/{run}/charts/{path}?theme=dark")).await;
        assert_eq!((file.status, file.header(header::CONTENT_TYPE)), (StatusCode::OK, kind), "{path}");
    }
    let compared = app.get(&format!("/compare/charts/all.png?runs={run}&seeds=1")).await;
    assert!(compared.body.starts_with(b"\x89PNG"));
    app.get(&format!("/runs/{run}/charts/loss.gif")).await.problem(404, "not-found");
}

/// A page of an experiment is kept as it was: the next run changes the page and not the link.
#[tokio::test]
async fn a_frozen_experiment_stays_as_it_was_and_leaves_as_a_file() {
    let app = TestApp::new().await;
    let created = app.post_json("/api/v1/experiments", spec(&[0, 7]).to_string()).await.json();
    let id = created["id"].as_str().unwrap().to_owned();
    let page = format!("/experiments/{id}");
    assert!(app.get(&page).await.text().contains("action=\"/experiments/freeze\""));
    let answer = app.post_form("/experiments/freeze", &format!("id={id}&layer=first&against=scratch")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let link = answer.header(header::LOCATION).to_owned();
    let api = format!("/api/v1/snapshots{}", &link[2..]);

    let first: RunId = created["runs"][0]["id"].as_str().unwrap().parse().unwrap();
    let end = EventBody::Finished { step: 4, seconds: 2.0, peak_memory_bytes: 1 };
    app.say(&first, [started(), metric("test/dice", 4, 0.65), end]).await;
    assert!(app.get(&page).await.text().contains("1 of 2 runs have a result"));
    let kept = app.get(&link).await;
    assert_eq!(kept.status, StatusCode::OK);
    for words in ["0 of 2 runs have a result", "og:title", "Download as one file", &format!("{link}/revoke")]
    {
        assert!(kept.text().contains(words), "{words}: {}", kept.text());
    }
    for asks in ["<button type=\"submit\" class=\"button\">Show", "/export/table.csv", "hydrate"] {
        assert!(!kept.text().contains(asks), "{asks}");
    }
    let data = app.get(&api).await.json();
    assert_eq!(data["data"]["analysis"]["counts"]["open"], 2);
    assert_eq!(data["data"]["analysis"]["choice"]["layer"], "first");
    assert!(app.get(&page).await.text().contains(&format!("href=\"{link}\"")), "the page lists its links");
    assert_eq!(app.get(&format!("{link}/preview.png")).await.header(header::CONTENT_TYPE), "image/png");

    let file = app.get(&format!("{link}/export.html")).await.text();
    assert!(!file.contains(" href=\"/") && !file.contains("src=") && !file.contains("<form"), "{file}");
    let (_, json) = file.split_once("id=\"snapshot\">").unwrap();
    let json: Value = serde_json::from_str(json.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(json, data["data"]);

    app.post_form(&format!("{link}/revoke"), "").await;
    assert_eq!(app.get(&link).await.status, StatusCode::GONE);
    app.get(&api).await.problem(410, "gone");
    app.get(&format!("{link}/export.html")).await.problem(410, "gone");
}

#[tokio::test]
async fn experiments_side_by_side_are_frozen_together_and_a_wrong_choice_is_refused() {
    let app = TestApp::new().await;
    let create = async || app.post_json("/api/v1/experiments", spec(&[0]).to_string()).await.json();
    let (one, other) = (create().await, create().await);
    let ids = [one["id"].as_str().unwrap(), other["id"].as_str().unwrap()];
    let body = serde_json::json!({ "experiments": ids });
    let created = app.post_json("/api/v1/snapshots", body.to_string()).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    let link = created.header(header::LOCATION).to_owned();
    let page = app.get(&link).await.text();
    assert!(page.contains("Experiments compared"), "{page}");
    for asks in ["Make a frozen link", "use as the reference"] {
        assert!(!page.contains(asks), "{asks}: {page}");
    }
    let live = app.get(&format!("/experiments/compare?id={}&id={}", ids[0], ids[1])).await.text();
    assert!(live.contains(&format!("href=\"{link}\"")), "{live}");
    app.get(&format!("{link}/preview.png")).await.problem(404, "not-found");
    for (body, status, kind) in [
        (serde_json::json!({ "experiments": [] }), 422, "invalid"),
        (serde_json::json!({ "experiments": [ids[0]], "view": {"layer": "deep"} }), 422, "invalid"),
        (serde_json::json!({ "experiments": [ids[0], ids[0]] }), 422, "invalid"),
        (serde_json::json!({ "experiments": ["no-such-thing"] }), 404, "not-found"),
    ] {
        app.post_json("/api/v1/snapshots", body.to_string()).await.problem(status, kind);
    }
}

/// A finished run with scores of two patients and a picture of one.
async fn run_with_patients(app: &TestApp) -> RunId {
    let run = app.start(&[0]).await.remove(0);
    let case = |case: &str, patient: &str, dice: f64| {
        let scores = serde_json::json!({"dice": dice, "truth": 1.0, "probability": 0.875});
        serde_json::json!({"case_id": case, "patient_id": patient, "split": "test", "scores": scores})
    };
    let report = serde_json::json!({
        "schema": 1, "request": app.state.store.request(&run).await.unwrap(), "device": "CPU", "parameters": 10,
        "metrics": {"test/dice": 0.5}, "best_epoch": 2.0, "alignment": [], "load_report": null, "left_out": [],
        "cases": [case("smith-2019", "mrn-4711", 0.25), case("jones-2020", "mrn-4712", 0.75)],
        "seconds": 1.0, "peak_memory_bytes": 1, "synthetic_data": false,
    });
    let preview = EventBody::Preview {
        step: 4,
        epoch: 2.0,
        case_id: "smith-2019".into(),
        file: "smith-2019.png".into(),
        caption: "input".into(),
    };
    app.say(&run, [started(), metric("val/dice", 4, 0.7), preview]).await;
    app.state
        .store
        .record(&run, RecordBatch::report(&serde_json::from_value(report).unwrap()))
        .await
        .unwrap();
    app.say(&run, [EventBody::Finished { step: 4, seconds: 2.0, peak_memory_bytes: 1000 }]).await;
    run
}

const SECRETS: [&str; 5] = ["smith-2019", "mrn-471", "\"truth\"", "probability", "smith-2019.png"];

#[tokio::test]
async fn patients_leave_by_a_link_only_when_its_maker_ticked_so() {
    let app = TestApp::new().await;
    let run = run_with_patients(&app).await;
    for frozen in ["true", "false"] {
        let share = app.post_form("/compare/share", &format!("runs={run}&frozen={frozen}")).await;
        let link = share.header(header::LOCATION).to_owned();
        let stored = app.get(&format!("/api/v1/shares{}", &link[2..])).await;
        assert_eq!(stored.json()["include_patients"], false);
        let page = app.get(&link).await.text();
        assert!(page.contains("Patient data are left out"), "{page}");
        let mut texts = vec![stored.text(), page];
        if frozen == "true" {
            texts.push(app.get(&format!("{link}/export.html")).await.text());
            assert_eq!(stored.json()["data"]["cases"][0][0]["case_id"], "case 1");
            assert_eq!(stored.json()["data"]["cases"][0][1]["scores"]["dice"], 0.25, "scores stay");
        }
        for (secret, text) in SECRETS.iter().flat_map(|s| texts.iter().map(move |t| (s, t))) {
            assert!(!text.contains(secret), "{secret} in {frozen}: {text}");
        }
    }
    let share =
        app.post_form("/compare/share", &format!("runs={run}&frozen=true&include_patients=true")).await;
    let link = share.header(header::LOCATION).to_owned();
    let stored = app.get(&format!("/api/v1/shares{}", &link[2..])).await;
    assert_eq!(stored.json()["data"]["cases"][0][1]["case_id"], "smith-2019");
    assert_eq!(
        (&stored.json()["view"], &stored.json()["include_patients"]),
        (&serde_json::json!({}), &Value::Bool(true))
    );
    assert!(app.get(&link).await.text().contains("It shows patient data"));
    let body = serde_json::json!({"runs": [run], "frozen": true, "include_patients": true});
    let created = app.post_json("/api/v1/shares", body.to_string()).await.json();
    let stored = app.get(&format!("/api/v1/shares/{}", created["slug"].as_str().unwrap())).await.text();
    assert!(stored.contains("mrn-4711"), "{stored}");
}

#[tokio::test]
async fn a_link_tells_what_failed_and_not_where() {
    let app = TestApp::new().await;
    let created = app.post_json("/api/v1/experiments", spec(&[0]).to_string()).await.json();
    let run: RunId = created["runs"][0]["id"].as_str().unwrap().parse().unwrap();
    let message = "/data/jane/prostate/smith-2019/t2w.nii.gz: cut off";
    let failure = Failure::new(FailureKind::BadData, message).with_hint("Look at /data/jane.");
    app.say(&run, [EventBody::Failed { failure }]).await;
    let shown = app.get(&format!("/api/v1/runs/{run}")).await.text();
    assert!(shown.contains("/data/jane/prostate"), "its own people see where: {shown}");
    let share = app.post_form("/compare/share", &format!("runs={run}&frozen=true")).await;
    let snapshot =
        app.post_form("/experiments/freeze", &format!("id={}", created["id"].as_str().unwrap())).await;
    for link in [share, snapshot].map(|a| a.header(header::LOCATION).to_owned()) {
        for path in [link.clone(), format!("{link}/export.html")] {
            let text = app.get(&path).await.text();
            assert!(!text.contains("jane") && !text.contains("smith"), "{path}: {text}");
            assert!(text.contains("The data could not be used."), "{path}: {text}");
        }
    }
}

/// A link of before anybody was asked stays as it is, with its hash, and says what it shows.
#[tokio::test]
async fn a_link_of_before_keeps_its_content_and_says_so() {
    let app = TestApp::new().await;
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let share = golden["shares"].as_array().unwrap().iter().find(|s| s["slug"] == "golden-frozen").unwrap();
    let file = format!("sqlite://{}", app.state.data.database().display());
    let mut database = SqliteConnection::connect(&file).await.unwrap();
    sqlx::query("insert into shares (slug, schema, frozen, created_ms, view, runs, data, content_hash) values ('old-link', ?, 1, 5, '{}', '[]', ?, ?)")
        .bind(share["schema"].as_i64())
        .bind(share["data"].as_str())
        .bind(share["content_hash"].as_str())
        .execute(&mut database)
        .await
        .unwrap();
    let stored = app.get("/api/v1/shares/old-link").await.json();
    assert_eq!(
        (&stored["include_patients"], &stored["content_hash"]),
        (&Value::Bool(true), &share["content_hash"])
    );
    let page = app.get("/s/old-link").await.text();
    assert!(page.contains("It shows patient data"), "{page}");
}

/// An old address of a comparison outlives one of its runs.
#[tokio::test]
async fn what_is_gone_is_named_and_the_others_are_compared() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let page = app.get(&format!("/compare?runs={run},zzzzzzzzzz")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains("Not found: zzzzzzzzzz. The others are compared."), "{}", page.text());
    assert!(page.text().contains(run.as_str()));
    let chart = app.get(&format!("/compare/charts/val.svg?runs={run},zzzzzzzzzz&metric=val/dice")).await;
    assert_eq!(chart.status, StatusCode::OK, "{}", chart.text());
    assert_eq!(app.get("/compare?runs=zzzzzzzzzz").await.status, StatusCode::NOT_FOUND);
    // What is kept for ever is what was asked for.
    let body = serde_json::json!({"runs": [run, "zzzzzzzzzz"], "frozen": true});
    app.post_json("/api/v1/shares", body.to_string()).await.problem(404, "not-found");

    let create =
        async || app.post_json("/api/v1/experiments", spec(&[0]).to_string()).await.json()["id"].clone();
    let (one, other) = (create().await, create().await);
    let ids = format!("id={}&id=zzzzzzzzzz&id={}", one.as_str().unwrap(), other.as_str().unwrap());
    let page = app.get(&format!("/experiments/compare?{ids}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains("Not found: zzzzzzzzzz. The others are compared."), "{}", page.text());
    let answer = app.get(&format!("/api/v1/comparisons?{ids}")).await;
    assert_eq!((answer.status, answer.header("x-missing")), (StatusCode::OK, "zzzzzzzzzz"));
    let alone = app.get(&format!("/api/v1/comparisons?id={}&id=zzzzzzzzzz", one.as_str().unwrap())).await;
    assert!(alone.problem(404, "not-found")["detail"].as_str().unwrap().contains("zzzzzzzzzz"));
    let body = serde_json::json!({ "experiments": [one, "zzzzzzzzzz", other] });
    app.post_json("/api/v1/snapshots", body.to_string()).await.problem(404, "not-found");
}
