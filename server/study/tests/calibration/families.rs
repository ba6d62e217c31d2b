//! Many p-values at once: how often any of them calls something where nothing is there.

use transferscope_domain::{Adaptation, Arm, Task, experiment::PlannedRun, study::RunRecord};
use transferscope_study::analysis::{Input, versus};

use crate::{
    draw::Draw,
    report::{Seen, Wanted, all_kept, full, line},
    studies::{Scores, analysis, plan, record},
};

const SEEDS: usize = 3;
const CASES: usize = 16;
const TASKS: [Task; 3] = [Task::Segmentation, Task::SuperResolution, Task::ModalityTranslation];

fn names() -> Vec<String> {
    (0..4).map(|i| format!("backbone-{i}")).collect()
}

/// Scores of a run: how hard cases are belongs to the task, the rest to the run.
fn scores(draw: &mut Draw, hard: &[f64], seed_part: f64) -> Scores {
    let seed = seed_part * 0.05 / (CASES as f64).sqrt() * draw.normal();
    Scores::Mean(hard.iter().map(|hard| 0.5 + 0.02 * hard + seed + 0.05 * draw.normal()).collect())
}

fn records(draw: &mut Draw, arms: &[Arm], seed_part: f64) -> (Vec<PlannedRun>, Vec<RunRecord>) {
    let planned = plan(&names(), &TASKS, arms, SEEDS, Adaptation::Full);
    let hard = TASKS.map(|_| draw.normals(CASES));
    let of = |(i, run): (usize, &_)| {
        let run: &PlannedRun = run;
        let task = TASKS.iter().position(|t| *t == run.task).unwrap();
        record(run, i, &scores(draw, &hard[task], seed_part))
    };
    let records = planned.iter().enumerate().map(of).collect();
    (planned, records)
}

#[test]
fn gains_of_many_cells() {
    let mut kept = Vec::new();
    for seed_part in [0.3, 2.0] {
        if !full() && seed_part < 1.0 {
            continue;
        }
        let study = |draw: &mut Draw| {
            let (planned, records) = records(draw, &[Arm::Pretrained, Arm::Scratch], seed_part);
            let all = analysis(&planned, &records, &[], Arm::Scratch);
            let mut p = all.cells.iter().map(|c| c.gain(Arm::Scratch).unwrap().p_corrected.unwrap());
            vec![Seen { covered: None, called: Some(p.any(|p| p <= 0.05)) }]
        };
        let setting =
            format!("12 cells, {SEEDS} seeds x {CASES} cases, seed spread {seed_part} of the case part");
        kept.push(line("Any gain of an experiment (Holm), none", &setting, Wanted::calls(0.06), study));
    }
    all_kept(&kept);
}

#[test]
fn networks_of_two_experiments() {
    let mut kept = Vec::new();
    for seed_part in [0.3, 2.0] {
        if !full() && seed_part < 1.0 {
            continue;
        }
        let study = |draw: &mut Draw| {
            let hard = TASKS.map(|_| draw.normals(CASES));
            let planned = plan(&names(), &TASKS, &[Arm::Pretrained], SEEDS, Adaptation::Full);
            let mut side = || -> Vec<RunRecord> {
                let task = |run: &PlannedRun| TASKS.iter().position(|t| *t == run.task).unwrap();
                let of = |(i, run)| record(run, i, &scores(draw, &hard[task(run)], seed_part));
                planned.iter().enumerate().map(of).collect()
            };
            let (first, second) = (side(), side());
            let input = |records| Input { planned: &planned, records, backbones: &[] };
            let networks = versus(&[input(&first), input(&second)]);
            let p = networks.iter().map(|n| n.sides[1].as_ref()?.against_first.as_ref()?.p_corrected);
            let mut p = p.map(Option::unwrap);
            vec![Seen { covered: None, called: Some(p.any(|p| p <= 0.05)) }]
        };
        let setting =
            format!("12 networks, {SEEDS} seeds x {CASES} cases, seed spread {seed_part} of the case part");
        kept.push(line("Any network of two experiments (Holm), none", &setting, Wanted::calls(0.06), study));
    }
    all_kept(&kept);
}
