//! Experiments with made-up scores, as the analysis gets them from the store.

use std::collections::BTreeMap;

use transferscope_domain::{
    Adaptation, Arm, Family, RunState, Task, TaskKind, TrainingSpec,
    experiment::{ExperimentSpec, PlannedRun},
    study::RunRecord,
};
use transferscope_study::analysis::{Analysis, BackboneFacts, Choice, Input, analyse};

/// Scores of the cases of a run.
pub enum Scores {
    /// Of a metric that is a mean over cases.
    Mean(Vec<f64>),
    /// Probabilities, of which the first half of the cases is negative.
    Probability(Vec<f64>),
}

impl Scores {
    fn value(&self) -> f64 {
        match self {
            Scores::Mean(list) => list.iter().sum::<f64>() / list.len() as f64,
            Scores::Probability(list) => {
                let truth: Vec<bool> = (0..list.len()).map(|i| i >= list.len() / 2).collect();
                transferscope_imaging::metrics::auroc(list, &truth).unwrap()
            }
        }
    }

    fn cases(&self, task: Task) -> BTreeMap<String, BTreeMap<String, f64>> {
        let case = |i: usize| format!("case-{i:03}");
        match self {
            Scores::Mean(list) => {
                let name = task.primary_metric().to_string();
                let scores = |v: &f64| BTreeMap::from([(name.clone(), *v)]);
                list.iter().enumerate().map(|(i, v)| (case(i), scores(v))).collect()
            }
            Scores::Probability(list) => {
                let half = list.len() / 2;
                let scores = |(i, v): (usize, &f64)| {
                    let truth = f64::from(u8::from(i >= half));
                    let all = [("probability".to_owned(), *v), ("truth".to_owned(), truth)];
                    (case(i), BTreeMap::from(all))
                };
                list.iter().enumerate().map(scores).collect()
            }
        }
    }
}

/// A finished run.
pub fn record(planned: &PlannedRun, number: usize, scores: &Scores) -> RunRecord {
    RunRecord {
        id: format!("run{number:05}").parse().unwrap(),
        state: RunState::Succeeded,
        backbone: planned.backbone.clone(),
        family: Family::Provicnet,
        task: planned.task,
        arm: planned.arm,
        seed: planned.seed,
        training: TrainingSpec {
            adaptation: planned.variant.adaptation,
            ..TrainingSpec::default_for(Family::Provicnet, planned.task.kind)
        },
        provenance: Default::default(),
        curve: Vec::new(),
        value: Some(scores.value()),
        baseline: None,
        cases: scores.cases(planned.task),
        patients: BTreeMap::new(),
        alignment: Vec::new(),
        parameters: Some(1),
        seconds: None,
    }
}

/// An experiment's plan.
pub fn plan(
    backbones: &[String],
    tasks: &[Task],
    arms: &[Arm],
    seeds: usize,
    way: Adaptation,
) -> Vec<PlannedRun> {
    let spec = ExperimentSpec {
        backbones: backbones.to_vec(),
        tasks: tasks.to_vec(),
        arms: arms.to_vec(),
        seeds: (0..seeds as u64).collect(),
        adaptations: vec![way],
        ..ExperimentSpec::quick("made-up")
    };
    spec.plan()
}

pub fn analysis(
    planned: &[PlannedRun],
    records: &[RunRecord],
    backbones: &[BackboneFacts],
    against: Arm,
) -> Analysis {
    analyse(Input { planned, records, backbones }, Choice { against, ..Choice::default() })
}

/// A backbone on a task in two arms, `scores` by arm and seed.
pub fn pair(
    task: TaskKind,
    seeds: usize,
    way: Adaptation,
    mut scores: impl FnMut(Arm, usize) -> Scores,
) -> Analysis {
    let planned = plan(&["backbone".into()], &[task.into()], &[Arm::Pretrained, Arm::Scratch], seeds, way);
    let records: Vec<RunRecord> = planned
        .iter()
        .enumerate()
        .map(|(i, run)| record(run, i, &scores(run.arm, run.seed as usize)))
        .collect();
    analysis(&planned, &records, &[], Arm::Scratch)
}
