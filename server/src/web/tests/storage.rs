//! What is stored: once however often somebody clicks, whole whoever leaves, and shown when its files are gone.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use serde_json::json;
use transferscope_domain::RunState;

use super::*;

/// The names of the run directories.
fn directories(app: &TestApp) -> BTreeSet<String> {
    std::fs::read_dir(app.state.data.runs())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

async fn stored(app: &TestApp) -> BTreeSet<String> {
    app.state.store.run_ids().await.unwrap().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clicks_at_once_fill_the_holes_of_an_experiment_once() {
    let app = TestApp::new().await;
    let runs = app.start(&[0, 1, 2, 3, 4, 5]).await;
    for run in &runs {
        app.say(run, [started(), failed()]).await;
    }
    let list = app.get("/api/v1/experiments").await.json();
    let id = list["experiments"][0]["id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let path = format!("/experiments/{id}/fill");
        let clicks = (0..4).map(|_| app.post_form(&path, ""));
        for answer in join_all(clicks).await {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        }
        let counts = app.state.store.counts().await.unwrap();
        assert_eq!(counts.get(&RunState::Queued), Some(&6), "{counts:?}");
        assert_eq!(directories(&app), stored(&app).await, "directories and rows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clicks_at_once_start_one_experiment_and_one_repeat() {
    let app = TestApp::new().await;
    let run = app.start(&[0]).await.remove(0);
    let new = "name=x&tasks=segmentation&arms=specialist&dataset=tiny&seeds=0%2C1&epochs=2";
    let places = |answers: Vec<Answer>| -> BTreeSet<String> {
        answers
            .into_iter()
            .map(|answer| {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
                answer.header(header::LOCATION).to_owned()
            })
            .collect()
    };
    let experiments = places(join_all((0..4).map(|_| app.post_form("/new", new))).await);
    assert!(
        experiments.len() == 1 && experiments.first().unwrap().starts_with("/runs?experiment="),
        "{experiments:?}"
    );
    let path = format!("/runs/{run}/repeat");
    let repeats = places(join_all((0..4).map(|_| app.post_form(&path, ""))).await);
    assert_eq!(repeats.len(), 1, "{repeats:?}");
    assert_eq!(stored(&app).await.len(), 1 + 2 + 1);
    assert_eq!(directories(&app), stored(&app).await);
    // Another form is another click, and so is a program that asks twice.
    let other = places(vec![app.post_form("/new", &new.replace("name=x", "name=y")).await]);
    assert!(other.is_disjoint(&experiments));
    let path = format!("/api/v1{path}");
    for answer in join_all((0..2).map(|_| app.post_json(&path, "{}"))).await {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    assert_eq!(stored(&app).await.len(), 4 + 2 + 2);
}

/// The client is gone before the answer: the experiment is there whole, or not at all where its turn had not come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_experiment_whose_asker_left_is_there_whole() {
    let app = TestApp::new().await;
    let (mut whole, mut left) = (0, 0);
    for round in 0..60 {
        let post = app.post_json("/api/v1/experiments", spec(&[0, 1, 2, 3]).to_string());
        let patience = Duration::from_micros(300 * (1 + round % 10));
        let gave_up = tokio::time::timeout(patience, post).await.is_err();
        let start = std::time::Instant::now();
        let made = loop {
            let rows = stored(&app).await.len();
            if rows == 4 * (whole + 1) && directories(&app).len() == rows {
                break true;
            }
            // A second is long for what has begun.
            let nothing = rows == 4 * whole && directories(&app).len() == rows;
            if gave_up && nothing && start.elapsed() > Duration::from_secs(1) {
                break false;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{rows} rows after {whole} experiments");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(directories(&app), stored(&app).await);
        whole += usize::from(made);
        left += usize::from(made && gave_up);
        if left == 5 {
            break;
        }
    }
    assert!(left > 0, "nobody left in time");
    let list = app.get("/api/v1/experiments").await.json();
    assert_eq!(list["experiments"].as_array().unwrap().len(), whole);
    assert!(list["experiments"].as_array().unwrap().iter().all(|e| e["runs"] == 4), "{list}");
}

/// Whoever cannot store rows takes the directories back.
#[tokio::test]
async fn what_cannot_be_stored_leaves_no_directory() {
    let app = TestApp::new().await;
    let experiments = app.state.data.root().join("experiments");
    std::fs::write(&experiments, "a file where a folder should be").unwrap();
    app.post_json("/api/v1/experiments", spec(&[0, 1]).to_string()).await.problem(500, "internal");
    assert_eq!((directories(&app).len(), stored(&app).await.len()), (0, 0));
    std::fs::remove_file(&experiments).unwrap();
    assert_eq!(app.start(&[0, 1]).await.len(), 2);
    assert_eq!(std::fs::read_dir(&experiments).unwrap().count(), 1);
}

#[tokio::test]
async fn files_that_were_removed_are_said_to_be_gone_and_pages_live_on() {
    let app = TestApp::new().await;
    let done = app.finished().await;
    let waiting = app.start(&[1]).await.remove(0);
    let problem = app.get(&format!("/runs/{waiting}/report.json")).await.problem(404, "not-found");
    assert!(problem["detail"].as_str().unwrap().contains("has not finished"), "{problem}");
    assert_eq!(app.get(&format!("/runs/{waiting}/log")).await.text(), "");
    app.get("/runs/nosuchrunn/report.json").await.problem(404, "not-found");

    // One file, then the whole directory.
    let problem = app.get(&format!("/runs/{done}/report.json")).await.problem(410, "gone");
    assert!(problem["detail"].as_str().unwrap().contains("report.json of run"), "{problem}");
    let shared =
        app.post_json("/api/v1/shares", json!({"runs": [done], "frozen": true}).to_string()).await.json();
    let slug = shared["slug"].as_str().unwrap();
    std::fs::remove_dir_all(app.state.data.run(&done)).unwrap();
    for file in ["report.json", "log"] {
        let problem = app.get(&format!("/runs/{done}/{file}")).await.problem(410, "gone");
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(&format!("runs/{done}")) && said.contains("no longer"), "{problem}");
        assert!(!said.contains(app.state.data.root().to_str().unwrap()), "{problem}");
    }
    let page = app.get(&format!("/runs/{done}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("is no longer in the data folder"), "{}", page.text());
    assert!(!app.get(&format!("/runs/{waiting}")).await.text().contains("is no longer in the data folder"));
    for path in
        [format!("/s/{slug}"), "/".into(), format!("/api/v1/runs/{done}"), format!("/compare?runs={done}")]
    {
        assert_eq!(app.get(&path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_data_set_that_was_removed_is_said_to_be_gone() {
    let app = TestApp::new().await;
    let paths = ["/api/v1/datasets/tiny/cases/case-val", "/api/v1/datasets/tiny/cases/case-val/sheet.png"];
    for path in paths {
        // The manifest names files that never were.
        let problem = app.get(path).await.problem(410, "gone");
        assert!(problem["detail"].as_str().unwrap().contains("prepared/val.safetensors"), "{problem}");
    }
    let run = app.finished().await;
    std::fs::remove_dir_all(app.state.data.datasets().join("tiny")).unwrap();
    for path in paths.into_iter().chain(["/api/v1/datasets/tiny"]) {
        let problem = app.get(path).await.problem(410, "gone");
        assert!(problem["detail"].as_str().unwrap().contains("1 run on it keeps its results"), "{problem}");
    }
    app.get("/api/v1/datasets/never").await.problem(404, "not-found");
    assert!(app.get("/datasets/tiny").await.text().contains("no longer in the data folder"));
    let page = app.get("/datasets/tiny/case-val").await.text();
    assert!(page.contains("no longer in the data folder"), "{page}");
    for path in [format!("/runs/{run}"), "/".into(), "/experiments".into(), "/new".into()] {
        assert_eq!(app.get(&path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn health_says_what_is_wrong_and_since_when() {
    let app = TestApp::new().await;
    let health = app.get("/api/v1/health").await.json();
    assert_eq!(
        (health["status"].as_str(), health["problems"].as_array().map(Vec::len)),
        (Some("ok"), Some(0))
    );
    app.state.health.wrong(crate::health::Part::Queue, "The queue waits.");
    let answer = app.get("/api/v1/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let health = answer.json();
    assert_eq!(health["status"], "degraded");
    assert_eq!(
        (health["problems"][0]["part"].as_str(), health["problems"][0]["message"].as_str()),
        (Some("queue"), Some("The queue waits."))
    );
    assert!(health["problems"][0]["since_ms"].as_i64().unwrap() > 0);
    app.state.health.well(crate::health::Part::Queue);
    assert_eq!(app.get("/api/v1/health").await.json()["status"], "ok");
}

/// Another pre-training has taken its name meanwhile: the one that ended stays as it is.
#[tokio::test]
async fn a_run_that_may_not_go_on_keeps_its_end() {
    let app = TestApp::new().await;
    let asked = json!({
        "objective": "mae", "architecture": "profound-conv-mini", "name": "wanted", "dataset": "tiny", "epochs": 1,
    });
    let pretrain = async || {
        let answer = app.post_json("/api/v1/pretrainings", asked.to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().parse::<RunId>().unwrap()
    };
    let first = pretrain().await;
    app.say(&first, [started(), failed()]).await;
    let dir = app.state.data.run(&first);
    std::fs::write(dir.join(crate::queue::worker::CANCEL_FILE), "").unwrap();
    let log = std::fs::read(dir.join(event_log::FILE)).unwrap();
    let second = pretrain().await;
    let problem = app.post_json(&format!("/api/v1/runs/{first}/resume"), "{}").await.problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(second.as_str()) && detail.contains("wanted"), "{detail}");
    assert_eq!(std::fs::read(dir.join(event_log::FILE)).unwrap(), log);
    assert!(dir.join(crate::queue::worker::CANCEL_FILE).exists());
}
