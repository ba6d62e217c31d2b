//! Machines in trouble: full disks, disks without a file left, slow starts, interruptions again and again, logs that
//! lost their end. No run is lost or doubled by it, and work goes on by itself.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use transferscope_domain::{
    RunId, RunState,
    api::{Health, QueueView, RunDetail, RunList},
    event::EventBody,
};
use transferscope_tests::{RUN_PATIENCE, TestServer, signal, tiny_spec, worker_process};

const SOON: [&str; 2] = ["--requeue-after", "0.2"];
/// How long a training may take beside the other tests of this file.
const TO_ITS_END: Duration = Duration::from_secs(400);
/// How long it may take until work goes on once there is room again.
const RECOVERY: Duration = Duration::from_secs(30);

fn long() -> Value {
    tiny_spec("provicnet-mini", "segmentation", "scratch", 2000)
}

fn short(seeds: usize) -> Value {
    let mut spec = tiny_spec("provicnet-mini", "super-resolution", "scratch", 1);
    spec["seeds"] = json!((0..seeds).collect::<Vec<_>>());
    spec
}

async fn step(server: &TestServer, id: &RunId) -> u64 {
    let (status, text) =
        server.get_raw(&format!("/api/v1/runs/{id}/metrics?name=train/loss&max_points=20000")).await;
    if status != 200 {
        return 0;
    }
    let series: transferscope_domain::api::MetricSeries = serde_json::from_str(&text).expect("a series");
    series.points.last().map_or(0, |p| p.step)
}

/// Waits until a run has trained further than a step.
async fn beyond(server: &TestServer, id: &RunId, from: u64, patience: Duration) -> u64 {
    let start = Instant::now();
    loop {
        let now = step(server, id).await;
        if now > from {
            return now;
        }
        let run = server.run(id).await;
        assert!(
            start.elapsed() < patience && !run.run.state.is_final(),
            "run {id} does not get beyond step {from}: {run:#?}\n{}\n{}",
            server.log(),
            server.worker_log(id)
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn wait<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < patience, "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Fills a disk to its last byte; room again when the file is removed.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).expect("a file");
    for piece in [1 << 20, 4096, 1] {
        while file.write(&vec![0; piece]).is_ok_and(|n| n > 0) {}
    }
    path
}

/// Lines of a run's log: numbers without gaps, one end, and that one last.
async fn log_is_whole(server: &TestServer, id: &RunId) {
    let events = server.events(id, 0).await;
    let seqs: Vec<u64> = events.iter().map(|e| e.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(events.windows(2).all(|two| two[0].t <= two[1].t), "time goes back");
    let is_end = |body: &EventBody| {
        matches!(body, EventBody::Finished { .. } | EventBody::Failed { .. } | EventBody::Cancelled { .. })
    };
    assert_eq!(events.iter().filter(|e| is_end(&e.body)).count(), 1);
}

/// Nothing half-written is left in a run's directory.
fn no_parts(server: &TestServer, id: &RunId) {
    for folder in ["", "checkpoints", "features", "previews"] {
        let Ok(files) = fs::read_dir(server.run_dir(id).join(folder)) else { continue };
        for file in files.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            assert!(!name.ends_with(".part") && !name.ends_with(".tmp"), "{name} is left");
        }
    }
}

async fn losses(server: &TestServer, id: &RunId) -> Vec<(u64, f64)> {
    server.series(id, "train/loss").await.points.into_iter().map(|p| (p.step, p.value)).collect()
}

#[tokio::test]
async fn a_disk_that_is_full_for_a_while_costs_no_run() {
    let server = TestServer::start_on_disk("size=160m", &["--requeue-after", "0.5", "--jobs", "2"]).await;
    let training = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 20)).await;
    let others: Vec<RunId> = server.submit(short(3)).await.runs.into_iter().map(|r| r.id).collect();
    let before = beyond(&server, &training, 3, RUN_PATIENCE).await;

    let filler = fill(&server.data);
    let full = Instant::now();
    wait("degraded health", Duration::from_secs(10), async || {
        let health: Health = server.get("/api/v1/health").await;
        (health.status == "degraded").then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3).saturating_sub(full.elapsed())).await;
    fs::remove_file(filler).expect("the filler is ours");

    let room = Instant::now();
    beyond(&server, &training, before, RECOVERY).await;
    wait("health is well again", RECOVERY, async || {
        let health: Health = server.get("/api/v1/health").await;
        (health.status == "ok").then_some(())
    })
    .await;
    assert!(room.elapsed() < RECOVERY, "it took {:?}", room.elapsed());
    for id in others.iter().chain([&training]) {
        let run = server.wait_state(id, RunState::Succeeded, TO_ITS_END).await;
        assert_eq!(run.run.failure, None);
        log_is_whole(&server, id).await;
        no_parts(&server, id);
        let steps: Vec<u64> = losses(&server, id).await.into_iter().map(|p| p.0).collect();
        assert_eq!(steps, (1..=run.total_steps.unwrap()).collect::<Vec<_>>());
    }
    let list: RunList = server.get("/api/v1/runs").await;
    assert_eq!(list.runs.len(), 4, "none doubled");
}

#[tokio::test]
async fn a_disk_without_a_file_left_burns_no_run() {
    let server = TestServer::start_on_disk("size=160m,nr_inodes=2000", &["--requeue-after", "600"]).await;
    // The one that trains keeps the others waiting until the disk is out of files.
    let first = server.submit_one(long()).await;
    server.wait_for(&first, RUN_PATIENCE, "at work", |_| server.worker_pid(&first).is_some()).await;
    let waiting: Vec<RunId> = server.submit(short(40)).await.runs.into_iter().map(|r| r.id).collect();
    let fillers = server.data.join("fillers");
    fs::create_dir(&fillers).expect("a folder");
    let mut n = 0;
    while File::create(fillers.join(n.to_string())).is_ok() {
        n += 1;
        assert!(n < 5000, "the disk has no end");
    }
    signal(server.worker_pid(&first).expect("it trains"), Signal::KILL);

    let queue = wait("a pause", Duration::from_secs(20), async || {
        let queue: QueueView = server.get("/api/v1/queue").await;
        queue.paused.is_some().then_some(queue)
    })
    .await;
    let reason = queue.paused.expect("checked above").reason;
    assert!(reason.contains("No space left"), "{reason}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let queue: QueueView = server.get("/api/v1/queue").await;
    assert_eq!(queue.waiting_count, 40, "{queue:?}");
    let (_, page) = server.get_raw("/queue").await;
    assert!(
        page.contains("The queue is paused") && page.contains("No space left"),
        "the page does not say it"
    );
    let health: Health = server.get("/api/v1/health").await;
    assert!(health.problems.iter().any(|p| p.part == "queue"), "{health:?}");
    for id in &waiting {
        let run = server.run(id).await.run;
        assert_eq!((run.state, run.attempts, run.failure), (RunState::Queued, 0, None));
    }

    fs::remove_dir_all(&fillers).expect("they are ours");
    let started = wait("a start", RECOVERY, async || {
        let queue: QueueView = server.get("/api/v1/queue").await;
        assert!(queue.waiting_count >= 38, "{queue:?}");
        let run = queue.running.into_iter().find(|r| r.id != first);
        run.filter(|_| queue.paused.is_none())
    })
    .await;
    assert_eq!(started.attempts, 1);
    server.wait_state(&started.id, RunState::Succeeded, TO_ITS_END).await;
}

/// The worker of attempt one needs long from its start to its lock, and the server is another one by then.
#[tokio::test]
async fn a_slow_start_is_no_death() {
    // Workers without their server belong to this process then. Otherwise the system would wake a stopped one that
    // nobody is left to wake, and end it (orphaned process groups get SIGHUP and SIGCONT).
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("workers come here");
    let mut server = TestServer::start_with(&SOON).await;
    let mut stopped = None;
    for _ in 0..30 {
        let id = server.submit_one(short(1)).await;
        let dir = server.run_dir(&id);
        let start = Instant::now();
        // Without a pause: it has its lock a moment later.
        let pid = loop {
            if let Some(pid) = worker_process(&dir) {
                break pid;
            }
            assert!(start.elapsed() < RUN_PATIENCE, "no worker is started");
            tokio::task::yield_now().await;
        };
        signal(pid, Signal::STOP);
        if server.worker_pid(&id).is_none() {
            stopped = Some((id, dir, pid));
            break;
        }
        // It was faster: let it end, and try another.
        signal(pid, Signal::CONT);
        server.wait_state(&id, RunState::Succeeded, TO_ITS_END).await;
    }
    let (id, dir, pid) = stopped.expect("a worker is seen before it has its lock");
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.kill();
    let server = server.kill_and_restart(&SOON).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        let run = server.run(&id).await.run;
        assert_eq!((run.state, run.attempts, run.failure), (RunState::Preparing, 1, None));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(worker_process(&dir), Some(pid), "a second worker was started");
    signal(pid, Signal::CONT);
    let run = server.wait_state(&id, RunState::Succeeded, TO_ITS_END).await;
    assert_eq!((run.run.attempts, run.run.failure), (1, None));
    log_is_whole(&server, &id).await;
}

/// Asked to leave and killed, more often than attempts are allowed: each time it had come further.
#[tokio::test]
async fn interruptions_with_progress_are_no_attempts() {
    let server = TestServer::start_with(&SOON).await;
    let id = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 30)).await;
    let mut reached = 0;
    for how in [Signal::TERM, Signal::KILL, Signal::TERM, Signal::KILL, Signal::KILL] {
        reached = beyond(&server, &id, reached, RUN_PATIENCE).await;
        let worker = wait("a worker", RUN_PATIENCE, async || server.worker_pid(&id)).await;
        signal(worker, how);
        server.wait_for(&id, RUN_PATIENCE, "without its worker", |r| r.run.state == RunState::Lost).await;
        // All that it said before it ended: only what goes further is progress.
        reached = reached.max(step(&server, &id).await);
    }
    // And a person lets it go on after stopping it.
    beyond(&server, &id, reached, RUN_PATIENCE).await;
    assert_eq!(server.post(&format!("/api/v1/runs/{id}/resume"), &json!({})).await.0, 409, "it runs");
    server.post(&format!("/api/v1/runs/{id}/cancel"), &json!({})).await;
    let stopped = server.wait_state(&id, RunState::Stopped, Duration::from_secs(20)).await;
    assert_eq!(stopped.run.failure, None);
    let step = stopped.checkpoint_step.expect("a run that trained has a checkpoint");
    assert!(step > 0);
    let (_, page) = server.get_raw(&format!("/runs/{id}")).await;
    assert!(page.contains(&format!("/runs/{id}/resume")) && page.contains(&format!("/runs/{id}/repeat")));
    let (status, answer) = server.post(&format!("/api/v1/runs/{id}/resume"), &json!({})).await;
    assert_eq!((status, answer["id"].as_str()), (200, Some(id.as_str())), "{answer}");
    let run = server.wait_state(&id, RunState::Succeeded, TO_ITS_END).await;
    let steps: Vec<u64> = losses(&server, &id).await.into_iter().map(|p| p.0).collect();
    assert_eq!(steps, (1..=run.total_steps.unwrap()).collect::<Vec<_>>());
    let resumed = server.events(&id, 0).await.into_iter().rev().find_map(|e| match e.body {
        EventBody::Started { resumed_from_step, .. } => Some(resumed_from_step),
        _ => None,
    });
    assert_eq!(resumed, Some(step), "it went on from its checkpoint");
    no_parts(&server, &id);
    // What has nothing to go on from says so.
    assert_eq!(server.post(&format!("/api/v1/runs/{id}/resume"), &json!({})).await.0, 409, "it succeeded");
    let blocked = server.submit(short(2)).await.runs;
    let last = &blocked[1].id;
    server.post(&format!("/api/v1/runs/{last}/cancel"), &json!({})).await;
    let (status, problem) = server.post(&format!("/api/v1/runs/{last}/resume"), &json!({})).await;
    assert!(
        status == 409 && problem["detail"].as_str().is_some_and(|d| d.contains("no checkpoint")),
        "{problem}"
    );
}

/// What a power cut or an older folder does to a log, while server and worker are away.
#[tokio::test]
async fn a_log_that_lost_its_end_or_is_gone_is_recorded_from_where_it_is() {
    let undisturbed = TestServer::start_with(&SOON).await;
    let spec = tiny_spec("provicnet-mini", "segmentation", "scratch", 12);
    let calm = undisturbed.submit_one(spec.clone()).await;
    undisturbed.wait_state(&calm, RunState::Succeeded, TO_ITS_END).await;
    let expected = losses(&undisturbed, &calm).await;
    drop(undisturbed);

    const LATER: [&str; 2] = ["--requeue-after", "3"];
    let mut server = TestServer::start_with(&LATER).await;
    let changes: [fn(&Path); 2] = [
        |log| {
            let text = fs::read_to_string(log).expect("a log");
            let last = text.rfind("\"kind\":\"checkpoint\"").expect("a checkpoint");
            let end = last + text[last..].find('\n').expect("a whole line") + 1;
            fs::write(log, &text[..end]).expect("the log is cut");
        },
        |log| fs::remove_file(log).expect("the log goes"),
    ];
    for change in changes {
        let id = server.submit_one(spec.clone()).await;
        beyond(&server, &id, 3, RUN_PATIENCE).await;
        signal(server.worker_pid(&id).expect("it trains"), Signal::KILL);
        // Everything that it said is in the database then.
        server.wait_for(&id, RUN_PATIENCE, "lost", |r| r.run.state == RunState::Lost).await;
        let log = server.run_dir(&id).join("events.jsonl");
        server = server.restart_after(|_| change(&log), &LATER).await;
        let running = |r: &RunDetail| r.run.state == RunState::Running || r.run.state.is_final();
        let run = server.wait_for(&id, RUN_PATIENCE, "running", running).await;
        assert_eq!(run.run.state, RunState::Running, "its beginning was not seen");
        let run = server.wait_state(&id, RunState::Succeeded, TO_ITS_END).await;
        assert_eq!((run.run.failure, run.run.progress), (None, 1.0));
        assert_eq!(losses(&server, &id).await, expected);
        log_is_whole(&server, &id).await;
    }
}
