//! Pre-training as a run: from the API to a backbone that other runs start from, killed in between.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use transferscope_domain::{
    RunId, RunState,
    api::{BackboneList, CreatedRun, LeaderboardView},
};
use transferscope_tests::{RUN_PATIENCE, TINY, TestServer, signal, tiny_spec};

fn spec(name: &str, epochs: u32) -> Value {
    json!({
        "name": name, "architecture": "profound-conv-mini", "objective": "mae", "dataset": TINY,
        "epochs": epochs, "batch_size": 1, "accumulate": 2,
    })
}

async fn start(server: &TestServer, spec: &Value) -> RunId {
    let (status, answer) = server.post("/api/v1/pretrainings", spec).await;
    assert_eq!(status, 201, "{answer}");
    serde_json::from_value::<CreatedRun>(answer).expect("a run was created").id
}

#[tokio::test]
async fn a_backbone_is_made_and_used() {
    let server = TestServer::start().await;
    let id = start(&server, &spec("mine", 2)).await;
    let run = server.wait_state(&id, RunState::Succeeded, RUN_PATIENCE).await;
    for name in ["val/masked_error", "val/masked_error@visible-mean", "val/dice.linear-probe"] {
        assert!(run.run.metrics.contains_key(name), "{name}: {:?}", run.run.metrics);
    }
    assert!(!run.previews.is_empty());
    assert_eq!(run.run.primary.expect("a finished run has a result").name, "val/loss");
    // Two of five patients validate; a step takes two of the others.
    assert_eq!(server.series(&id, "train/loss").await.points.len() as u64, run.total_steps.unwrap());

    let list: BackboneList = server.get("/api/v1/backbones").await;
    let made = list.backbones.iter().find(|b| b.backbone.name == "mine").expect("it is listed");
    assert!(made.backbone.pretrained && made.backbone.synthetic);
    let board: LeaderboardView = server.get("/api/v1/leaderboard").await;
    assert!(board.rows.is_empty() && board.not_shown.is_empty(), "{board:?}");

    let tuned = server.submit_one(tiny_spec("mine", "segmentation", "pretrained", 1)).await;
    let tuned = server.wait_state(&tuned, RunState::Succeeded, RUN_PATIENCE).await;
    let report = tuned.load_report.expect("a pre-trained run has a load report");
    assert!(report.missing.is_empty() && !report.applied.is_empty());

    for page in ["/backbones", "/backbones/mine", &format!("/runs/{id}")] {
        let (status, html) = server.get_raw(page).await;
        assert!(status == 200 && html.contains("mine"), "{page}: {status}");
    }
}

#[tokio::test]
async fn what_cannot_start_is_said_by_field() {
    let server = TestServer::start().await;
    let mut wrong = spec("profound-conv-mini", 0);
    wrong["objective"] = "patch-contrast".into();
    let (status, problem) = server.post("/api/v1/pretrainings", &wrong).await;
    assert_eq!(status, 422, "{problem}");
    for field in ["name", "epochs", "objective"] {
        assert!(problem["errors"][field].is_string(), "{field}: {problem}");
    }
}

#[tokio::test]
async fn a_killed_pretraining_ends_with_the_undisturbed_backbone() {
    let server = TestServer::start_with(&["--requeue-after", "0.5"]).await;
    let undisturbed = start(&server, &spec("calm", 12)).await;
    let calm = server.wait_state(&undisturbed, RunState::Succeeded, RUN_PATIENCE).await;
    let run = start(&server, &spec("killed", 12)).await;
    server
        .wait_for(&run, RUN_PATIENCE, "well on its way", |r| r.run.progress > 0.4 || r.run.state.is_final())
        .await;
    let worker = server.worker_pid(&run).expect("a training run has a worker");
    signal(worker, Signal::KILL);
    server
        .wait_for(&run, Duration::from_secs(10), "lost", |r| r.run.attempts > 1 || r.run.failure.is_some())
        .await;
    let ended = server.wait_state(&run, RunState::Succeeded, RUN_PATIENCE).await;
    assert!(ended.run.attempts > 1);
    let weights =
        |name: &str| std::fs::read(server.data.join("backbones").join(name).join("weights.safetensors"));
    assert_eq!(weights("calm").unwrap(), weights("killed").unwrap());
    let numbers = |metrics: &std::collections::BTreeMap<String, f64>| {
        let mut all = metrics.clone();
        all.remove("train/step_ms");
        all
    };
    assert_eq!(numbers(&calm.run.metrics), numbers(&ended.run.metrics));
}
