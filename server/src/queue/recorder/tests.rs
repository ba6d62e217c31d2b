//! Logs that are not what was recorded of them.

use transferscope_domain::{
    Failure, RunRequest, RunState,
    event::{CheckpointKind, EventBody},
};
use transferscope_store::NewRun;

use super::*;
use crate::queue::event_log::EventLog;

struct Home {
    store: Store,
    data: DataDir,
    recorder: Recorder,
    run: RunId,
    _folder: tempfile::TempDir,
}

impl Home {
    /// A data folder with one run, claimed by a worker.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("data")).unwrap();
        let store = Store::open_temp().await.unwrap();
        let request: RunRequest = serde_json::from_value(serde_json::json!({
            "schema": 1, "id": "test-run", "backbone": "provicnet-mini", "family": "provicnet",
            "task": "segmentation", "arm": "scratch", "seed": 0, "dataset": "tiny", "dataset_dir": "../../datasets/tiny",
            "dataset_hash": "hash", "device": "cpu", "code_version": "test",
            "training": transferscope_domain::TrainingSpec::default_for(
                transferscope_domain::Family::Provicnet, transferscope_domain::TaskKind::Segmentation),
        }))
        .unwrap();
        let run = request.id.clone();
        store.enqueue_run(&NewRun { request, synthetic: true, arrival: None }).await.unwrap();
        store.claim_next(1).await.unwrap();
        std::fs::create_dir_all(data.run(&run)).unwrap();
        let recorder = Recorder::new(store.clone(), data.clone(), Arc::new(|_| ()), Health::new());
        Self { store, data, recorder, run, _folder: folder }
    }

    /// The recorder of a server that was started again.
    fn fresh(&self) -> Recorder {
        Recorder::new(self.store.clone(), self.data.clone(), Arc::new(|_| ()), Health::new())
    }

    fn log(&self) -> PathBuf {
        self.data.run(&self.run).join(event_log::FILE)
    }

    fn say(&self, bodies: impl IntoIterator<Item = EventBody>) {
        let (log, _) = EventLog::open(&self.log()).unwrap();
        for body in bodies {
            log.append(body).unwrap();
        }
    }

    async fn record(&self) -> bool {
        self.recorder.catch_up(&self.run).await.unwrap()
    }

    async fn state(&self) -> RunState {
        self.store.run(&self.run).await.unwrap().run.state
    }

    async fn losses(&self) -> Vec<(u64, f64)> {
        let series = self.store.metrics(&self.run, "train/loss", 1000).await.unwrap();
        series.points.into_iter().map(|p| (p.step, p.value)).collect()
    }

    /// The position that is recorded is the length of the log.
    async fn is_caught_up(&self) -> bool {
        let at = self.store.record_position(&self.run).await.unwrap();
        let (_, history) = EventLog::open(&self.log()).unwrap();
        (at.offset, at.last_seq) == (std::fs::metadata(self.log()).unwrap().len(), history.last_seq)
    }
}

fn started(attempt: u32, resumed_from_step: u64) -> EventBody {
    EventBody::Started {
        attempt,
        resumed_from_step,
        total_epochs: 2,
        total_steps: 20,
        device: "CPU".into(),
        pid: 1,
        train_cases: 1,
        val_cases: 1,
        test_cases: 1,
        left_out: Vec::new(),
        load_report: None,
        parameters: 1,
    }
}

fn step(step: u64, loss: f64) -> EventBody {
    EventBody::Step { step, epoch: step as f64 / 10.0, loss, lr: 1e-3, grad_norm: 1.0, ms: 5.0 }
}

fn checkpoint(step: u64) -> EventBody {
    EventBody::Checkpoint { step, epoch: 0.0, which: CheckpointKind::Last, file: "last".into() }
}

fn failed() -> EventBody {
    EventBody::Failed { failure: Failure::new(FailureKind::Disk, "full") }
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_read_again_and_the_resumed_run_is_recorded() {
    let home = Home::new().await;
    home.say([started(1, 0)].into_iter().chain((1..=5).map(|s| step(s, 1.0))).chain([checkpoint(5)]));
    let kept = std::fs::read(home.log()).unwrap();
    home.say((6..=9).map(|s| step(s, 1.0)));
    home.record().await;
    assert_eq!(home.losses().await.len(), 9);

    // A power cut: what was not synced is gone. The next worker writes less than was there before.
    std::fs::write(home.log(), &kept).unwrap();
    home.store.lose(&home.run, &Failure::new(FailureKind::WorkerDied, "x"), true, 2).await.unwrap();
    home.store.requeue_lost(&home.run, 3).await.unwrap();
    home.store.claim_next(4).await.unwrap();
    home.say([started(2, 5)]);
    let fresh = home.fresh();
    fresh.catch_up(&home.run).await.unwrap();
    assert_eq!(home.state().await, RunState::Running);
    assert_eq!(home.losses().await, (1..=5).map(|s| (s, 1.0)).collect::<Vec<_>>());
    home.say((6..=8).map(|s| step(s, 2.0)));
    home.record().await;
    assert_eq!(home.losses().await.iter().filter(|p| p.1 == 2.0).count(), 3);
    assert!(home.is_caught_up().await);
}

/// The log is gone, and the worker of the next attempt began a new one, from the checkpoint at step 3.
async fn a_new_log(seen_missing: bool) {
    let home = Home::new().await;
    home.say([started(1, 0)].into_iter().chain((1..=5).map(|s| step(s, 1.0))));
    home.record().await;
    let length = std::fs::metadata(home.log()).unwrap().len();
    std::fs::remove_file(home.log()).unwrap();
    if seen_missing {
        assert!(!home.record().await, "a log that is gone is no end");
        assert_eq!(home.losses().await.len(), 5, "what was recorded stays");
    }
    home.say([started(2, 3)].into_iter().chain((4..=12).map(|s| step(s, 3.125))).chain([failed()]));
    assert!(std::fs::metadata(home.log()).unwrap().len() > length);
    assert!(home.record().await);
    let expected: Vec<_> = (1..=3).map(|s| (s, 1.0)).chain((4..=12).map(|s| (s, 3.125))).collect();
    assert_eq!(home.losses().await, expected);
    assert_eq!(home.state().await, RunState::Failed);
    assert!(home.is_caught_up().await);
}

#[tokio::test]
async fn a_new_log_is_read_from_its_beginning() {
    a_new_log(true).await;
}

#[tokio::test]
async fn another_log_is_known_by_its_numbers_also_where_it_is_longer() {
    a_new_log(false).await;
}

#[tokio::test]
async fn a_damaged_line_is_passed_over_and_nothing_is_read_for_ever() {
    let home = Home::new().await;
    home.say([started(1, 0), step(1, 1.0)]);
    home.record().await;
    let mut text = std::fs::read(home.log()).unwrap();
    text.extend(b"{\"seq\": 3, rubbish\n");
    std::fs::write(home.log(), text).unwrap();
    home.record().await;
    home.say([step(2, 1.0), step(3, 1.0)]);
    home.record().await;
    assert_eq!(home.losses().await.len(), 3);
    assert!(home.is_caught_up().await);
}

#[tokio::test]
async fn an_end_that_others_follow_is_none() {
    let home = Home::new().await;
    home.say([started(1, 0), step(1, 1.0), failed()]);
    assert!(home.record().await);
    assert_eq!(home.state().await, RunState::Failed);
    home.store.resume(&home.run, 5).await.unwrap();
    home.store.claim_next(6).await.unwrap();
    let goes_on = EventBody::Log { level: LogLevel::Info, message: "goes on".into() };
    home.say([goes_on, started(2, 1), step(2, 1.0)]);
    assert!(!home.record().await);
    assert_eq!(home.state().await, RunState::Running);

    // The same when all of it is read at once, as for a database that is made anew.
    home.store.rewind(&home.run).await.unwrap();
    let fresh = home.fresh();
    assert!(!fresh.catch_up(&home.run).await.unwrap());
    assert_eq!(home.state().await, RunState::Running);
    assert_eq!(home.losses().await.len(), 2);
    assert!(home.is_caught_up().await);
}

#[tokio::test]
async fn a_run_that_was_given_up_and_ended_by_itself_has_the_last_word() {
    let home = Home::new().await;
    home.say([started(1, 0), step(1, 1.0)]);
    home.record().await;
    let guess = Failure::new(FailureKind::WorkerDied, "gone");
    home.store.set_state(&home.run, RunState::Failed, Some(&guess), 5).await.unwrap();
    home.recorder.forget(&home.run);
    home.recorder.look_back().await.unwrap();
    assert_eq!(home.state().await, RunState::Failed);
    // Its worker lived after all, and was cancelled by hand.
    home.say([step(2, 1.0), EventBody::Cancelled { step: 2, epoch: 0.2 }]);
    home.recorder.look_back().await.unwrap();
    assert_eq!(home.state().await, RunState::Stopped);
    assert_eq!(home.losses().await.len(), 2);
}

/// A disk that does not answer for a moment says nothing of a run that has finished.
#[tokio::test]
async fn a_report_that_cannot_be_read_now_is_no_failure() {
    let home = Home::new().await;
    let end = EventBody::Finished { step: 1, seconds: 1.0, peak_memory_bytes: 1 };
    home.say([started(1, 0), step(1, 1.0), end]);
    // Reading a folder is an error of the disk, as far as the reader can tell.
    let path = home.data.run(&home.run).join("report.json");
    std::fs::create_dir(&path).unwrap();
    for _ in 0..2 {
        assert!(matches!(home.recorder.catch_up(&home.run).await, Err(RecorderError::Log { .. })));
        assert_ne!(home.state().await, RunState::Failed);
    }
    std::fs::remove_dir(&path).unwrap();
    let report = serde_json::json!({
        "schema": 1, "request": home.store.request(&home.run).await.unwrap(), "device": "CPU", "parameters": 1,
        "metrics": { "test/dice": 0.5 }, "best_epoch": 1.0, "cases": [], "alignment": [], "left_out": [], "seconds": 1.0,
        "peak_memory_bytes": 1, "synthetic_data": true,
    });
    std::fs::write(&path, report.to_string()).unwrap();
    assert!(home.record().await);
    assert_eq!(home.state().await, RunState::Succeeded);
    assert_eq!(home.store.run(&home.run).await.unwrap().run.metrics["test/dice"], 0.5);
}
