//! The dispatcher over an executor that does as it is told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use transferscope_domain::{RunRequest, api::RunView};
use transferscope_store::{NewRun, Store};

use super::*;
use crate::{
    data_dir::DataDir,
    health::Health,
    queue::{
        dispatcher::Pause,
        event_log::{self, EventLog},
        executor::{Ending, Executor, Force},
        recorder::Recorder,
        timing::Timing,
    },
};

/// Starts nothing, and says of workers what a test has set.
#[derive(Default)]
struct Fake {
    /// Runs for which no worker can be started; all of them where it holds `*`.
    refused: Mutex<HashSet<String>>,
    workers: Mutex<HashMap<String, Liveness>>,
    started: Mutex<Vec<(String, u32)>>,
    /// Workers that were made to leave.
    forced: Mutex<Vec<(String, Force)>>,
}

impl Fake {
    fn set(&self, run: &RunId, worker: Liveness) {
        self.workers.lock().unwrap().insert(run.to_string(), worker);
    }

    fn refuse(&self, runs: &[&str]) {
        *self.refused.lock().unwrap() = runs.iter().map(|r| (*r).to_owned()).collect();
    }

    fn started(&self) -> Vec<(String, u32)> {
        self.started.lock().unwrap().clone()
    }
}

impl Executor for Fake {
    fn submit(&self, run: &RunId, _run_dir: &Path, attempt: u32) -> Result<(), ExecutorError> {
        let refused = self.refused.lock().unwrap();
        if refused.contains("*") || refused.contains(run.as_str()) {
            let source = io::Error::from(io::ErrorKind::StorageFull);
            return Err(ExecutorError::Start { what: "worker.log".into(), source });
        }
        self.started.lock().unwrap().push((run.to_string(), attempt));
        self.set(run, Liveness::Alive);
        Ok(())
    }

    fn alive(&self, run: &RunId, _run_dir: &Path) -> Result<Liveness, ExecutorError> {
        let workers = self.workers.lock().unwrap();
        Ok(workers.get(run.as_str()).cloned().unwrap_or(Liveness::Dead(Ending::Unseen)))
    }

    fn cancel(&self, run: &RunId, _run_dir: &Path, force: Force) -> Result<(), ExecutorError> {
        self.forced.lock().unwrap().push((run.to_string(), force));
        Ok(())
    }
}

struct Stage {
    dispatcher: Dispatcher,
    fake: Arc<Fake>,
    memory: Memory,
    runs: Vec<RunId>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new(runs: usize, jobs: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("data")).unwrap();
        let store = Store::open_temp().await.unwrap();
        let mut ids = Vec::new();
        for n in 0..runs {
            let request: RunRequest = serde_json::from_value(serde_json::json!({
                "schema": 1, "id": format!("test-run{n}"), "backbone": "provicnet-mini", "family": "provicnet",
                "task": "segmentation", "arm": "scratch", "seed": 0, "dataset": "tiny",
                "dataset_dir": "../../datasets/tiny", "dataset_hash": "hash", "device": "cpu",
                "code_version": "test",
                "training": transferscope_domain::TrainingSpec::default_for(
                    transferscope_domain::Family::Provicnet, transferscope_domain::TaskKind::Segmentation),
            }))
            .unwrap();
            std::fs::create_dir(data.run(&request.id)).unwrap();
            ids.push(request.id.clone());
            store.enqueue_run(&NewRun { request, synthetic: true, arrival: None }).await.unwrap();
        }
        let fake = Arc::new(Fake::default());
        let on_change: crate::queue::recorder::OnChange = Arc::new(|_| ());
        let health = Health::new();
        let recorder =
            Recorder::new(store.clone(), data.clone(), Arc::clone(&on_change), Arc::clone(&health));
        let dispatcher = Dispatcher {
            store,
            data,
            executor: Arc::clone(&fake) as Arc<dyn Executor>,
            recorder: Arc::new(recorder),
            wake: Arc::default(),
            on_change,
            health,
            pause: Pause::default(),
            jobs,
            timing: Timing { requeue_after: Duration::ZERO, ..Timing::default() },
        };
        Self { dispatcher, fake, memory: Memory::default(), runs: ids, _folder: folder }
    }

    async fn look(&mut self) {
        self.dispatcher.look(&mut self.memory).await.unwrap();
    }

    async fn run(&self, n: usize) -> RunView {
        self.dispatcher.store.run(&self.runs[n]).await.unwrap().run
    }

    async fn states(&self) -> Vec<RunState> {
        let mut states = Vec::new();
        for n in 0..self.runs.len() {
            states.push(self.run(n).await.state);
        }
        states
    }

    /// Looks on until something has happened.
    async fn until(&mut self, what: &str, happened: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !happened(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "{what} does not happen");
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.look().await;
        }
    }

    fn say(&self, n: usize, bodies: impl IntoIterator<Item = EventBody>) {
        let path = self.dispatcher.data.run(&self.runs[n]).join(event_log::FILE);
        let (log, _) = EventLog::open(&path).unwrap();
        bodies.into_iter().for_each(|body| drop(log.append(body).unwrap()));
    }
}

#[tokio::test]
async fn a_machine_that_starts_nothing_burns_no_run_and_goes_on_by_itself() {
    let mut stage = Stage::new(5, 2).await;
    stage.fake.refuse(&["*"]);
    for _ in 0..3 {
        stage.look().await;
    }
    assert_eq!(stage.states().await, [RunState::Queued; 5]);
    let view = stage.dispatcher.pause.view(Instant::now()).expect("the queue is paused");
    assert!(view.reason.contains("worker.log") && view.next_try_s <= 1.0, "{view:?}");
    let problems = stage.dispatcher.health.problems();
    assert!(problems.iter().any(|p| p.part == "queue" && p.message.contains("worker.log")), "{problems:?}");
    for n in 0..5 {
        let run = stage.run(n).await;
        assert_eq!((run.attempts, run.failure), (0, None));
    }

    stage.fake.refuse(&[]);
    stage.until("a start", |s| s.fake.started().len() == 2).await;
    assert_eq!(stage.dispatcher.pause.view(Instant::now()), None);
    assert!(stage.dispatcher.health.problems().is_empty());
    assert!(stage.fake.started().iter().all(|(_, attempt)| *attempt == 1));
    let waiting = stage.states().await.into_iter().filter(|s| *s == RunState::Queued).count();
    assert_eq!(waiting, 3);
}

#[tokio::test]
async fn an_obstacle_of_one_run_does_not_stop_the_others() {
    let mut stage = Stage::new(3, 2).await;
    let first = stage.runs[0].to_string();
    stage.fake.refuse(&[&first]);
    stage.until("the other starts", |s| s.fake.started().len() == 2).await;
    assert_eq!(stage.states().await, [RunState::Queued, RunState::Preparing, RunState::Preparing]);
    // Its directory is gone: it can never be started, and that is its own.
    let mut stage = Stage::new(2, 1).await;
    std::fs::remove_dir(stage.dispatcher.data.run(&stage.runs[0])).unwrap();
    stage.fake.refuse(&[&stage.runs[0].to_string()]);
    stage.look().await;
    assert_eq!(stage.states().await, [RunState::Failed, RunState::Preparing]);
    let failure = stage.run(0).await.failure.expect("a failed run says why");
    assert!(failure.message.contains("is gone"), "{failure:?}");
    assert_eq!(stage.dispatcher.pause.view(Instant::now()), None);
}

#[tokio::test]
async fn a_living_worker_gets_no_second_one_beside_it() {
    let mut stage = Stage::new(1, 1).await;
    let run = stage.runs[0].clone();
    // Started by a server before, or by hand.
    stage.fake.set(&run, Liveness::Alive);
    stage.look().await;
    assert_eq!(stage.states().await, [RunState::Preparing]);
    assert!(stage.fake.started().is_empty());
    assert_eq!(stage.run(0).await.attempts, 0);
    // Thought lost while it lives, whatever led to that.
    let guess = Failure::new(FailureKind::WorkerDied, "gone");
    stage.dispatcher.store.lose(&run, &guess, true, 1).await.unwrap();
    for _ in 0..3 {
        stage.look().await;
    }
    assert_eq!(stage.states().await, [RunState::Preparing]);
    assert!(stage.fake.started().is_empty());
    // And it comes to its end.
    stage.dispatcher.store.lose(&run, &guess, true, 2).await.unwrap();
    stage.say(0, [EventBody::Cancelled { step: 3, epoch: 0.5 }]);
    stage.fake.set(&run, Liveness::Dead(Ending::Unseen));
    stage.look().await;
    assert_eq!(stage.states().await, [RunState::Stopped]);
}

#[tokio::test]
async fn a_full_disk_pauses_the_queue_and_the_run_goes_on() {
    let mut stage = Stage::new(2, 1).await;
    stage.look().await;
    let code = i32::from(crate::queue::worker::EXIT_CANNOT_WRITE);
    for attempt in 2..5 {
        stage.fake.set(&stage.runs[0].clone(), Liveness::Dead(Ending::Exit(code)));
        stage.fake.set(&stage.runs[1].clone(), Liveness::Dead(Ending::Exit(code)));
        stage.look().await;
        let paused = stage.dispatcher.pause.view(Instant::now());
        assert!(paused.is_some_and(|p| p.reason.contains("disk")));
        stage.until("another start", |s| s.fake.started().len() == attempt).await;
    }
    let states = stage.states().await;
    assert!(!states.contains(&RunState::Failed), "{states:?}");
    for (run, state) in stage.runs.iter().zip(&states).take(2) {
        assert_eq!(
            stage.dispatcher.store.reached(run).await.unwrap().misses.min(1),
            u32::from(*state == RunState::Preparing)
        );
    }
}

#[tokio::test]
async fn a_worker_that_stays_after_its_end_is_killed_and_holds_its_place_until_then() {
    let mut stage = Stage::new(2, 1).await;
    stage.dispatcher.timing.kill_after = Duration::from_millis(200);
    stage.look().await;
    let run = stage.runs[0].clone();
    stage.say(0, [EventBody::Cancelled { step: 3, epoch: 0.5 }]);
    stage.dispatcher.recorder.catch_up(&run).await.unwrap();
    stage.look().await;
    assert_eq!(stage.states().await, [RunState::Stopped, RunState::Queued]);
    assert!(stage.fake.forced.lock().unwrap().is_empty(), "it has a moment to leave");
    stage.until("a kill", |s| !s.fake.forced.lock().unwrap().is_empty()).await;
    assert_eq!(stage.fake.forced.lock().unwrap()[0], (run.to_string(), Force::Kill));
    assert_eq!(
        stage.states().await,
        [RunState::Stopped, RunState::Queued],
        "memory and card are not free yet"
    );
    stage.fake.set(&run, Liveness::Dead(Ending::Signal(9)));
    stage.look().await;
    assert_eq!(stage.states().await, [RunState::Stopped, RunState::Preparing]);
}
