//! The queue: its order, moves, whole experiments, and its page.

use serde_json::json;

use super::*;

async fn order(app: &TestApp) -> Vec<String> {
    let queue = app.get("/api/v1/queue").await.json();
    queue["waiting"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn waiting_runs_are_moved_by_program_and_by_form() {
    let app = TestApp::new().await;
    let runs: Vec<String> = app.start(&[0, 1, 2]).await.iter().map(ToString::to_string).collect();
    assert_eq!(order(&app).await, runs);
    let body = json!({"to": "first"}).to_string();
    let answer = app.post_json(&format!("/api/v1/runs/{}/move", runs[2]), body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["waiting"][0]["id"], runs[2].as_str());
    let answer = app.post_form(&format!("/runs/{}/move", runs[0]), "to=last").await;
    assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/queue"));
    assert_eq!(order(&app).await, [&runs[2], &runs[1], &runs[0]].map(Clone::clone));

    let wrong = json!({"to": "sideways"}).to_string();
    app.post_json(&format!("/api/v1/runs/{}/move", runs[0]), wrong).await.problem(422, "invalid");
    app.post_form(&format!("/runs/{}/move", runs[0]), "").await.problem(422, "invalid");
    app.post_form("/runs/no-such-run/move", "to=up").await.problem(404, "not-found");
    app.post_json(&format!("/api/v1/runs/{}/cancel", runs[0]), "").await;
    let body = json!({"to": "up"}).to_string();
    app.post_json(&format!("/api/v1/runs/{}/move", runs[0]), body).await.problem(409, "conflict");
}

#[tokio::test]
async fn an_experiment_moves_and_stops_as_one() {
    let app = TestApp::new().await;
    let first = app.start(&[0]).await;
    let created = app.post_json("/api/v1/experiments", spec(&[4, 5]).to_string()).await.json();
    let id = created["id"].as_str().unwrap();
    let body = json!({"to": "first"}).to_string();
    app.post_json(&format!("/api/v1/experiments/{id}/move"), body).await;
    assert_eq!(order(&app).await.last().unwrap(), first[0].as_str());
    let body = json!({"to": "up"}).to_string();
    app.post_json(&format!("/api/v1/experiments/{id}/move"), body).await.problem(422, "invalid");
    let page = app.get(&format!("/experiments/{id}")).await.text();
    assert!(page.contains("Stop 2 runs"), "{page}");
    let answer = app.post_form(&format!("/experiments/{id}/cancel"), "").await;
    assert_eq!(answer.header(header::LOCATION), format!("/experiments/{id}"));
    assert_eq!(order(&app).await, [first[0].to_string()]);
    let states = app.post_json(&format!("/api/v1/experiments/{id}/cancel"), "").await.json();
    assert!(states["runs"].as_array().unwrap().iter().all(|r| r["state"] == "stopped"));
    app.post_form("/experiments/no-such-thing/cancel", "").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_page_says_what_comes_next_and_how_long_it_takes() {
    let app = TestApp::new().await;
    assert!(app.get("/queue").await.text().contains("Nothing is queued"));
    app.finished().await;
    let runs = app.start(&[1, 2]).await;
    let page = app.get("/queue").await.text();
    assert!(page.contains("0 runs under way, 2 waiting, one at a time."), "{page}");
    assert!(page.contains(&format!("action=\"/runs/{}/move\"", runs[1])));
    assert!(!page.contains("hydrate"));
    let queue = app.get("/api/v1/queue").await.json();
    assert_eq!((queue["waiting_count"].as_u64(), queue["measured"].as_u64()), (Some(2), Some(2)));
    assert!(queue["time_left_s"].as_f64().is_some_and(|s| s >= 0.0));
}

/// Shares of the cases are runs of their own, and the analysis has a row for each.
#[tokio::test]
async fn shares_of_the_cases_are_an_axis() {
    let app = TestApp::new().await;
    let mut body = spec(&[0]);
    body["label_shares"] = json!([0.5, 1.0]);
    let created = app.post_json("/api/v1/experiments", body.to_string()).await.json();
    assert_eq!(created["runs"].as_array().unwrap().len(), 2, "{created}");
    let id = created["id"].as_str().unwrap();
    let analysis = app.get(&format!("/api/v1/experiments/{id}/analysis")).await.json();
    let shares: Vec<_> =
        analysis["specialists"].as_array().unwrap().iter().map(|s| s["label_share"].as_f64()).collect();
    assert_eq!(shares, [Some(0.5), Some(1.0)]);
    body["label_shares"] = json!([0.5, 7.0]);
    let problem = app.post_json("/api/v1/experiments", body.to_string()).await.problem(422, "invalid");
    assert!(problem["errors"]["label_share"].is_string(), "{problem}");
}
