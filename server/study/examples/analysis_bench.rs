//! How long the analysis of a large experiment takes: 10 backbones x 5 tasks x 3 arms x 5 seeds with made-up numbers.
//! `cargo run -p transferscope-study --example analysis_bench`

use std::{collections::BTreeMap, time::Instant};

use rand::{RngExt, SeedableRng};
use transferscope_domain::{
    Arm, Family, RunState, TaskKind, TrainingSpec, alignment::AlignmentValue, experiment::ExperimentSpec,
    study::RunRecord,
};
use transferscope_study::analysis::{BackboneFacts, Choice, Input, analyse};

const BACKBONES: usize = 10;
const SEEDS: u64 = 5;
const CASES: usize = 24;
const EPOCHS: usize = 10;
const LAYERS: u32 = 6;
const REPEATS: usize = 5;

fn main() {
    let names: Vec<String> = (0..BACKBONES).map(|b| format!("backbone-{b}")).collect();
    let spec = ExperimentSpec {
        backbones: names.clone(),
        seeds: (0..SEEDS).collect(),
        ..ExperimentSpec::quick("phantom")
    };
    let planned = spec.plan();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut draw = || rng.random_range(0.3..0.9f64);
    let records: Vec<RunRecord> = planned
        .iter()
        .enumerate()
        .map(|(i, run)| {
            let metric = run.task.case_metric().to_string();
            let case = |n: usize, value: f64| {
                let mut scores = BTreeMap::from([(metric.clone(), value)]);
                if run.task == TaskKind::Classification {
                    scores.extend([("probability".to_owned(), value), ("truth".to_owned(), (n % 2) as f64)]);
                }
                (format!("case-{n:03}"), scores)
            };
            let cases = (0..CASES).map(|n| case(n, draw())).collect();
            let mut alignment = Vec::new();
            if run.arm == Arm::Pretrained {
                for metric in ["d2p", "d2r", "cka", "procrustes"] {
                    for depth in 0..LAYERS {
                        for epoch in 0..=EPOCHS {
                            alignment.push(AlignmentValue {
                                epoch: epoch as f64,
                                layer: format!("layer-{depth}"),
                                depth,
                                metric: metric.into(),
                                value: draw(),
                                p: (epoch == EPOCHS).then_some(0.01),
                                bandwidth: 1.0,
                                n: 64,
                            });
                        }
                    }
                }
            }
            RunRecord {
                id: format!("run{i:05}").parse().expect("an id"),
                state: RunState::Succeeded,
                backbone: run.backbone.clone(),
                family: Family::ProfoundConv,
                task: run.task,
                arm: run.arm,
                seed: run.seed,
                training: TrainingSpec::default_for(Family::ProfoundConv, run.task.kind),
                provenance: Default::default(),
                curve: (0..=EPOCHS).map(|e| (e as f64, draw())).collect(),
                value: Some(draw()),
                baseline: None,
                cases,
                patients: BTreeMap::new(),
                alignment,
                parameters: Some(1),
                seconds: Some(1.0),
            }
        })
        .collect();
    let facts = |name: &String| BackboneFacts {
        name: name.clone(),
        objective: Some(
            if name.ends_with(['0', '2', '4', '6', '8']) { "mae" } else { "patch-contrast" }.into(),
        ),
        parameters: 1000,
        architecture: Some("provicnet".into()),
    };
    let backbones: Vec<BackboneFacts> = names.iter().map(facts).collect();
    let seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let begun = Instant::now();
            let input = Input { planned: &planned, records: &records, backbones: &backbones };
            let analysis = std::hint::black_box(analyse(input, Choice::default()));
            assert_eq!(analysis.counts.succeeded, planned.len());
            begun.elapsed().as_secs_f64()
        })
        .collect();
    println!("{} runs: {seconds:.2?} s", planned.len());
}
