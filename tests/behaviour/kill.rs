//! Nothing is lost and nothing is twice: worker and server are killed in the middle of a run, and
//! it ends with the numbers of a run that nobody disturbed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use transferscope_domain::{
    FailureKind, RunId, RunState,
    api::{CaseScores, MetricSeries},
    event::EventBody,
};
use transferscope_tests::{RUN_PATIENCE, TestServer, signal, tiny_spec, worker_process};

/// Everything that a run has measured, without times.
async fn numbers(server: &TestServer, id: &RunId) -> BTreeMap<String, Vec<(u64, f64)>> {
    let mut all = BTreeMap::new();
    for name in server.run(id).await.metric_names {
        if name == "train/step_ms" {
            continue;
        }
        let points = server.series(id, &name).await.points;
        all.insert(name, points.into_iter().map(|p| (p.step, p.value)).collect());
    }
    all
}

#[tokio::test]
async fn a_killed_run_ends_with_the_undisturbed_numbers() {
    const ARGS: [&str; 2] = ["--requeue-after", "1"];
    let server = TestServer::start_with(&ARGS).await;
    let spec = tiny_spec("profound-conv-mini", "segmentation", "scratch", 4);
    let undisturbed = server.submit_one(spec.clone()).await;
    server.wait_state(&undisturbed, RunState::Succeeded, RUN_PATIENCE).await;

    let run = server.submit_one(spec).await;
    // Into the third epoch: there is a checkpoint to go on from, and steps after it to take back.
    let steps = server.run(&undisturbed).await.total_steps.expect("a finished run knows its steps");
    let late = steps / 2 + 1;
    let start = Instant::now();
    loop {
        let (status, text) =
            server.get_raw(&format!("/api/v1/runs/{run}/metrics?name=train/loss&max_points=20000")).await;
        let points = match status {
            200 => serde_json::from_str::<MetricSeries>(&text).expect("a series").points,
            // No such curve yet.
            _ => Vec::new(),
        };
        if points.last().is_some_and(|p| p.step >= late) {
            break;
        }
        assert!(start.elapsed() < RUN_PATIENCE, "the run does not come to step {late}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let worker = server.worker_pid(&run).expect("a training run has a worker");
    signal(worker, Signal::KILL);

    // Noticed, and said why.
    let killed = Instant::now();
    let lost = server
        .wait_for(&run, Duration::from_secs(10), "lost", |r| {
            r.run.state == RunState::Lost || r.run.attempts > 1
        })
        .await;
    assert!(killed.elapsed() < Duration::from_secs(10));
    let failure = lost.run.failure.expect("a lost run says why");
    assert_eq!(failure.kind, FailureKind::WorkerDied);
    assert!(failure.message.contains("SIGKILL") && failure.message.contains("step"), "{failure:?}");

    // And the server goes too; the next one starts the run again.
    let server = server.kill_and_restart(&ARGS).await;
    let ended = server.wait_state(&run, RunState::Succeeded, RUN_PATIENCE).await;
    assert_eq!(ended.run.attempts, 2);
    assert!(ended.run.failure.is_none(), "{:?}", ended.run.failure);

    let expected = numbers(&server, &undisturbed).await;
    assert_eq!(numbers(&server, &run).await, expected);
    assert_eq!(expected["train/loss"].len() as u64, steps);
    let cases: CaseScores = server.get(&format!("/api/v1/runs/{undisturbed}/cases")).await;
    assert_eq!(server.get::<CaseScores>(&format!("/api/v1/runs/{run}/cases")).await, cases);

    // The log tells the whole story: two starts, the second from a checkpoint, and no gap.
    let events = server.events(&run, 0).await;
    let seqs: Vec<u64> = events.iter().map(|e| e.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    let resumed: Vec<u64> = events
        .iter()
        .filter_map(|e| match &e.body {
            EventBody::Started { resumed_from_step, .. } => Some(*resumed_from_step),
            _ => None,
        })
        .collect();
    assert_eq!(resumed.len(), 2);
    assert!(resumed[0] == 0 && resumed[1] > 0 && resumed[1] < steps, "{resumed:?}");
}

/// Worker and server die together; and a run whose workers always die before they get anywhere is given up.
#[tokio::test]
async fn a_run_whose_worker_died_unseen_is_found_and_given_up_after_three_attempts() {
    const ARGS: [&str; 2] = ["--requeue-after", "0.5"];
    let mut server = TestServer::start_with(&ARGS).await;
    let run = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 2000)).await;
    let dir = server.run_dir(&run);
    for attempt in 1..=3 {
        let start = Instant::now();
        // Long before its first checkpoint.
        let worker = loop {
            if let Some(worker) = worker_process(&dir) {
                break worker;
            }
            assert!(start.elapsed() < RUN_PATIENCE, "no worker for attempt {attempt}: {}", server.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        if attempt == 1 {
            server.kill();
            signal(worker, Signal::KILL);
            server = server.kill_and_restart(&ARGS).await;
            let start = Instant::now();
            let lost =
                server.wait_for(&run, Duration::from_secs(10), "lost", |r| r.run.failure.is_some()).await;
            assert!(start.elapsed() < Duration::from_secs(10));
            assert!(lost.run.failure.is_some_and(|f| f.message.contains("gone")), "unseen deaths say so");
        } else {
            signal(worker, Signal::KILL);
        }
        // It is gone before the next one is looked for.
        while worker_process(&dir) == Some(worker) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let failed = server.wait_for(&run, Duration::from_secs(10), "failed", |r| r.run.state.is_final()).await;
    assert_eq!(failed.run.state, RunState::Failed);
    let failure = failed.run.failure.expect("a failed run says why");
    assert!(failure.message.contains("3 attempts in a row made no progress"), "{failure:?}");
    assert!(matches!(server.events(&run, 0).await.last().expect("a log").body, EventBody::Failed { .. }));
}
