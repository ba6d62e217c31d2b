//! The machine's clock is set while runs are under way: waits go on by the time that passes, and nothing ends before it
//! began. The clock is libfaketime's; monotonic time is the machine's own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;
use transferscope_domain::RunState;
use transferscope_tests::{RUN_PATIENCE, TestServer, signal, tiny_spec};

/// The library that tells a process another time.
fn libfaketime() -> PathBuf {
    let found = fs::read_dir("/usr/lib").expect("/usr/lib").flatten().find_map(|folder| {
        let library = folder.path().join("faketime/libfaketimeMT.so.1");
        library.is_file().then_some(library)
    });
    found.expect(
        "this test needs libfaketime; on Debian: apt-get install libfaketime (cargo xtask test does it)",
    )
}

/// A server whose clock says what `offset` holds, such as `+0` or `-3600`.
async fn server(offset: &Path, args: &[&str]) -> TestServer {
    fs::write(offset, "+0").expect("the clock is set");
    let (library, one) = (libfaketime(), Path::new("1"));
    let variables = [
        ("LD_PRELOAD", library.as_path()),
        ("FAKETIME_TIMESTAMP_FILE", offset),
        ("FAKETIME_NO_CACHE", one),
        ("FAKETIME_DONT_FAKE_MONOTONIC", one),
        ("DONT_FAKE_MONOTONIC", one),
    ];
    TestServer::start_in_environment(args, &variables).await
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    let server = server(&offset, &["--requeue-after", "2"]).await;
    let spec = tiny_spec("profound-conv-mini", "super-resolution", "scratch", 2000);
    let id = server.submit_one(spec).await;
    let trains =
        server.wait_for(&id, RUN_PATIENCE, "training", |r| r.run.metrics.contains_key("train/loss")).await;
    let hour = 3_600_000;
    let heard = trains.run.heartbeat_ms.expect("it was heard");
    signal(server.worker_pid(&id).expect("it trains"), Signal::KILL);
    server.wait_for(&id, RUN_PATIENCE, "lost", |r| r.run.state == RunState::Lost).await;
    fs::write(&offset, "-3600").expect("the clock is set");
    // By the clock that would be in an hour and two seconds.
    let set = Instant::now();
    server.wait_for(&id, Duration::from_secs(30), "queued again", |r| r.run.attempts == 2).await;
    assert!(set.elapsed() < Duration::from_secs(30));
    let again = server
        .wait_for(&id, RUN_PATIENCE, "training again", |r| {
            r.run.state == RunState::Running && r.run.attempts == 2
        })
        .await;
    assert!(again.run.heartbeat_ms >= Some(heard), "time went back in the log");

    // A day back; the run ends, and not before it began. A worker that hangs is made to end.
    fs::write(&offset, "-86400").expect("the clock is set");
    if std::env::var_os("TRANSFERSCOPE_FULL").is_some() {
        // Twenty seconds of patience.
        signal(server.worker_pid(&id).expect("it trains"), Signal::STOP);
    }
    server.post(&format!("/api/v1/runs/{id}/cancel"), &json!({})).await;
    let stopped = server.wait_state(&id, RunState::Stopped, Duration::from_secs(60)).await.run;
    let (began, ended) = (stopped.started_ms.expect("it began"), stopped.finished_ms.expect("it ended"));
    assert!(ended >= began && ended - began < hour, "from {began} to {ended}");
    let events = server.events(&id, 0).await;
    assert!(events.windows(2).all(|two| two[0].t <= two[1].t), "time goes back in the log");
    let (_, page) = server.get_raw("/runs").await;
    assert!(!page.contains("-86") && !page.contains("\u{2212}86"), "a negative time is shown");
}
