//! The database is an index: lost or damaged it is named, and made anew from what lies beside it, with the same answers.

use std::{
    fs,
    path::Path,
    process::Stdio,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use transferscope_domain::{RunId, RunState};
use transferscope_server::{data_dir::DataDir, health::Health, queue::recorder::Recorder};
use transferscope_store::{LeaderboardQuery, RunFilter, Store};
use transferscope_tests::{RUN_PATIENCE, TestServer, call, call_err, call_ok, command, signal, tiny_spec};

/// Everything that a database says of these runs, experiments and links, as text to be compared.
async fn answers(data: &Path, links: &[String]) -> Vec<String> {
    let store = Store::open(data.join("transferscope.db")).await.unwrap();
    let text = |value: &dyn erased::Json| value.text();
    let mut all = Vec::new();
    let runs = store.runs(&RunFilter::default()).await.unwrap();
    all.push(text(&runs));
    all.push(format!("{:?}", runs.runs.iter().map(|r| (r.created_ms, r.seed)).collect::<Vec<_>>()));
    for run in &runs.runs {
        let detail = store.run(&run.id).await.unwrap();
        let of_run = |answer: String| format!("{}: {answer}", run.id);
        for name in &detail.metric_names {
            all.push(of_run(text(&store.metrics(&run.id, name, 20_000).await.unwrap())));
        }
        all.push(text(&detail));
        all.push(of_run(text(&store.alignment(&run.id).await.unwrap())));
        all.push(of_run(text(&store.cases(&run.id).await.unwrap())));
    }
    let experiments = store.experiments().await.unwrap();
    for experiment in &experiments.experiments {
        all.push(text(&store.experiment(&experiment.id).await.unwrap()));
        all.push(text(&store.snapshots_of(&experiment.id).await.unwrap()));
    }
    all.extend(experiments.experiments.iter().map(|experiment| text(experiment)));
    let queue = store.queue(1).await.unwrap();
    all.push(format!("{:?}", queue.waiting.iter().map(|r| (r.seed, r.queue_position)).collect::<Vec<_>>()));
    all.push(text(&queue));
    all.push(format!("{:?}", store.leaderboard(&LeaderboardQuery::default()).await.unwrap()));
    for link in links {
        let slug = link.parse().unwrap();
        all.push(match store.share(&slug).await {
            Ok(share) => text(&share),
            Err(error) => format!("{link}: {error}"),
        });
        all.push(format!("{:?}", store.snapshot(&slug).await));
        all.push(format!("{:?}", store.snapshot_data(&slug).await));
    }
    store.close().await;
    all
}

mod erased {
    /// Anything that can be JSON.
    pub trait Json {
        fn text(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn text(&self) -> String {
            serde_json::to_string(self).expect("an answer is JSON")
        }
    }
}

fn reindex(data: &Path) -> Value {
    serde_json::from_str(&call_ok(data, &["reindex", "--json"])).expect("a summary")
}

/// Files in a data folder that are kept old databases.
fn kept(data: &Path, word: &str) -> Vec<String> {
    let names = fs::read_dir(data).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names
        .filter(|n| {
            n.starts_with("transferscope.db.")
                && n.contains(word)
                && !n.ends_with("-wal")
                && !n.ends_with("-shm")
        })
        .collect()
}

/// A queue of runs that never train, behind one that does, and ends what trains: stopped runs, moved runs, links.
async fn a_busy_folder(server: &TestServer, done: &RunId) -> Vec<String> {
    let long = |name: &str, seeds: &[u64]| {
        let mut spec = tiny_spec("provicnet-mini", "segmentation", "scratch", 2000);
        (spec["name"], spec["seeds"]) = (json!(name), json!(seeds));
        spec
    };
    let first = server.submit_one(long("first", &[1])).await;
    server.wait_for(&first, RUN_PATIENCE, "training", |r| r.run.metrics.contains_key("train/loss")).await;
    let others = server.submit(long("A & <b>é\"</b> \u{1F9E0}", &[2, 3, 4])).await;
    let post = async |path: String, body: Value| {
        let (status, answer) = server.post(&path, &body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    };
    let run = |i: usize| others.runs[i].id.to_string();
    post(format!("/api/v1/runs/{}/move", run(2)), json!({"to": "first"})).await;
    post(format!("/api/v1/runs/{}/cancel", run(1)), json!({})).await;
    let slug = |answer: Value| answer["slug"].as_str().unwrap().to_owned();
    let share = async |frozen: bool| {
        slug(
            post(
                "/api/v1/shares".into(),
                json!({"runs": [done, first], "view": {"x": "epoch"}, "frozen": frozen}),
            )
            .await,
        )
    };
    let mut links = vec![share(true).await, share(false).await, share(true).await];
    let experiment = server.run(done).await.run.experiment.unwrap();
    for _ in 0..2 {
        links.push(slug(post("/api/v1/snapshots".into(), json!({"experiments": [experiment]})).await));
    }
    for revoked in [&links[2], &links[4]] {
        let request = server.request(&format!("/s/{revoked}/revoke"));
        let (status, answer) =
            server.send(request.header("content-type", "application/x-www-form-urlencoded").body("")).await;
        // The way leads to the page of the link, which is gone then.
        assert_eq!(status, 410, "{answer}");
    }
    links
}

/// Records what runs have said since their server went.
async fn hear_the_rest(data: &Path, runs: &[RunId]) {
    let store = Store::open(data.join("transferscope.db")).await.unwrap();
    let folder = DataDir::open(data).unwrap();
    let recorder = Recorder::new(store.clone(), folder, Arc::new(|_| {}), Health::new());
    for run in runs {
        assert!(recorder.catch_up(run).await.unwrap(), "run {run} has not ended");
    }
    store.close().await;
}

#[tokio::test]
async fn a_database_made_anew_answers_as_the_old_one() {
    let server = TestServer::start().await;
    let done = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 1)).await;
    server.wait_state(&done, RunState::Succeeded, RUN_PATIENCE).await;
    let links = a_busy_folder(&server, &done).await;
    let refused = call_err(&server.data, &["reindex"]);
    assert!(refused.contains(&format!("pid {}", server.pid())), "{refused}");

    let experiment = server.run(&done).await.run.experiment.unwrap();
    let mut pages = vec![
        format!("/api/v1/experiments/{experiment}"),
        format!("/api/v1/experiments/{experiment}/analysis"),
        format!("/api/v1/runs/{done}"),
        format!("/api/v1/runs/{done}/cases"),
        format!("/api/v1/runs/{done}/alignment"),
        format!("/api/v1/runs/{done}/metrics.csv"),
        "/api/v1/leaderboard.csv?group=run".to_owned(),
    ];
    for link in &links {
        pages.push(format!("/api/v1/shares/{link}"));
        pages.push(format!("/api/v1/snapshots/{link}"));
        pages.push(format!("/s/{link}/export.html"));
    }
    let mut before = Vec::new();
    for page in &pages {
        before.push(server.get_raw(page).await);
    }

    // The server goes, then the worker: what it has said since is in its log only, which is read once more before the
    // two databases are compared.
    let data = server.data.clone();
    let cut_off = server.get::<transferscope_domain::api::RunList>("/api/v1/runs?state=running").await.runs;
    let running: Vec<RunId> = cut_off.iter().map(|r| r.id.clone()).collect();
    let folder = server.stop();
    for run in &running {
        fs::write(data.join("runs").join(run.as_str()).join("cancel"), "").unwrap();
    }
    let lock =
        |run: &RunId| fs::File::open(data.join("runs").join(run.as_str()).join("worker.lock")).unwrap();
    let start = Instant::now();
    while running.iter().any(|run| lock(run).try_lock_shared().is_err()) {
        assert!(start.elapsed() < RUN_PATIENCE, "the worker does not stop");
        thread::sleep(Duration::from_millis(50));
    }
    hear_the_rest(&data, &running).await;
    let old = answers(&data, &links).await;
    let summary = reindex(&data);
    assert_eq!(summary["skipped"], json!([]), "{summary}");
    assert_eq!((&summary["runs"], &summary["experiments"]), (&json!(5), &json!(3)), "{summary}");
    assert_eq!((&summary["links"], &summary["frozen_pages"]), (&json!(3), &json!(2)), "{summary}");
    assert_eq!(summary["states"], json!({"queued": 2, "stopped": 2, "succeeded": 1}), "{summary}");
    assert_eq!(kept(&data, "replaced").len(), 1);
    let new = answers(&data, &links).await;
    assert!(old.len() > 15, "{} answers", old.len());
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(old, new);
    }
    assert_eq!(old.len(), new.len());
    reindex(&data);
    assert_eq!(answers(&data, &links).await, new, "a second time");

    // Lost altogether, and over the wire.
    fs::remove_file(data.join("transferscope.db")).unwrap();
    reindex(&data);
    assert_eq!(answers(&data, &links).await, new, "from files alone");
    let server = TestServer::start_in(folder, &[]).await;
    for (page, old) in pages.iter().zip(before) {
        assert_eq!(server.get_raw(page).await, old, "{page}");
    }
}

/// Runs that are stopped while they wait, and one that began: enough of a folder, in a second.
async fn a_quick_folder() -> (tempfile::TempDir, Vec<String>) {
    let server = TestServer::start().await;
    let mut spec = tiny_spec("provicnet-mini", "segmentation", "scratch", 2000);
    spec["seeds"] = json!([0, 1, 2, 3]);
    let created = server.submit(spec).await;
    let first = &created.runs[0].id;
    server.wait_for(first, RUN_PATIENCE, "at work", |r| r.last_seq > 0).await;
    for run in created.runs.iter().skip(1).chain(created.runs.first()) {
        let (status, answer) = server.post(&format!("/api/v1/runs/{}/cancel", run.id), &json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }
    server.wait_state(first, RunState::Stopped, RUN_PATIENCE).await;
    let (_, share) = server.post("/api/v1/shares", &json!({"runs": [first], "frozen": true})).await;
    (server.stop(), vec![share["slug"].as_str().unwrap().to_owned()])
}

#[tokio::test]
async fn a_lost_or_damaged_database_is_named_kept_and_made_anew() {
    let (folder, links) = a_quick_folder().await;
    let data = folder.path().join("data");
    let database = data.join("transferscope.db");
    let sound = answers(&data, &links).await;
    let bytes = fs::read(&database).unwrap();
    let random: Vec<u8> =
        (0..bytes.len() as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let mut magic = bytes.clone();
    magic[..16].copy_from_slice(b"SQLite format 9\0");
    let mut scribbled = bytes.clone();
    scribbled[4096..].iter_mut().enumerate().for_each(|(i, b)| *b = (i % 253) as u8);
    let cases: [(&str, Option<&[u8]>); 6] = [
        ("missing", None),
        ("empty", Some(b"")),
        ("truncated", Some(&bytes[..bytes.len() / 3])),
        ("random", Some(&random)),
        ("wrong magic", Some(&magic)),
        ("scribbled", Some(&scribbled)),
    ];
    let serve = ["serve", "--addr", "127.0.0.1:0", "--device", "cpu", "--no-builtin-data"];
    for (what, damage) in cases {
        for left in ["transferscope.db-wal", "transferscope.db-shm", "transferscope.db"] {
            drop(fs::remove_file(data.join(left)));
        }
        if let Some(damage) = damage {
            fs::write(&database, damage).unwrap();
        }
        for command in [&serve[..], &["experiment", "--preset", "quick"]] {
            let error = call_err(&data, command);
            assert!(
                error.contains("transferscope.db") && error.contains("transferscope reindex"),
                "{what}: {error}"
            );
        }
        let report: Value = serde_json::from_slice(&call(&data, &["doctor", "--json"]).stdout).unwrap();
        let check = report.as_array().unwrap().iter().find(|c| c["name"] == "database").expect("a check");
        assert_eq!(check["status"], "fail", "{what}: {check}");
        assert!(check["action"].as_str().unwrap().contains("transferscope reindex"), "{what}: {check}");
        assert_eq!(fs::read(&database).ok().as_deref(), damage, "{what}: something was overwritten");

        let before = kept(&data, "damaged").len();
        let summary = reindex(&data);
        assert_eq!((&summary["runs"], &summary["links"]), (&json!(4), &json!(1)), "{what}: {summary}");
        assert_eq!(answers(&data, &links).await, sound, "{what}");
        if !["missing", "empty"].contains(&what) {
            let all = kept(&data, "damaged");
            assert_eq!(all.len(), before + 1, "{what}: {all:?}");
            let same = all.iter().any(|name| fs::read(data.join(name)).ok().as_deref() == damage);
            assert!(same, "{what}: the damaged file is not kept");
            // Names have seconds in them.
            thread::sleep(Duration::from_millis(1100));
        }
    }
    // And a server starts on what was made.
    let server = TestServer::start_in(folder, &[]).await;
    assert_eq!(server.get_raw(&format!("/s/{}", links[0])).await.0, 200);
}

/// Killed anywhere, it leaves a folder that it can be run on again.
#[tokio::test]
async fn a_killed_reindex_is_run_again() {
    let (folder, links) = a_quick_folder().await;
    let data = folder.path().join("data");
    let sound = answers(&data, &links).await;
    let start = Instant::now();
    reindex(&data);
    let whole = start.elapsed();
    for step in 0..12_u32 {
        let mut child = command(&data, &["reindex"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        thread::sleep(whole * step / 10);
        signal(i32::try_from(child.id()).unwrap(), Signal::KILL);
        child.wait().unwrap();
        if data.join("transferscope.db").exists() {
            assert_eq!(answers(&data, &links).await, sound, "killed after {step} tenths");
        }
    }
    reindex(&data);
    assert_eq!(answers(&data, &links).await, sound);
    assert!(!data.join("transferscope.db.reindex").exists());
}

/// Damaged run directories are left out with a word for each; all others are there.
#[tokio::test]
async fn damaged_run_directories_are_left_out_with_a_word() {
    let (folder, links) = a_quick_folder().await;
    let data = folder.path().join("data");
    let runs: Vec<String> = fs::read_dir(data.join("runs"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    let waiting: Vec<&String> =
        runs.iter().filter(|run| !data.join("runs").join(run).join("events.jsonl").exists()).collect();
    let damage = |run: &str| data.join("runs").join(run);
    fs::write(damage(waiting[0]).join("request.json"), "{\"schema\": 1, \"id\"").unwrap();
    fs::remove_file(damage(waiting[1]).join("request.json")).unwrap();
    fs::create_dir(damage("Not-A-Run")).unwrap();
    // An older installation: no word of when and by whom, and the experiment's name is lost.
    fs::remove_file(damage(waiting[2]).join("arrival.json")).unwrap();
    fs::remove_dir_all(data.join("experiments")).unwrap();
    fs::remove_file(data.join("transferscope.db")).unwrap();
    let summary = reindex(&data);
    assert_eq!((&summary["runs"], &summary["experiments_from_runs"]), (&json!(2), &json!(1)), "{summary}");
    let skipped = summary["skipped"].to_string();
    for what in [waiting[0].as_str(), waiting[1], "Not-A-Run", "request.json"] {
        assert!(skipped.contains(what), "{what}: {summary}");
    }
    assert_eq!(summary["skipped"].as_array().unwrap().len(), 3, "{summary}");
    let words = call_ok(&data, &["reindex"]);
    assert!(
        words.contains("2 runs (2 stopped)") && words.contains(&format!("left out: run {}", waiting[0])),
        "{words}"
    );

    // The runs are shown under their experiment, which can be filled again.
    let server = TestServer::start_in(folder, &[]).await;
    let list: Value = server.get("/api/v1/experiments").await;
    let id = list["experiments"][0]["id"].as_str().unwrap();
    assert_eq!(
        server.get::<Value>(&format!("/api/v1/experiments/{id}")).await["runs"].as_array().unwrap().len(),
        2
    );
    assert_eq!(server.get_raw(&format!("/experiments/{id}")).await.0, 200);
    assert_eq!(server.get_raw(&format!("/s/{}", links[0])).await.0, 200);
}
