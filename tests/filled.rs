//! A server over a data folder in which everything has happened: runs in every state, experiments with results and
//! holes, links of every kind. Nothing trains: what workers would say is said here, so that it stands still.

use std::{collections::BTreeMap, path::Path};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt;
use transferscope_domain::{
    Arm, ExperimentId, Failure, FailureKind, RunId, RunRequest, RunState, TaskKind,
    alignment::{AlignmentValue, names},
    dataset::LeftOut,
    event::{EventBody, LogLevel, Phase, RunEvent},
    metric::Split,
    report::{CaseScore, LoadReport, RunReport},
    run::DeviceChoice,
};
use transferscope_server::{
    AppState, build_router,
    data_dir::DataDir,
    queue::event_log::{self, EventLog},
};
use transferscope_store::{RecordBatch, Store, now_ms};

use crate::{TINY, make_tiny_data};

/// Epochs and optimiser steps of every run.
const EPOCHS: u32 = 4;
const STEPS_PER_EPOCH: u64 = 5;

/// A name with everything in it that some format gives a meaning.
pub const NAME: &str = "A_b 50% & $x^2 ~ \"q\" | <C> é ≥ 😀";

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the body is, without parameters.
    pub fn kind(&self) -> &str {
        let kind = self.headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap_or_default());
        kind.split(';').next().unwrap_or_default().trim()
    }
}

/// The filled server, and what is in it.
pub struct Filled {
    pub state: AppState,
    pub router: Router,
    /// All of its runs have a result: two backbones, two tasks, three arms, three seeds.
    pub whole: ExperimentId,
    /// One seed, and a control whose Dice is 0.
    pub single: ExperimentId,
    /// A run in every state that is not `succeeded`.
    pub open: ExperimentId,
    /// Runs of `whole`, in the order in which they were planned.
    pub finished: Vec<RunId>,
    /// A run in each state.
    pub runs: BTreeMap<RunState, RunId>,
    /// A case of the data set.
    pub case: String,
    pub live: String,
    pub frozen: String,
    pub revoked: String,
    /// A frozen page of one experiment, and one of several.
    pub snapshots: [String; 2],
    _folder: tempfile::TempDir,
}

impl Filled {
    /// Fills a folder; `change` is made to the state before the router is built.
    pub async fn new(change: impl FnOnce(AppState) -> AppState) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        make_tiny_data(folder.path());
        let server = Server::open(folder.path(), change).await;
        let manifest = server.get("/api/v1/datasets/tiny").await.json();
        let case = manifest["cases"][0]["case_id"].as_str().expect("a case").to_owned();

        let (whole, finished) = server
            .experiment(json!({
                "name": "A whole study with a name that is longer than most screens of a telephone are wide",
                "backbones": ["provicnet-mini", "profound-conv-mini"],
                "tasks": ["segmentation", "super-resolution"], "arms": ["pretrained", "scratch", "specialist"],
                "dataset": TINY, "seeds": [0, 1, 2], "epochs": EPOCHS,
            }))
            .await;
        for run in &finished {
            server.succeed(run, &case, None).await;
        }
        let (single, runs) = server
            .experiment(json!({
                "name": NAME, "backbones": ["provicnet-mini"], "tasks": ["segmentation"],
                "arms": ["pretrained", "scratch", "specialist"], "dataset": TINY, "seeds": [7], "epochs": EPOCHS,
            }))
            .await;
        for run in &runs {
            let control = server.request(run).await.arm == Arm::Scratch;
            server.succeed(run, &case, control.then_some(0.0)).await;
        }
        let (open, states) = server.open_experiment().await;
        let mut runs = states;
        runs.insert(RunState::Succeeded, finished[0].clone());

        let some: Vec<&RunId> = finished.iter().take(8).collect();
        let share = async |frozen: bool| {
            let view = json!({ "metric": "val/dice" });
            let body = json!({ "runs": some, "view": view, "frozen": frozen });
            server.made("/api/v1/shares", &body).await["slug"].as_str().expect("a link").to_owned()
        };
        let (live, frozen, revoked) = (share(false).await, share(true).await, share(false).await);
        let gone = server.send(Request::delete(format!("/api/v1/shares/{revoked}")), "").await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
        let freeze = async |experiments: Value| {
            let body = json!({ "experiments": experiments });
            server.made("/api/v1/snapshots", &body).await["slug"].as_str().expect("a link").to_owned()
        };
        let snapshots = [freeze(json!([whole])).await, freeze(json!([whole, single])).await];
        let Server { state, router } = server;
        Self {
            state,
            router,
            whole,
            single,
            open,
            finished,
            runs,
            case,
            live,
            frozen,
            revoked,
            snapshots,
            _folder: folder,
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        answer(&self.router, Request::get(path).body(Body::empty()).expect("a request")).await
    }

    /// Any request, to be read to its end.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.router, request).await
    }
}

/// The state of a server over an empty folder.
pub async fn empty(folder: &Path) -> AppState {
    let data = DataDir::open(folder).expect("a data folder");
    let store = Store::open(data.database()).await.expect("a database");
    AppState::new(store, data, DeviceChoice::Cpu)
}

/// Serves a router on a free port for as long as the test's runtime lives, and says where.
pub async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The name under which the server is asked: one of its own.
pub const HOST: &str = "127.0.0.1:3000";

async fn answer(router: &Router, mut request: Request<Body>) -> Answer {
    request.headers_mut().entry(header::HOST).or_insert(header::HeaderValue::from_static(HOST));
    let response = router.clone().oneshot(request).await.expect("a router always answers");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.expect("a body that ends");
    Answer { status: parts.status, headers: parts.headers, body }
}

/// The server while it is filled.
struct Server {
    state: AppState,
    router: Router,
}

impl Server {
    async fn open(folder: &Path, change: impl FnOnce(AppState) -> AppState) -> Self {
        let state = change(empty(folder).await);
        Self { router: build_router(state.clone()), state }
    }

    async fn send(&self, request: axum::http::request::Builder, body: &str) -> Answer {
        let request = request.header(header::CONTENT_TYPE, "application/json");
        answer(&self.router, request.body(body.to_owned().into()).expect("a request")).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), "").await
    }

    async fn made(&self, path: &str, body: &Value) -> Value {
        let answer = self.send(Request::post(path), &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}: {}", answer.text());
        answer.json()
    }

    async fn experiment(&self, spec: Value) -> (ExperimentId, Vec<RunId>) {
        let made = self.made("/api/v1/experiments", &spec).await;
        let runs = made["runs"].as_array().expect("runs").iter();
        let runs = runs.map(|r| r["id"].as_str().expect("an id").parse().expect("an id")).collect();
        (made["id"].as_str().expect("an id").parse().expect("an id"), runs)
    }

    async fn request(&self, run: &RunId) -> RunRequest {
        self.state.store.request(run).await.expect("a stored request")
    }

    /// Writes events into a run's log and records them, as worker and recorder do.
    async fn say(&self, run: &RunId, bodies: impl IntoIterator<Item = EventBody>) {
        let path = self.state.data.run(run).join(event_log::FILE);
        let (log, _) = EventLog::open(&path).expect("an event log");
        let events: Vec<RunEvent> = bodies.into_iter().map(|b| log.append(b).expect("a line")).collect();
        let new_offset = std::fs::metadata(&path).expect("the log is there").len();
        let batch = RecordBatch::of(&events, new_offset);
        self.state.store.record(run, batch).await.expect("it is recorded");
    }

    /// Everything that a run says until it has succeeded; `result` stands for its value of a Dice.
    async fn succeed(&self, run: &RunId, case: &str, result: Option<f64>) {
        let request = self.request(run).await;
        let folder = self.state.data.run(run);
        let pictures = folder.join("previews");
        std::fs::create_dir_all(&pictures).expect("a folder");
        let picture = self.get(&format!("/api/v1/datasets/{TINY}/cases/{case}/slices/0.png")).await;
        std::fs::write(pictures.join("epoch-4.png"), picture.body).expect("a picture");
        std::fs::write(folder.join("worker.log"), "training\nfinished\n").expect("a log");
        let last = u64::from(EPOCHS) * STEPS_PER_EPOCH;
        let report = report(&request, result);
        let mut said = vec![started(&request, EPOCHS)];
        said.extend((1..=last).map(step));
        said.extend(validations(&request));
        said.extend(report.alignment.iter().cloned().map(EventBody::Alignment));
        said.push(EventBody::Preview {
            step: last,
            epoch: f64::from(EPOCHS),
            case_id: case.into(),
            file: "epoch-4.png".into(),
            caption: "input, target, prediction".into(),
        });
        said.extend(report.metrics.iter().map(|(name, value)| metric(name, EPOCHS, *value)));
        self.say(run, said).await;
        std::fs::write(folder.join("report.json"), serde_json::to_vec(&report).expect("JSON"))
            .expect("a report");
        self.state.store.record(run, RecordBatch::report(&report)).await.expect("a report");
        let end = EventBody::Finished { step: last, seconds: 12.5, peak_memory_bytes: 600 << 20 };
        self.say(run, [end]).await;
    }

    /// An experiment with a run in each state but `succeeded`.
    async fn open_experiment(&self) -> (ExperimentId, BTreeMap<RunState, RunId>) {
        let (id, runs) = self
            .experiment(json!({
                "name": "still open", "backbones": [], "tasks": ["segmentation"], "arms": ["specialist"],
                "dataset": TINY, "seeds": [0, 1, 2, 3, 4, 5, 6, 7], "epochs": EPOCHS,
            }))
            .await;
        let store = &self.state.store;
        let first = store.claim_next(now_ms()).await.expect("the queue answers").expect("a queued run").id;
        assert_eq!(first, runs[0], "the experiment's first run is next");
        let begin = async |run: &RunId| {
            let request = self.request(run).await;
            let mut said = vec![started(&request, EPOCHS)];
            said.extend((1..=STEPS_PER_EPOCH).map(step));
            said.push(metric("val/dice", 1, 0.3));
            said.push(EventBody::Heartbeat {
                step: STEPS_PER_EPOCH,
                progress: 0.25,
                phase: Phase::Training,
                eta_s: Some(90.0),
            });
            self.say(run, said).await;
        };
        for run in &runs[1..5] {
            begin(run).await;
        }
        store.request_stop(&runs[2], now_ms()).await.expect("it can be asked");
        let failure = Failure::new(FailureKind::BadData, "Case case-003 has a mask with the value 7.")
            .with_hint("Run `transferscope dataset check tiny`.");
        let log = EventBody::Log { level: LogLevel::Error, message: failure.message.clone() };
        self.say(&runs[3], [log, EventBody::Failed { failure: failure.clone() }]).await;
        store.set_state(&runs[4], RunState::Lost, Some(&failure), now_ms()).await.expect("it can be lost");
        store.request_stop(&runs[5], now_ms()).await.expect("it can be asked");
        let states = [
            RunState::Preparing,
            RunState::Running,
            RunState::Stopping,
            RunState::Failed,
            RunState::Lost,
            RunState::Stopped,
            RunState::Queued,
        ];
        (id, states.into_iter().zip(runs).collect())
    }
}

fn started(request: &RunRequest, total_epochs: u32) -> EventBody {
    let left_out = vec![LeftOut { case_id: "case-009".into(), reason: "no high-b image".into() }];
    EventBody::Started {
        attempt: 1,
        resumed_from_step: 0,
        total_epochs,
        total_steps: u64::from(total_epochs) * STEPS_PER_EPOCH,
        device: "CPU".into(),
        pid: 1,
        train_cases: 4,
        val_cases: 1,
        test_cases: 1,
        left_out,
        load_report: load_report(request),
        parameters: 123_456,
    }
}

fn load_report(request: &RunRequest) -> Option<LoadReport> {
    (request.arm == Arm::Pretrained).then(|| LoadReport {
        source: "builtin".into(),
        applied: vec!["encoder.patch.weight".into(), "encoder.patch.bias".into()],
        unused: vec!["decoder.mask_token".into()],
        ..LoadReport::default()
    })
}

fn step(step: u64) -> EventBody {
    let epoch = step as f64 / STEPS_PER_EPOCH as f64;
    EventBody::Step { step, epoch, loss: 1.0 / (1.0 + step as f64), lr: 1e-3, grad_norm: 1.0, ms: 3.0 }
}

fn metric(name: &str, epoch: u32, value: f64) -> EventBody {
    let step = u64::from(epoch) * STEPS_PER_EPOCH;
    EventBody::Metric { name: name.into(), step, epoch: f64::from(epoch), value }
}

/// What stands for the difference between backbones, tasks, arms and seeds.
fn merit(request: &RunRequest) -> f64 {
    let arm = match request.arm {
        Arm::Pretrained => 0.12,
        Arm::Scratch => 0.02,
        Arm::Specialist => 0.05,
    };
    let backbone = if request.backbone.starts_with("profound") { 0.04 } else { 0.0 };
    arm + backbone + 0.013 * (request.seed % 3) as f64
}

/// A plausible value of a task's primary metric.
fn value(request: &RunRequest, part: f64) -> f64 {
    let best = merit(request) * part;
    if request.task == TaskKind::SuperResolution { 24.0 + 20.0 * best } else { 0.5 + best }
}

fn validations(request: &RunRequest) -> Vec<EventBody> {
    let name = request.task.primary_metric().name(Split::Val);
    let course = (0..=EPOCHS).map(|epoch| (epoch, f64::from(epoch) / f64::from(EPOCHS)));
    course
        .flat_map(|(epoch, part)| {
            [metric(&name, epoch, value(request, part)), metric("val/loss", epoch, 1.0 - 0.5 * part)]
        })
        .collect()
}

fn report(request: &RunRequest, result: Option<f64>) -> RunReport {
    let primary = request.task.primary_metric().as_str();
    let reached = result.unwrap_or_else(|| value(request, 1.0));
    let trivial = request.task.baselines().first().map(|b| format!("{primary}@{b}"));
    let case = |i: u32| {
        let mut scores = BTreeMap::from([(
            primary.to_owned(),
            reached + 0.01 * f64::from(i) * result.map_or(1.0, |_| 0.0),
        )]);
        scores.extend(trivial.clone().map(|name| (name, 0.8 * value(request, 0.0))));
        CaseScore {
            case_id: format!("case-{i:03}"),
            patient_id: format!("patient-{i:03}"),
            split: Split::Test.as_str().into(),
            scores,
        }
    };
    let mut metrics = BTreeMap::from([(format!("test/{primary}"), reached)]);
    metrics.extend(trivial.as_ref().map(|name| (format!("test/{name}"), 0.8 * value(request, 0.0))));
    RunReport {
        schema: 1,
        request: request.clone(),
        device: "CPU".into(),
        parameters: 123_456,
        trained_parameters: Some(123_456),
        metrics,
        best_epoch: f64::from(EPOCHS),
        cases: (0..6).map(case).collect(),
        alignment: if request.arm == Arm::Specialist { Vec::new() } else { alignment(request) },
        load_report: load_report(request),
        left_out: Vec::new(),
        seconds: 12.5,
        data_wait_share: Some(0.1),
        alignment_share: Some(0.05),
        peak_memory_bytes: 600 << 20,
        synthetic_data: true,
    }
}

fn alignment(request: &RunRequest) -> Vec<AlignmentValue> {
    let mut values = Vec::new();
    for depth in 0..3_u32 {
        for epoch in 0..=EPOCHS {
            let drift = merit(request) * f64::from(depth + 1) * f64::from(epoch) / f64::from(EPOCHS);
            let of = |metric: &str, value: f64| AlignmentValue {
                epoch: f64::from(epoch),
                layer: format!("block{depth}"),
                depth,
                metric: metric.into(),
                value,
                p: (epoch == EPOCHS && metric == names::D2P).then_some(0.01),
                bandwidth: 1.5,
                n: 64,
            };
            values.extend([
                of(names::D2P, drift),
                of(names::D2R, 0.5 - drift),
                of(names::CKA, 1.0 - drift),
                of(names::PROCRUSTES, drift),
                of(names::CONTROL_IDENTITY, -0.001),
                of(names::CONTROL_RANDOM, 0.6),
                of(names::CONTROL_SHUFFLED, 0.05),
            ]);
        }
    }
    values
}
