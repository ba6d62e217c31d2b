//! Intervals, gains and one seed as API and pages show them, from stored scores.

use std::collections::BTreeMap;

use transferscope_domain::{
    Arm, Family, RunRequest, TaskKind, TrainingSpec,
    experiment::ExperimentSpec,
    report::{CaseScore, RunReport},
    run::REQUEST_SCHEMA,
};
use transferscope_store::{NewRun, RecordBatch};

use super::*;

const CASES: usize = 10;

/// An experiment whose runs have finished; `dice` gives the score of a case of an arm and seed.
async fn trained(app: &TestApp, seeds: &[u64], dice: impl Fn(Arm, u64, usize) -> f64) -> String {
    let spec = ExperimentSpec {
        backbones: vec!["provicnet-mini".into()],
        tasks: vec![TaskKind::Segmentation.into()],
        seeds: seeds.to_vec(),
        ..ExperimentSpec::quick("tiny")
    };
    let run = |planned: &transferscope_domain::experiment::PlannedRun| NewRun {
        request: RunRequest {
            schema: REQUEST_SCHEMA,
            id: transferscope_store::ids::new_run_id(),
            experiment: None,
            backbone: planned.backbone.clone(),
            family: Family::Provicnet,
            architecture: None,
            task: planned.task,
            arm: planned.arm,
            seed: planned.seed,
            dataset: "tiny".into(),
            dataset_dir: "../../datasets/tiny".into(),
            dataset_hash: "hash-of-tiny".into(),
            split_hash: "split-of-tiny".into(),
            checkpoint: None,
            checkpoint_hash: None,
            training: TrainingSpec::default_for(Family::Provicnet, planned.task.kind),
            plan: None,
            pretraining: None,
            device: DeviceChoice::Cpu,
            code_version: "0.1.0".into(),
        },
        synthetic: true,
        arrival: None,
    };
    let runs: Vec<NewRun> = spec.plan().iter().map(run).collect();
    let store = &app.state.store;
    let created = store.create_experiment(&spec, runs.clone()).await.unwrap();
    for run in runs {
        let (id, arm, seed) = (run.request.id.clone(), run.request.arm, run.request.seed);
        let scores: Vec<f64> = (0..CASES).map(|case| dice(arm, seed, case)).collect();
        let value = scores.iter().sum::<f64>() / CASES as f64;
        let case = |(case, dice): (usize, &f64)| CaseScore {
            case_id: format!("case-{case}"),
            patient_id: format!("patient-{case}"),
            split: "test".into(),
            scores: BTreeMap::from([("dice".to_owned(), *dice)]),
        };
        let report = RunReport {
            schema: 1,
            request: store.request(&id).await.unwrap(),
            device: "CPU".into(),
            parameters: 1,
            trained_parameters: Some(1),
            metrics: BTreeMap::from([("test/dice".to_owned(), value)]),
            best_epoch: 1.0,
            cases: scores.iter().enumerate().map(case).collect(),
            alignment: Vec::new(),
            load_report: None,
            left_out: Vec::new(),
            seconds: 1.0,
            data_wait_share: None,
            alignment_share: None,
            peak_memory_bytes: 1,
            synthetic_data: true,
        };
        std::fs::create_dir_all(app.state.data.run(&id)).unwrap();
        let end = EventBody::Finished { step: 4, seconds: 2.0, peak_memory_bytes: 1000 };
        app.say(&id, [started(), metric("test/dice", 4, value)]).await;
        store.record(&id, RecordBatch::report(&report)).await.unwrap();
        app.say(&id, [end]).await;
    }
    created.id.to_string()
}

/// Low scores that differ by case and seed, and more so for the pre-trained arm.
fn low(arm: Arm, seed: u64, case: usize) -> f64 {
    let base: f64 = match arm {
        Arm::Pretrained => 0.3,
        Arm::Scratch => 0.2,
        Arm::Specialist => 0.05,
    };
    let wobble = ((case as u64 * 7 + seed * 3 + base.to_bits() % 11) % 11) as f64 / 100.0;
    base + wobble + 0.04 * (seed % 2) as f64
}

async fn page(app: &TestApp, id: &str) -> String {
    app.get(&format!("/experiments/{id}?against=scratch")).await.text()
}

async fn cell(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/v1/experiments/{id}/analysis")).await.json()["cells"][0].clone()
}

/// The gain over scratch.
fn gain(cell: &Value) -> &Value {
    cell["gains"].as_array().unwrap().iter().find(|g| g["against"] == "scratch").unwrap()
}

#[tokio::test]
async fn a_control_of_zero_keeps_its_pair_on_page_and_in_files() {
    let app = TestApp::new().await;
    let nothing = |arm, seed, case| if (arm, seed) == (Arm::Scratch, 0) { 0.0 } else { low(arm, seed, case) };
    let id = trained(&app, &[0, 1], nothing).await;
    let cell = cell(&app, &id).await;
    let found = gain(&cell);
    assert_eq!(found["pairs"].as_array().unwrap().len(), 2, "{found}");
    assert!(found["pairs"][0]["gain"].is_null() && found["pairs"][0]["difference"].as_f64().unwrap() > 0.3);
    assert!(found["mean"].is_null() && found["interval"].is_null());
    let difference = &found["difference"];
    let (value, low, high) = (
        difference["value"].as_f64().unwrap(),
        difference["interval"]["low"].as_f64().unwrap(),
        difference["interval"]["high"].as_f64().unwrap(),
    );
    assert!(-1.0 <= low && low < value && value < high && high <= 1.0, "{difference}");
    let page = page(&app, &id).await;
    assert!(page.contains("relative gain undefined: a control is 0"), "{page}");
    let csv = app.get(&format!("/experiments/{id}/export/table.csv")).await.text();
    assert!(csv.contains("difference_scratch"), "{csv}");
}

#[tokio::test]
async fn one_seed_has_values_and_no_interval_anywhere() {
    let app = TestApp::new().await;
    let id = trained(&app, &[7], low).await;
    let cell = cell(&app, &id).await;
    let found = gain(&cell);
    assert!(found["mean"].is_f64() && found["interval"].is_null() && found["p"].is_null());
    assert_eq!(found["difference"]["unsure"], "one-seed");
    assert!(
        cell["arms"].as_array().unwrap().iter().all(|a| a["interval"].is_null() && a["unsure"] == "one-seed")
    );
    let page = page(&app, &id).await;
    assert!(page.contains("one seed: no interval") && page.contains("n = 1"));
    let board = app.get("/api/v1/leaderboard").await.json();
    for row in board["rows"].as_array().unwrap() {
        assert!(
            row["ci95"].is_null() && row["rank_interval"].is_null() && row["unsure"] == "one-seed",
            "{row}"
        );
    }
    assert!(app.get("/").await.text().contains("one seed: no interval"));
}

#[tokio::test]
async fn board_and_experiment_show_one_interval_inside_the_metrics_range() {
    for seeds in [&[0, 1][..], &[0, 1, 2][..]] {
        let app = TestApp::new().await;
        let id = trained(&app, seeds, low).await;
        let analysis = app.get(&format!("/api/v1/experiments/{id}/analysis")).await.json();
        let arms = analysis["cells"][0]["arms"].as_array().unwrap().iter();
        let arms: Vec<&Value> = arms.chain(analysis["specialists"].as_array().unwrap()).collect();
        let board = app.get("/api/v1/leaderboard").await.json();
        let rows = board["rows"].as_array().unwrap();
        assert_eq!((arms.len(), rows.len()), (3, 3));
        for row in rows {
            let arm = arms.iter().find(|a| a["arm"] == row["arm"]).unwrap();
            let ends = |low: &Value, high: &Value| [low.as_f64().unwrap(), high.as_f64().unwrap()];
            let of_board = ends(&row["ci95"][0], &row["ci95"][1]);
            assert_eq!(of_board, ends(&arm["interval"]["low"], &arm["interval"]["high"]));
            let mean = row["mean"].as_f64().unwrap();
            assert!(
                0.0 < of_board[0] && of_board[0] < mean && mean < of_board[1] && of_board[1] < 1.0,
                "{row}"
            );
        }
    }
}
