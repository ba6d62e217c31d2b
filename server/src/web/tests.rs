//! The router as its users meet it: every address, and every way to be refused.

mod api;
mod datasets;
mod experiments;
mod forms;
mod hosts;
mod markup;
mod pages;
mod queue;
mod sharing;
mod statistics;
mod storage;
mod streams;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::Value;
use tower::ServiceExt;
use transferscope_domain::{
    Failure, FailureKind, RunId,
    dataset::{CaseEntry, DatasetManifest},
    event::{EventBody, LogLevel, RunEvent},
    metric::Split,
    run::DeviceChoice,
};
use transferscope_store::{RecordBatch, Store};

use super::{build_router, state::AppState};
use crate::{
    data_dir::DataDir,
    queue::event_log::{self, EventLog},
};

/// A server without dispatcher and workers over a temporary data folder with one data set.
struct TestApp {
    state: AppState,
    router: Router,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Checks that this is a problem document of the kind and returns it.
    #[track_caller]
    fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        let problem = self.json();
        assert_eq!(
            (problem["status"].as_u64(), problem["kind"].as_str()),
            (Some(u64::from(status)), Some(kind))
        );
        assert!(problem["title"].is_string() && problem["type"].is_string());
        assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()));
        problem
    }
}

impl TestApp {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut AppState)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        write_dataset(&data);
        let store = Store::open(data.database()).await.unwrap();
        let mut state = AppState::new(store, data, DeviceChoice::Cpu);
        change(&mut state);
        Self { router: build_router(state.clone()), state, _folder: folder }
    }

    /// A request that names no host asks for one of the server's.
    async fn send(&self, mut request: Request<Body>) -> Answer {
        let own = header::HeaderValue::from_static("127.0.0.1:3000");
        request.headers_mut().entry(header::HOST).or_insert(own);
        self.send_as_is(request).await
    }

    async fn send_as_is(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post_json(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn post_form(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "127.0.0.1:3000")
            .header(header::ORIGIN, "http://127.0.0.1:3000")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(body.to_owned().into()).unwrap()).await
    }

    /// Starts specialist runs, one for each seed, and returns their ids.
    async fn start(&self, seeds: &[u64]) -> Vec<RunId> {
        let answer = self.post_json("/api/v1/experiments", spec(seeds).to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let runs = answer.json()["runs"].as_array().unwrap().clone();
        runs.iter().map(|r| r["id"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Writes events into a run's log and records them, as worker and recorder do.
    async fn say(&self, run: &RunId, bodies: impl IntoIterator<Item = EventBody>) {
        let path = self.state.data.run(run).join(event_log::FILE);
        let (log, _) = EventLog::open(&path).unwrap();
        let events: Vec<RunEvent> = bodies.into_iter().map(|b| log.append(b).unwrap()).collect();
        let new_offset = std::fs::metadata(&path).unwrap().len();
        self.state.store.record(run, RecordBatch::of(&events, new_offset)).await.unwrap();
        self.state.run_changed(run);
    }

    /// A finished run with a few values.
    async fn finished(&self) -> RunId {
        let run = self.start(&[0]).await.remove(0);
        let steps = (1..=4).map(|s| step(s, 1.0 / s as f64));
        let values = [metric("val/dice", 2, 0.5), metric("val/dice", 4, 0.7), metric("test/dice", 4, 0.65)];
        let end = EventBody::Finished { step: 4, seconds: 2.0, peak_memory_bytes: 1000 };
        self.say(&run, std::iter::once(started()).chain(steps).chain(values).chain([end])).await;
        run
    }
}

fn spec(seeds: &[u64]) -> Value {
    serde_json::json!({
        "name": "test", "backbones": [], "tasks": ["segmentation"], "arms": ["specialist"],
        "dataset": "tiny", "seeds": seeds, "epochs": 2, "overrides": {"lr": 1e-3},
    })
}

fn started() -> EventBody {
    EventBody::Started {
        attempt: 1,
        resumed_from_step: 0,
        total_epochs: 2,
        total_steps: 4,
        device: "CPU".into(),
        pid: 1,
        train_cases: 1,
        val_cases: 1,
        test_cases: 1,
        left_out: Vec::new(),
        load_report: None,
        parameters: 10,
    }
}

fn step(step: u64, loss: f64) -> EventBody {
    EventBody::Step { step, epoch: step as f64 / 2.0, loss, lr: 1e-3, grad_norm: 1.0, ms: 3.0 }
}

fn metric(name: &str, step: u64, value: f64) -> EventBody {
    EventBody::Metric { name: name.into(), step, epoch: step as f64 / 2.0, value }
}

fn log_line(message: &str) -> EventBody {
    EventBody::Log { level: LogLevel::Info, message: message.into() }
}

fn failed() -> EventBody {
    let failure = Failure::new(FailureKind::BadData, "No.").with_hint("Look.");
    EventBody::Failed { failure }
}

fn write_dataset(data: &DataDir) {
    let cases = Split::ALL
        .into_iter()
        .map(|split| CaseEntry {
            case_id: format!("case-{split}"),
            patient_id: format!("patient-{split}"),
            split,
            shape: [4, 8, 8],
            spacing_mm: [3.0, 1.0, 1.0],
            channels: ["t2w", "adc", "hbv", "zones"].map(str::to_owned).into(),
            prepared: format!("prepared/{split}.safetensors"),
            hash: split.to_string(),
            cspca: None,
            labels: Default::default(),
            fold: None,
            mask_sources: Default::default(),
            notes: Vec::new(),
            mask_labels: Default::default(),
        })
        .collect();
    let manifest = DatasetManifest {
        schema: transferscope_ml::data::manifest::SCHEMA,
        name: "tiny".into(),
        source: "test".into(),
        synthetic: true,
        hash: "hash-of-tiny".into(),
        cases,
        refused: Vec::new(),
        split_seed: 0,
        split_hash: "split-of-tiny".into(),
        folds: None,
        patient_sources: Default::default(),
        notes: Vec::new(),
        contents: Default::default(),
        plan: None,
    };
    let dir = data.datasets().join("tiny");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("dataset.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
}
