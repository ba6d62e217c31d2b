//! Recording: exactly once, whatever is repeated or taken back.

use transferscope_domain::{Failure, FailureKind, event::Phase, report::CaseScore};

use super::*;
use crate::testing::{metric, numbered, say, started, step, store_with_runs};

fn preview(step: u64) -> EventBody {
    EventBody::Preview {
        step,
        epoch: step as f64 / 10.0,
        case_id: "c".into(),
        file: format!("step{step}.png"),
        caption: "t2w, target, prediction".into(),
    }
}

fn aligned(epoch: f64, value: f64) -> EventBody {
    EventBody::Alignment(AlignmentValue {
        epoch,
        layer: "block1".into(),
        depth: 0,
        metric: "d2p".into(),
        value,
        p: None,
        bandwidth: 2.0,
        n: 9,
    })
}

fn finished() -> EventBody {
    EventBody::Finished { step: 100, seconds: 12.5, peak_memory_bytes: 1 << 30 }
}

#[tokio::test]
async fn a_log_that_is_replayed_in_any_cut_is_recorded_once() {
    let bodies: Vec<EventBody> = std::iter::once(started(1, 0))
        .chain((1..=20).map(|s| step(s, 1.0 / s as f64)))
        .chain([metric("val/dice", 20, 0.5), finished()])
        .collect();
    let events = numbered(1, bodies);
    let mut results = Vec::new();
    for cut in [1, 5, 23] {
        let (store, ids) = store_with_runs(1).await;
        store.claim_next(1).await.unwrap();
        for end in (cut..=events.len()).step_by(cut).chain([events.len()]) {
            // Each batch begins at the first event: all but the last `cut` are repeats.
            let batch = RecordBatch::of(&events[..end], 10 * end as u64);
            store.record(&ids[0], batch).await.unwrap();
            store.record(&ids[0], batch).await.unwrap();
        }
        let loss = store.metrics(&ids[0], "train/loss", 1000).await.unwrap();
        assert_eq!(loss.points.len(), 20);
        assert_eq!(loss.points[3], (4, 0.4, 5000, 0.25).into());
        let at = store.record_position(&ids[0]).await.unwrap();
        assert_eq!(at, RecordPosition { offset: 230, last_seq: 23 });
        let mut run = store.run(&ids[0]).await.unwrap();
        assert_eq!(run.run.state, RunState::Succeeded);
        assert_eq!((run.run.progress, run.run.finished_ms), (1.0, Some(23_000)));
        assert_eq!(run.run.metrics["train/loss"], 0.05);
        assert_eq!(run.run.primary, None);
        run.run.id = "same-for-all".parse().unwrap();
        run.run.created_ms = 0;
        results.push(run);
    }
    assert!(results.windows(2).all(|w| w[0] == w[1]));
}

#[tokio::test]
async fn a_resumed_worker_takes_back_what_it_will_say_again() {
    let (store, ids) = store_with_runs(1).await;
    let id = &ids[0];
    store.claim_next(1).await.unwrap();
    let first: Vec<_> = std::iter::once(started(1, 0))
        .chain((1..=35).map(|s| step(s, 1.0)))
        .chain([
            metric("val/dice", 20, 0.2),
            metric("val/dice", 30, 0.9),
            metric("val/late", 30, 0.9),
            preview(20),
            preview(30),
            aligned(0.0, 0.0),
            aligned(2.0, 0.1),
            aligned(3.0, 0.2),
        ])
        .collect();
    say(&store, id, first).await;
    assert_eq!(store.run(id).await.unwrap().run.metrics["val/dice"], 0.9);

    let lost = Failure::new(FailureKind::WorkerDied, "killed");
    store.set_state(id, RunState::Lost, Some(&lost), 40_000).await.unwrap();
    store.requeue_lost(id, 41_000).await.unwrap();
    store.claim_next(42_000).await.unwrap();
    assert_eq!(store.run(id).await.unwrap().run.failure, Some(lost));
    say(&store, id, [started(2, 20), step(21, 2.0)]).await;

    let run = store.run(id).await.unwrap();
    assert_eq!(run.run.state, RunState::Running);
    assert_eq!(run.run.attempts, 2);
    assert_eq!(run.run.failure, None, "it is under way again");
    assert_eq!(run.run.metrics["val/dice"], 0.2);
    assert_eq!(run.run.metrics["train/loss"], 2.0);
    assert!(!run.run.metrics.contains_key("val/late"));
    assert_eq!(run.previews.iter().map(|p| p.file.as_str()).collect::<Vec<_>>(), ["step20.png"]);
    let loss = store.metrics(id, "train/loss", 1000).await.unwrap();
    assert_eq!(loss.points.iter().map(|p| p.step).collect::<Vec<_>>(), (1..=21).collect::<Vec<_>>());
    let alignment = store.alignment(id).await.unwrap();
    assert_eq!(alignment.values.iter().map(|v| v.epoch).collect::<Vec<_>>(), [0.0, 2.0]);

    say(&store, id, (22..=100).map(|s| step(s, 3.0)).chain([metric("test/dice", 100, 0.7), finished()]))
        .await;
    let run = store.run(id).await.unwrap().run;
    assert_eq!((run.state, run.failure), (RunState::Succeeded, None));
    assert_eq!(run.primary.unwrap().value, 0.7);
    assert_eq!(store.metrics(id, "train/loss", 1000).await.unwrap().points.len(), 100);
}

#[tokio::test]
async fn a_resume_inside_one_batch_counts_too() {
    let (store, ids) = store_with_runs(1).await;
    let log = [started(1, 0), step(1, 1.0), step(2, 1.0), step(3, 1.0), started(2, 1), step(2, 5.0)];
    say(&store, &ids[0], log).await;
    let loss = store.metrics(&ids[0], "train/loss", 100).await.unwrap();
    assert_eq!(loss.points.iter().map(|p| (p.step, p.value)).collect::<Vec<_>>(), [(1, 1.0), (2, 5.0)]);
    assert_eq!(store.run(&ids[0]).await.unwrap().run.metrics["train/loss"], 5.0);
}

#[tokio::test]
async fn states_follow_the_log_and_an_ended_run_stays_ended() {
    let (store, ids) = store_with_runs(1).await;
    let id = &ids[0];
    store.claim_next(1).await.unwrap();
    say(&store, id, [started(1, 0)]).await;
    let heartbeat =
        |progress| EventBody::Heartbeat { step: 3, progress, phase: Phase::Training, eta_s: Some(9.0) };
    say(&store, id, [heartbeat(0.25)]).await;
    let run = store.run(id).await.unwrap().run;
    assert_eq!((run.progress, run.phase, run.eta_s), (0.25, Some(Phase::Training), Some(9.0)));
    assert_eq!(run.heartbeat_ms, Some(2000));

    store.request_stop(id, 5000).await.unwrap();
    say(&store, id, [heartbeat(0.5)]).await;
    assert_eq!(store.run(id).await.unwrap().run.state, RunState::Stopping);
    say(&store, id, [EventBody::Cancelled { step: 4, epoch: 0.4 }, heartbeat(0.9)]).await;
    let run = store.run(id).await.unwrap().run;
    assert_eq!((run.state, run.progress, run.phase), (RunState::Stopped, 0.5, None));
    say(&store, id, [EventBody::Failed { failure: Failure::new(FailureKind::Internal, "late") }]).await;
    assert_eq!(store.run(id).await.unwrap().run.failure, None);
}

#[tokio::test]
async fn a_report_adds_cases_and_missing_test_values_once() {
    let (store, ids) = store_with_runs(1).await;
    let id = &ids[0];
    say(&store, id, [started(1, 0), step(1, 1.0), metric("test/dice", 100, 0.5)]).await;
    let request = store.request(id).await.unwrap();
    let case = |case_id: &str, dice: f64| CaseScore {
        case_id: case_id.into(),
        patient_id: case_id.into(),
        split: "test".into(),
        scores: [("dice".to_owned(), dice)].into(),
    };
    let report = RunReport {
        schema: 1,
        request,
        device: "CPU".into(),
        parameters: 1,
        trained_parameters: Some(1),
        metrics: [("test/dice", 0.5), ("test/dice.peripheral", 0.4), ("val/dice", 0.9)]
            .map(|(n, v)| (n.to_owned(), v))
            .into(),
        best_epoch: 3.0,
        cases: vec![case("b", 0.6), case("a", 0.4)],
        alignment: Vec::new(),
        load_report: None,
        left_out: Vec::new(),
        seconds: 1.0,
        data_wait_share: None,
        alignment_share: None,
        peak_memory_bytes: 1,
        synthetic_data: true,
    };
    store.record(id, RecordBatch::report(&report)).await.unwrap();
    store.record(id, RecordBatch::report(&report)).await.unwrap();
    let cases = store.cases(id).await.unwrap().cases;
    assert_eq!(cases.iter().map(|c| c.case_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(cases[0].scores["dice"], 0.4);
    let run = store.run(id).await.unwrap().run;
    assert_eq!(run.metrics["test/dice.peripheral"], 0.4);
    assert!(!run.metrics.contains_key("val/dice"));
    assert_eq!(store.metrics(id, "test/dice", 10).await.unwrap().points.len(), 1);
    assert!(matches!(
        store.record(&"no-such-run".parse().unwrap(), RecordBatch::report(&report)).await,
        Err(StoreError::NotFound { .. })
    ));
}
