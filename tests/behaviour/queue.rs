//! From a posted experiment to its row on the board, with real workers on tiny data; cancelling;
//! what the API refuses; and what the commands say when something is wrong.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use transferscope_domain::{
    RunState,
    api::{AlignmentView, CaseScores, LeaderboardView, RunList},
    event::EventBody,
};
use transferscope_tests::{RUN_PATIENCE, TINY, TestServer, call, call_err, call_ok, signal, tiny_spec};

/// A run: queued, trained, recorded, on the board; and its stream, whole and resumed.
#[tokio::test]
async fn a_posted_experiment_becomes_a_row() {
    let server = TestServer::start().await;
    let spec = tiny_spec("provicnet-mini", "segmentation", "scratch", 1);
    let created = server.submit(spec).await;
    let id = created.runs[0].id.clone();
    let run = server.wait_state(&id, RunState::Succeeded, RUN_PATIENCE).await;

    assert_eq!(run.run.progress, 1.0);
    assert_eq!(run.run.attempts, 1);
    assert!(run.run.failure.is_none() && run.seconds.unwrap() > 0.0 && run.peak_memory_bytes.unwrap() > 0);
    let primary = run.run.primary.clone().expect("a succeeded run has its result");
    assert_eq!(primary.name, "test/dice");
    assert!((0.0..=1.0).contains(&primary.value));
    assert!(run.run.metrics.contains_key("val/dice") && run.run.metrics.contains_key("train/loss"));

    // Curves: one point a step, without doubles, and a validation value before training.
    let loss = server.series(&id, "train/loss").await;
    let steps: Vec<u64> = loss.points.iter().map(|p| p.step).collect();
    assert_eq!(steps, (1..=run.total_steps.unwrap()).collect::<Vec<_>>());
    assert!(!server.series(&id, "val/dice").await.points.is_empty());

    let cases: CaseScores = server.get(&format!("/api/v1/runs/{id}/cases")).await;
    assert!(cases.cases.iter().any(|c| c.split == "test" && c.scores.contains_key("dice")), "{cases:?}");
    let alignment: AlignmentView = server.get(&format!("/api/v1/runs/{id}/alignment")).await;
    assert!(alignment.layers.len() >= 4 && !alignment.values.is_empty(), "{alignment:?}");
    assert!(!run.previews.is_empty());
    let file = &run.previews[0].file;
    let (status, png) = server.get_bytes(&format!("/runs/{id}/previews/{file}")).await;
    assert_eq!((status, &png[..4]), (200, &b"\x89PNG"[..]));

    // The stream: every event once, in order, the last one final; and from the middle.
    let events = server.events(&id, 0).await;
    let seqs: Vec<u64> = events.iter().map(|e| e.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(matches!(events.last().unwrap().body, EventBody::Finished { .. }));
    assert_eq!(run.last_seq, events.len() as u64);
    let half = events.len() as u64 / 2;
    assert_eq!(server.events(&id, half).await, events[half as usize..]);

    let board: LeaderboardView = server.get("/api/v1/leaderboard?group=run").await;
    assert_eq!(board.rows.len(), 1);
    assert_eq!(board.rows[0].seeds[0].run, id);
    assert_eq!(board.rows[0].mean, primary.value);

    let list: RunList = server.get(&format!("/api/v1/runs?experiment={}", created.id)).await;
    assert_eq!(list.runs.len(), 1);
    let repeated = server.post(&format!("/api/v1/runs/{id}/cancel"), &json!({})).await;
    assert_eq!(repeated.0, 409, "an ended run cannot be cancelled: {}", repeated.1);
}

/// A queued run stops at once, a running one within seconds; the server stops in under two
/// seconds and leaves the worker at work.
#[tokio::test]
async fn runs_are_cancelled_and_a_stopping_server_leaves_its_workers() {
    let mut server = TestServer::start().await;
    let running =
        server.submit_one(tiny_spec("profound-conv-mini", "super-resolution", "scratch", 2000)).await;
    let queued = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 2000)).await;
    server.wait_for(&running, RUN_PATIENCE, "training", |r| r.run.metrics.contains_key("train/loss")).await;
    assert_eq!(server.run(&queued).await.run.queue_position, Some(1));

    let (status, _) = server.post(&format!("/api/v1/runs/{queued}/cancel"), &json!({})).await;
    assert!((200..300).contains(&status), "{status}");
    assert_eq!(server.run(&queued).await.run.state, RunState::Stopped);

    let (status, _) = server.post(&format!("/api/v1/runs/{running}/cancel"), &json!({})).await;
    assert!((200..300).contains(&status), "{status}");
    let stopped = server.wait_state(&running, RunState::Stopped, Duration::from_secs(15)).await;
    assert!(stopped.run.failure.is_none(), "{:?}", stopped.run.failure);
    assert!(matches!(server.events(&running, 0).await.last().unwrap().body, EventBody::Cancelled { .. }));

    // A worker outlives the server, and the next server takes it up.
    let next = server.submit_one(tiny_spec("profound-conv-mini", "super-resolution", "scratch", 2000)).await;
    server.wait_for(&next, RUN_PATIENCE, "training", |r| r.run.metrics.contains_key("train/loss")).await;
    let worker = server.worker_pid(&next).expect("a training run has a worker");
    let asked = Instant::now();
    signal(i32::try_from(server.pid()).unwrap(), Signal::TERM);
    assert!(server.wait().success());
    assert!(asked.elapsed() < Duration::from_secs(2), "the server took {:?} to stop", asked.elapsed());
    assert_eq!(server.worker_pid(&next), Some(worker));
    let server = server.kill_and_restart(&[]).await;
    let before = server.run(&next).await.last_seq;
    let run = server.wait_for(&next, Duration::from_secs(20), "recorded on", |r| r.last_seq > before).await;
    assert_eq!((run.run.state, run.run.attempts), (RunState::Running, 1));
    assert_eq!(server.worker_pid(&next), Some(worker));
}

/// The API answers what is wrong by field, and never with a 500.
#[tokio::test]
async fn bad_requests_are_refused_in_words() {
    let server = TestServer::start().await;
    let with = |key: &str, value: Value| {
        let mut spec = tiny_spec("provicnet-mini", "segmentation", "scratch", 1);
        spec[key] = value;
        spec
    };
    for (key, value, field) in [
        ("dataset", json!("nowhere"), "dataset"),
        ("dataset", json!("../../etc"), "dataset"),
        ("backbones", json!(["resnet-9000"]), "backbones"),
        ("seeds", json!([]), "seeds"),
        ("epochs", json!(0), "epochs"),
        ("overrides", json!({"lr": 70}), "lr"),
    ] {
        let (status, problem) = server.post("/api/v1/experiments", &with(key, value.clone())).await;
        assert!((400..500).contains(&status), "{key} = {value}: {status}");
        assert!(
            problem["errors"][field].as_str().is_some_and(|m| m.len() > 10),
            "{key} = {value}: {problem}"
        );
        assert!(problem["kind"].is_string(), "{problem}");
    }
    for (key, value) in
        [("tasks", json!(["juggling"])), ("overrides", json!({"learning": 1})), ("colour", json!(1))]
    {
        let (status, problem) = server.post("/api/v1/experiments", &with(key, value.clone())).await;
        assert!((400..500).contains(&status), "{key} = {value}: {status} {problem}");
    }
    let no_json = server.request("/api/v1/experiments").header("content-type", "application/json").body("{");
    let (status, _) = server.send(no_json).await;
    assert!((400..500).contains(&status), "{status}");
    for path in ["/api/v1/runs/abcd-efgh", "/api/v1/runs/abcd-efgh/events", "/api/v1/runs/abcd-efgh/cases"] {
        assert_eq!(server.get_raw(path).await.0, 404, "{path}");
    }
    for path in ["/api/v1/runs/..%2F..%2Fetc", "/runs/abcd-efgh/previews/..%2F..%2Frequest.json"] {
        let status = server.get_raw(path).await.0;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    // A page of another site must not start runs in a reader's browser.
    let foreign = server
        .request("/api/v1/experiments")
        .header("origin", "http://evil.example")
        .header("sec-fetch-site", "cross-site")
        .json(&tiny_spec("provicnet-mini", "segmentation", "scratch", 1));
    assert_eq!(server.send(foreign).await.0, 403);
    let list: RunList = server.get("/api/v1/runs").await;
    assert!(list.runs.is_empty(), "a refused request has left runs");
}

/// Commands that cannot do what they are asked say so in one line.
#[tokio::test]
async fn commands_say_what_is_wrong() {
    let server = TestServer::start().await;
    let second = call_err(&server.data, &["serve", "--addr", "127.0.0.1:0"]);
    assert!(second.contains(&format!("pid {}", server.pid())) && second.contains("--data-dir"), "{second}");

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let address = server.url.strip_prefix("http://").unwrap();
    let taken = call_err(&data, &["serve", "--addr", address, "--no-builtin-data"]);
    assert!(taken.contains(address) && taken.contains("--addr"), "{taken}");

    let file = folder.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    assert!(call_err(&file, &["dataset", "list"]).contains("cannot be created or written"));
    // Usage errors are clap's, with code 2.
    assert_eq!(call(&data, &["experiment"]).status.code(), Some(2));
    assert_eq!(call(&data, &["serve", "--device", "gpu"]).status.code(), Some(2));

    // A data set that cannot be trusted is refused with file and reason.
    let bad = folder.path().join("bad");
    std::fs::create_dir_all(bad.join("case-1")).unwrap();
    std::fs::write(bad.join("case-1/t2w.nii.gz"), b"this is no image").unwrap();
    let refused = call_err(&data, &["dataset", "add", bad.to_str().unwrap()]);
    assert!(refused.contains("t2w.nii.gz"), "{refused}");
    assert!(call_err(&data, &["dataset", "check", "nowhere"]).contains("nowhere"));

    // With a server on the folder, commands go through it.
    let text = call_ok(
        &server.data,
        &[
            "run",
            "--backbone",
            "provicnet-mini",
            "--task",
            "segmentation",
            "--dataset",
            TINY,
            "--arm",
            "scratch",
            "--epochs",
            "1",
            "--set",
            "batch_size=2",
            "--json",
        ],
    );
    let created: Value = serde_json::from_str(&text).unwrap();
    let list: RunList = server.get("/api/v1/runs").await;
    assert_eq!(created["runs"][0]["id"], json!(list.runs[0].id));
    let doctor = call_ok(&server.data, &["doctor", "--json"]);
    assert!(doctor.contains(&format!("pid {}", server.pid())), "{doctor}");
}

/// `experiment --wait` needs no server: it brings its own and prints the table.
#[tokio::test]
async fn a_command_alone_runs_and_prints_its_results() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    transferscope_tests::make_tiny_data(&data);
    let spec = folder.path().join("spec.json");
    let mut wanted = tiny_spec("provicnet-mini", "super-resolution", "scratch", 1);
    wanted["arms"] = json!(["scratch", "specialist"]);
    std::fs::write(&spec, wanted.to_string()).unwrap();
    let path = spec.to_str().unwrap();
    let text = call_ok(&data, &["experiment", "--file", path, "--device", "cpu", "--wait", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{report}");
    for run in runs {
        assert_eq!(run["state"], "succeeded", "{run}");
        assert_eq!(run["metric"], "test/psnr_db");
        assert!(run["value"].as_f64().unwrap() > 0.0 && run["baseline"].as_f64().unwrap() > 0.0, "{run}");
        assert!(run["seconds"].as_f64().unwrap() > 0.0);
    }
    // Without --wait it only queues, and says who will do it.
    let output = call(&data, &["experiment", "--file", path]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("transferscope serve"), "{output:?}");
}
