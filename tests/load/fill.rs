//! Data folders as they are after years of use, made without training.

use std::path::Path;

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use transferscope_domain::{
    Arm, Family, RunId, RunRequest, TaskKind, TrainingSpec,
    event::{EventBody, RunEvent},
    run::{DeviceChoice, REQUEST_SCHEMA},
};
use transferscope_server::data_dir::DataDir;
use transferscope_store::{NewRun, RecordBatch, Store, ids};
use transferscope_tests::TINY;

/// Curves of the long run.
pub const CURVES: [&str; 6] =
    ["train/grad_norm", "train/loss", "train/lr", "train/step_ms", "val/dice", "val/loss"];

/// Adds to the database of a folder that no server holds: one run of `steps` steps, and `finished` short ones with
/// results and scores of cases. Returns the long one.
pub async fn fill(data: &Path, steps: u32, finished: u32) -> RunId {
    let folder = DataDir::open(data).expect("the data folder opens");
    let store = Store::open(folder.database()).await.expect("the database opens");
    let long = add(&store, &folder, "profound-conv-mini", 0, u64::from(steps)).await;
    let template = add(&store, &folder, "provicnet-mini", 0, 100).await;
    store.close().await;
    let options = SqliteConnectOptions::new().filename(folder.database()).synchronous(SqliteSynchronous::Off);
    let mut database = options.connect().await.expect("the database opens");
    curves(&mut database, &long, steps).await;
    results(&mut database, &template).await;
    clones(&mut database, &template, finished).await;
    database.close().await.expect("the database closes");
    long
}

/// A succeeded run of so many steps, without values.
async fn add(store: &Store, folder: &DataDir, backbone: &str, seed: u64, total_steps: u64) -> RunId {
    let (family, task) = (Family::Provicnet, TaskKind::Segmentation);
    let request = RunRequest {
        schema: REQUEST_SCHEMA,
        id: ids::new_run_id(),
        experiment: None,
        backbone: backbone.into(),
        family,
        architecture: None,
        task: task.into(),
        arm: Arm::Pretrained,
        seed,
        dataset: TINY.into(),
        dataset_dir: format!("../../datasets/{TINY}"),
        dataset_hash: "hash".into(),
        split_hash: "split".into(),
        checkpoint: Some(format!("builtin:{backbone}")),
        checkpoint_hash: None,
        training: TrainingSpec::default_for(family, task),
        plan: None,
        pretraining: None,
        device: DeviceChoice::Cpu,
        code_version: "0.1.0".into(),
    };
    let id = request.id.clone();
    let dir = folder.run(&id);
    std::fs::create_dir_all(&dir).expect("the run directory can be made");
    std::fs::write(dir.join("request.json"), serde_json::to_vec(&request).expect("a request is JSON"))
        .expect("the request can be written");
    store.enqueue_run(&NewRun { request, synthetic: true, arrival: None }).await.expect("the run is stored");
    let said = [
        EventBody::Started {
            attempt: 1,
            resumed_from_step: 0,
            total_epochs: 10,
            total_steps,
            device: "CPU".into(),
            pid: 1,
            train_cases: 3,
            val_cases: 1,
            test_cases: 1,
            left_out: Vec::new(),
            load_report: None,
            parameters: 1000,
        },
        EventBody::Finished { step: total_steps, seconds: 60.0, peak_memory_bytes: 1 << 20 },
    ];
    let events: Vec<RunEvent> =
        (1..).zip(said).map(|(seq, body)| RunEvent { seq, t: 1_700_000_000_000, body }).collect();
    let log: String =
        events.iter().map(|e| serde_json::to_string(e).expect("an event is JSON") + "\n").collect();
    std::fs::write(dir.join("events.jsonl"), &log).expect("the log can be written");
    let batch = RecordBatch::of(&events, log.len() as u64);
    store.record(&id, batch).await.expect("the run is recorded");
    id
}

async fn run(database: &mut SqliteConnection, sql: &'static str, id: &RunId, number: u32) {
    sqlx::query(sql).bind(id.as_str()).bind(number).execute(database).await.expect("the database is filled");
}

/// Six curves that look like noise around a trend.
async fn curves(database: &mut SqliteConnection, id: &RunId, steps: u32) {
    let names = serde_json::to_string(&CURVES).expect("names are JSON");
    sqlx::query(
        "insert into metric_points (run_id, name, step, epoch, t_ms, value)
        with recursive steps (step) as (select 1 union all select step + 1 from steps where step < ?2)
        select ?1, names.value, step, step * 10.0 / ?2, 1700000000000 + step * 20,
            1.0 / (1 + step / 1000) + (step * 2654435761 % 1000) / 5000.0
        from json_each(?3) names, steps",
    )
    .bind(id.as_str())
    .bind(steps)
    .bind(names)
    .execute(&mut *database)
    .await
    .expect("points are stored");
    run(
        database,
        "insert into metric_latest (run_id, name, step, epoch, value)
        select run_id, name, step, epoch, value from metric_points where run_id = ?1 and step = ?2",
        id,
        steps,
    )
    .await;
}

/// A result, and scores of 24 cases.
async fn results(database: &mut SqliteConnection, id: &RunId) {
    run(
        database,
        "insert into metric_latest (run_id, name, step, epoch, value) values (?1, 'test/dice', ?2, 10, 0.7)",
        id,
        100,
    )
    .await;
    run(
        database,
        "insert into case_scores (run_id, split, case_id, patient_id, scores)
        with recursive cases (n) as (select 1 union all select n + 1 from cases where n < ?2)
        select ?1, 'test', 'case-' || n, 'patient-' || n, json_object('dice', 0.5 + (n * 7 % 24) / 80.0) from cases",
        id,
        24,
    )
    .await;
}

/// Copies of a run under other names: four seeds of a hundred backbones, which come again and again as other settings.
async fn clones(database: &mut SqliteConnection, template: &RunId, count: u32) {
    run(
        database,
        "insert into runs (id, experiment_id, state, state_ms, request, backbone, task, arm, seed, dataset, dataset_hash,
            epochs, synthetic, device, progress, attempts, created_ms, started_ms, finished_ms, heartbeat_ms, parameters,
            total_epochs, total_steps, seconds, events_offset, last_seq)
        with recursive copies (n) as (select 1 union all select n + 1 from copies where n < ?2)
        select printf('copy-%05d', n), null, state, state_ms,
            json_set(request, '$.id', printf('copy-%05d', n), '$.seed', n % 4,
                '$.backbone', printf('backbone-%02d', n / 4 % 100),
                '$.training.lr', 0.0001 * (1 + n / 400)),
            printf('backbone-%02d', n / 4 % 100), task, arm, n % 4, dataset, dataset_hash,
            epochs, synthetic, device, progress, attempts, created_ms, started_ms, finished_ms + n, heartbeat_ms,
            parameters, total_epochs, total_steps, seconds, events_offset, last_seq
        from runs, copies where id = ?1",
        template,
        count,
    )
    .await;
    for sql in [
        "insert into metric_latest (run_id, name, step, epoch, value)
        select r.id, m.name, m.step, m.epoch, 0.5 + (r.number * 37 % 101) / 300.0
        from runs r, metric_latest m where r.id like 'copy-%' and m.run_id = ?1 and ?2 > 0",
        "insert into case_scores (run_id, split, case_id, patient_id, scores)
        select r.id, c.split, c.case_id, c.patient_id,
            json_object('dice', (c.scores ->> '$.dice') + (r.number * 37 % 101) / 1000.0)
        from runs r, case_scores c where r.id like 'copy-%' and c.run_id = ?1 and ?2 > 0",
    ] {
        run(database, sql, template, count).await;
    }
}
