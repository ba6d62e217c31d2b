//! Runs for this crate's tests.

use transferscope_domain::{
    Arm, Family, RunId, RunRequest, TaskKind, TrainingSpec,
    event::{EventBody, RunEvent},
    run::{DeviceChoice, REQUEST_SCHEMA},
};

use crate::{NewRun, RecordBatch, Store, ids};

pub(crate) fn new_run() -> NewRun {
    let (family, task) = (Family::Provicnet, TaskKind::Segmentation);
    let request = RunRequest {
        schema: REQUEST_SCHEMA,
        id: ids::new_run_id(),
        experiment: None,
        backbone: "provicnet-mini".into(),
        family,
        architecture: None,
        task: task.into(),
        arm: Arm::Pretrained,
        seed: 0,
        dataset: "phantom".into(),
        dataset_dir: "../../datasets/phantom".into(),
        dataset_hash: "hash".into(),
        split_hash: "split".into(),
        checkpoint: Some("builtin:provicnet-mini".into()),
        checkpoint_hash: None,
        training: TrainingSpec::default_for(family, task),
        plan: None,
        pretraining: None,
        device: DeviceChoice::Cpu,
        code_version: "test".into(),
    };
    NewRun { request, synthetic: true, arrival: None }
}

/// A store with queued runs, oldest first.
pub(crate) async fn store_with_runs(n: usize) -> (Store, Vec<RunId>) {
    let store = Store::open_temp().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..n {
        let run = new_run();
        store.enqueue_run(&run).await.unwrap();
        ids.push(run.request.id);
    }
    (store, ids)
}

/// `started` of an attempt with 100 steps in 10 epochs.
pub(crate) fn started(attempt: u32, resumed_from_step: u64) -> EventBody {
    EventBody::Started {
        attempt,
        resumed_from_step,
        total_epochs: 10,
        total_steps: 100,
        device: "CPU".into(),
        pid: 1,
        train_cases: 3,
        val_cases: 1,
        test_cases: 1,
        left_out: Vec::new(),
        load_report: None,
        parameters: 1000,
    }
}

pub(crate) fn step(step: u64, loss: f64) -> EventBody {
    EventBody::Step { step, epoch: step as f64 / 10.0, loss, lr: 1e-3, grad_norm: 1.0, ms: 5.0 }
}

pub(crate) fn metric(name: &str, step: u64, value: f64) -> EventBody {
    EventBody::Metric { name: name.into(), step, epoch: step as f64 / 10.0, value }
}

/// Numbers events from `first_seq`; the time of an event is its number in seconds.
pub(crate) fn numbered(first_seq: u64, bodies: impl IntoIterator<Item = EventBody>) -> Vec<RunEvent> {
    (first_seq..)
        .zip(bodies)
        .map(|(seq, body)| RunEvent { seq, t: i64::try_from(seq).unwrap() * 1000, body })
        .collect()
}

/// Records events after those that are recorded already.
pub(crate) async fn say(store: &Store, id: &RunId, bodies: impl IntoIterator<Item = EventBody>) {
    let at = store.record_position(id).await.unwrap();
    let events = numbered(at.last_seq + 1, bodies);
    let new_offset = at.offset + 100 * events.len() as u64;
    store.record(id, RecordBatch::of(&events, new_offset)).await.unwrap();
}
