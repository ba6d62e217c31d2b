//! The JSON API and its exports.

use serde_json::json;

use super::*;
use crate::queue::request_file;

#[tokio::test]
async fn an_experiment_becomes_rows_and_directories() {
    let app = TestApp::new().await;
    let answer = app.post_json("/api/v1/experiments", spec(&[0, 7]).to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let created = answer.json();
    let id = created["id"].as_str().unwrap();
    assert_eq!(answer.header(header::LOCATION), format!("/api/v1/experiments/{id}"));
    let runs = created["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[1]["arm"].as_str(), runs[1]["seed"].as_u64()), (Some("specialist"), Some(7)));

    let run: RunId = runs[0]["id"].as_str().unwrap().parse().unwrap();
    let dir = app.state.data.run(&run);
    let request: Value =
        serde_json::from_slice(&std::fs::read(dir.join(request_file::FILE)).unwrap()).unwrap();
    assert_eq!(request["dataset_hash"], "hash-of-tiny");
    assert_eq!(request["training"]["epochs"], 2);
    assert_eq!(request["training"]["lr"], 1e-3);
    assert_eq!(request["device"], "cpu");
    assert!(dir.join(request["dataset_dir"].as_str().unwrap()).join("dataset.json").is_file());

    let shown = app.get(answer.header(header::LOCATION)).await.json();
    assert_eq!(shown["runs"].as_array().unwrap().len(), 2);
    assert_eq!(shown["runs"][0]["state"], "queued");
    assert_eq!(shown["runs"][0]["synthetic"], true);
    let list = app.get("/api/v1/experiments").await.json();
    assert_eq!(
        (list["experiments"][0]["id"].as_str(), list["experiments"][0]["runs"].as_u64()),
        (Some(id), Some(2))
    );
}

#[tokio::test]
async fn a_wrong_experiment_is_refused_by_field_and_leaves_nothing() {
    let app = TestApp::new().await;
    let post = async |change: Value| {
        let mut body = spec(&[0]);
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        app.post_json("/api/v1/experiments", body.to_string()).await
    };
    let problem = post(json!({"dataset": "none", "epochs": 0, "seeds": []})).await.problem(422, "invalid");
    for field in ["dataset", "epochs", "seeds"] {
        assert!(problem["errors"][field].is_string(), "{field}: {problem}");
    }
    assert!(problem["errors"]["dataset"].as_str().unwrap().contains("tiny"));
    // Values of a wrong kind and names that are not known are named too.
    let problem = post(json!({"epochs": "ten"})).await.problem(422, "invalid");
    assert!(problem["errors"]["epochs"].as_str().unwrap().contains("ten"), "{problem}");
    let problem = post(json!({"overrides": {"learning_rate": 1}})).await.problem(422, "invalid");
    assert!(problem["errors"].to_string().contains("learning_rate"), "{problem}");
    let problem = post(json!({"tasks": ["juggling"]})).await.problem(422, "invalid");
    assert!(problem["errors"]["tasks[0]"].is_string(), "{problem}");
    let problem = post(json!({"backbones": ["nothing"], "arms": ["scratch"]})).await.problem(422, "invalid");
    assert!(problem["errors"]["backbones"].is_string(), "{problem}");

    app.post_json("/api/v1/experiments", "{\"name\": ").await.problem(400, "bad-request");
    app.post_json("/api/v1/experiments", "").await.problem(400, "bad-request");
    app.post_json("/api/v1/experiments", vec![b' '; 3 << 20]).await.problem(413, "too-large");
    app.post_form("/api/v1/experiments", "a=b").await.problem(415, "unsupported-media-type");
    assert_eq!(std::fs::read_dir(app.state.data.runs()).unwrap().count(), 0);
    assert_eq!(app.get("/api/v1/runs").await.json()["runs"], json!([]));
}

#[tokio::test]
async fn runs_are_listed_page_by_page() {
    let app = TestApp::new().await;
    let ids = app.start(&[0, 1, 2]).await;
    let first = app.get("/api/v1/runs?limit=2&state=queued&task=&dataset=tiny").await.json();
    assert_eq!(first["runs"][0]["id"], ids[2].as_str());
    assert_eq!(first["runs"][0]["queue_position"], 3);
    let next = format!("/api/v1/runs?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = app.get(&next).await.json();
    assert_eq!(second["runs"].as_array().unwrap().len(), 1);
    assert_eq!(second["next_cursor"], Value::Null);

    let problem = app.get("/api/v1/runs?state=asleep&limit=0&colour=red").await.problem(422, "invalid");
    for field in ["state", "limit", "colour"] {
        assert!(problem["errors"][field].is_string(), "{field}: {problem}");
    }
    app.get("/api/v1/runs?cursor=x").await.problem(422, "invalid");
    app.get("/api/v1/runs?limit=1&limit=2").await.problem(422, "invalid");
}

#[tokio::test]
async fn a_run_shows_its_values() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let detail = app.get(&format!("/api/v1/runs/{run}")).await.json();
    assert_eq!(detail["state"], "succeeded");
    assert_eq!(detail["primary"], json!({"name": "test/dice", "value": 0.65, "direction": "higher"}));
    assert_eq!(detail["metrics"]["val/dice"], 0.7);
    assert_eq!(detail["last_seq"], 9);
    let curve = app.get(&format!("/api/v1/runs/{run}/metrics?name=val/dice&max_points=500")).await.json();
    assert_eq!(curve["name"], "val/dice");
    let points = curve["points"].as_array().unwrap();
    assert_eq!(
        (points.len(), &points[1][0], &points[1][1], &points[1][3]),
        (2, &json!(4), &json!(2.0), &json!(0.7))
    );
    app.get(&format!("/api/v1/runs/{run}/metrics")).await.problem(422, "invalid");
    app.get(&format!("/api/v1/runs/{run}/metrics?name=val/dice&max_points=1")).await.problem(422, "invalid");
    let alignment = app.get(&format!("/api/v1/runs/{run}/alignment")).await.json();
    assert_eq!((alignment["kernel"].as_str(), &alignment["values"]), (Some("rbf"), &json!([])));
    assert_eq!(app.get(&format!("/api/v1/runs/{run}/cases")).await.json()["cases"], json!([]));

    let csv = app.get(&format!("/api/v1/runs/{run}/metrics.csv?name=val/dice")).await;
    assert_eq!(csv.header(header::CONTENT_TYPE), "text/csv; charset=utf-8");
    assert_eq!(csv.text().lines().count(), 3);
    assert!(csv.text().starts_with("name,step,epoch,t_ms,value\r\nval/dice,2,1,"));
    let all = app.get(&format!("/api/v1/runs/{run}/metrics.csv")).await.text();
    assert_eq!(all.lines().count(), 1 + 4 * 4 + 3);

    let board =
        app.get("/api/v1/leaderboard?task=segmentation&group=run&sort=-mean&metric=dice").await.json();
    assert_eq!(board["rows"][0]["seeds"][0]["run"], run.as_str());
    let csv = app.get("/api/v1/leaderboard.csv").await.text();
    assert!(
        csv.lines()
            .nth(1)
            .unwrap()
            .starts_with("1,unet,segmentation,specialist,full,tiny,test/dice,higher,0.65,,,1,")
    );
    let then = app.get("/api/v1/leaderboard?asof=2001-02-03&mix=1").await.json();
    assert_eq!((&then["rows"], then["mixed"].as_bool()), (&json!([]), Some(true)));
    app.get("/api/v1/leaderboard?asof=yesterday").await.problem(422, "invalid");
    app.get("/api/v1/leaderboard?mix=all").await.problem(422, "invalid");
    app.get("/api/v1/leaderboard?group=herd").await.problem(422, "invalid");
    app.get("/api/v1/leaderboard?sort=colour").await.problem(422, "invalid");
    app.get("/api/v1/leaderboard?metric=beauty").await.problem(422, "invalid");
}

#[tokio::test]
async fn runs_are_cancelled_and_repeated() {
    let app = TestApp::new().await;
    let run = app.start(&[3]).await.remove(0);
    let cancelled = app.post_json(&format!("/api/v1/runs/{run}/cancel"), "").await;
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (StatusCode::OK, &json!("stopped")));
    app.post_json(&format!("/api/v1/runs/{run}/cancel"), "").await.problem(409, "conflict");
    let repeated = app.post_json(&format!("/api/v1/runs/{run}/repeat"), "").await;
    assert_eq!(repeated.status, StatusCode::CREATED);
    let new = repeated.json();
    assert_eq!(repeated.header(header::LOCATION), format!("/api/v1/runs/{}", new["id"].as_str().unwrap()));
    assert!(new["id"] != run.as_str() && new["seed"] == 3);
    let dir = app.state.data.run(&new["id"].as_str().unwrap().parse().unwrap());
    let request: Value =
        serde_json::from_slice(&std::fs::read(dir.join(request_file::FILE)).unwrap()).unwrap();
    assert_eq!(request["id"], new["id"]);
    let detail = app.get(repeated.header(header::LOCATION)).await.json();
    assert_eq!((detail["state"].as_str(), detail["experiment"].is_string()), (Some("queued"), true));
}

#[tokio::test]
async fn links_are_made_read_and_ended() {
    let app = TestApp::new().await;
    let run = app.finished().await;
    let body = json!({"runs": [run], "view": {"x": "step"}, "frozen": true});
    let created = app.post_json("/api/v1/shares", body.to_string()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let slug = created.json()["slug"].as_str().unwrap().to_owned();
    assert_eq!(created.header(header::LOCATION), format!("/s/{slug}"));
    let share = app.get(&format!("/api/v1/shares/{slug}")).await.json();
    assert_eq!((&share["view"]["x"], &share["frozen"]), (&json!("step"), &json!(true)));
    assert_eq!(share["data"]["runs"][0]["id"], run.as_str());
    let gone = Request::delete(format!("/api/v1/shares/{slug}")).body(Body::empty()).unwrap();
    assert_eq!(app.send(gone).await.status, StatusCode::NO_CONTENT);
    app.get(&format!("/api/v1/shares/{slug}")).await.problem(410, "gone");
    app.post_json("/api/v1/shares", json!({"runs": []}).to_string()).await.problem(422, "invalid");
    app.post_json("/api/v1/shares", json!({"runs": ["no-such-run"]}).to_string())
        .await
        .problem(404, "not-found");
    app.post_json("/api/v1/shares", json!({"runs": ["../x"]}).to_string()).await.problem(422, "invalid");
}

#[tokio::test]
async fn what_is_there_is_listed() {
    let app = TestApp::new().await;
    app.start(&[0]).await;
    let health = app.get("/api/v1/health").await.json();
    assert_eq!((health["status"].as_str(), health["queued"].as_u64()), (Some("ok"), Some(1)));
    let tasks = app.get("/api/v1/tasks").await.json();
    let primaries: Vec<_> = tasks["tasks"].as_array().unwrap().iter().map(|t| t["primary"].clone()).collect();
    let expected = ["test/dice", "test/auroc", "test/ssim", "test/psnr_db", "test/ssim"];
    assert_eq!(primaries, expected);
    let backbones = app.get("/api/v1/backbones").await.json();
    let names: Vec<_> =
        backbones["backbones"].as_array().unwrap().iter().map(|b| b["name"].as_str()).collect();
    assert!(names.contains(&Some("provicnet-mini")), "{names:?}");
    assert_eq!(app.get("/api/v1/datasets").await.json()["datasets"][0]["name"], "tiny");
    let openapi = app.get("/api/v1/openapi.json").await.json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3."));
    // Every documented address answers: with a problem document of its own at worst.
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        if methods.get("get").is_none() {
            continue;
        }
        let concrete = path.replace("{id}", "unknown-id").replace("{slug}", "unknown-slug");
        if concrete == "/api/v1/queue/events" {
            continue;
        }
        let answer = app.get(&concrete).await;
        if concrete == "/api/v1/comparisons" {
            answer.problem(422, "invalid");
        } else if path.contains('{') {
            let needs_name = path.ends_with("/metrics");
            if needs_name {
                answer.problem(422, "invalid")
            } else {
                answer.problem(404, "not-found")
            };
        } else {
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_problems_too() {
    let app = TestApp::new().await;
    app.get("/api/v1/nothing").await.problem(404, "not-found");
    app.get("/api").await.problem(404, "not-found");
    app.get("/api/v1/runs/no-such-run").await.problem(404, "not-found");
    let odd = app.get("/api/v1/runs/NOT%20AN%20ID").await.problem(404, "not-found");
    assert!(odd["detail"].as_str().unwrap().contains("NOT AN ID"));
    app.get("/api/v1/runs/..%2F..%2Fetc").await.problem(404, "not-found");
    app.get("/api/v1/experiments/no-such-one").await.problem(404, "not-found");
    let put = Request::put("/api/v1/runs").body(Body::empty()).unwrap();
    app.send(put).await.problem(405, "method-not-allowed");
    app.post_json("/api/v1/health", "{}").await.problem(405, "method-not-allowed");
    app.post_json("/nowhere", "{}").await.problem(404, "not-found");
    for verb in ["cancel", "repeat"] {
        app.post_json(&format!("/api/v1/runs/no-such-run/{verb}"), "").await.problem(404, "not-found");
    }
}
