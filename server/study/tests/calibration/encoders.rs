//! The finding on objectives: encoders as units, with a spread of encoders over tasks.

use transferscope_domain::{Adaptation, Arm, Task, TaskKind};
use transferscope_study::analysis::BackboneFacts;

use crate::{
    draw::Draw,
    report::{Seen, Wanted, all_kept, full, line},
    studies::{Scores, analysis, plan, record},
};

/// Spread over seeds of a gain.
const SEED: f64 = 0.02;

fn study(each: usize, seeds: usize, spread: f64, effect: f64) -> impl Fn(&mut Draw) -> Vec<Seen> + Sync {
    move |draw| {
        let facts: Vec<BackboneFacts> = (0..2 * each)
            .map(|i| BackboneFacts {
                name: format!("encoder-{i}"),
                objective: Some(if i < each { "mae" } else { "patch-contrast" }.into()),
                parameters: 1,
                architecture: Some("provicnet".into()),
            })
            .collect();
        let names: Vec<String> = facts.iter().map(|f| f.name.clone()).collect();
        let tasks = [TaskKind::Segmentation, TaskKind::SuperResolution, TaskKind::ModalityTranslation]
            .map(Task::from);
        let planned = plan(&names, &tasks, &[Arm::Pretrained, Arm::Scratch], seeds, Adaptation::Full);
        let fits: Vec<Vec<f64>> = names.iter().map(|_| draw.normals(tasks.len())).collect();
        let records: Vec<_> = planned
            .iter()
            .enumerate()
            .map(|(i, run)| {
                let encoder = names.iter().position(|n| *n == run.backbone).unwrap();
                let task = tasks.iter().position(|t| *t == run.task).unwrap();
                let built_in =
                    if encoder < each && run.task != TaskKind::Segmentation { effect } else { 0.0 };
                let gain = 0.05 + built_in + spread * SEED * fits[encoder][task] + SEED * draw.normal();
                let value = if run.arm == Arm::Pretrained { 0.5 + gain } else { 0.5 };
                record(run, i, &Scores::Mean(vec![value]))
            })
            .collect();
        let all = analysis(&planned, &records, &facts, Arm::Scratch);
        let finding = &all.findings[0];
        assert!(!finding.refused, "{finding:?}");
        let called = finding.verdict != transferscope_study::analysis::Verdict::Inconclusive;
        vec![Seen { covered: None, called: Some(called) }]
    }
}

#[test]
fn objectives_that_do_not_differ() {
    let mut kept = Vec::new();
    let each: &[usize] = if full() { &[2, 3, 5] } else { &[3] };
    for &each in each {
        for spread in [0.0, 1.0, 2.0] {
            let setting = format!(
                "{each} encoders an objective, 3 seeds, spread of encoders over tasks {spread} seed spreads"
            );
            let wanted = Wanted::calls(0.06);
            kept.push(line("Objective by task, none", &setting, wanted, study(each, 3, spread, 0.0)));
        }
    }
    all_kept(&kept);
}

#[test]
fn objectives_that_differ() {
    let setting =
        "5 encoders an objective, 3 seeds, spread of encoders over tasks 1 seed spread: share found";
    let wanted = Wanted { coverage: None, called: Some((0.4, 1.0)) };
    all_kept(&[line("Objective by task, 3 seed spreads", setting, wanted, study(5, 3, 1.0, 3.0 * SEED))]);
}
