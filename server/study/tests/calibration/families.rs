//! Many p-values at once: how often any of them calls something where nothing is there.

use transferscope_domain::{Adaptation, Arm, Task, TaskKind, experiment::PlannedRun, study::RunRecord};
use transferscope_study::analysis::{Input, versus};

use crate::{
    draw::Draw,
    gains::{Design, scores},
    report::{Seen, Wanted, all_kept, full, line},
    studies::{analysis, plan, record},
};

/// One drawn study and what was seen in it.
type Study = Box<dyn Fn(&mut Draw) -> Vec<Seen> + Sync>;

const TASKS: [TaskKind; 3] =
    [TaskKind::Segmentation, TaskKind::SuperResolution, TaskKind::ModalityTranslation];

/// Networks without a difference between their two sides, each on the cases of its task.
struct Networks {
    hard: Vec<Vec<f64>>,
    /// `[network][seed][case]`.
    differences: Vec<Vec<Vec<f64>>>,
}

impl Networks {
    const BACKBONES: usize = 4;

    fn of(draw: &mut Draw, design: Design) -> Self {
        Self {
            hard: TASKS.iter().map(|_| draw.normals(design.cases)).collect(),
            differences: (0..TASKS.len() * Self::BACKBONES).map(|_| design.differences(draw, 0.0)).collect(),
        }
    }

    fn plan(design: Design, arms: &[Arm]) -> Vec<PlannedRun> {
        let names: Vec<String> = (0..Self::BACKBONES).map(|i| format!("backbone-{i}")).collect();
        plan(&names, &TASKS.map(Task::from), arms, design.seeds, Adaptation::Full)
    }

    fn record(&self, number: usize, run: &PlannedRun, other: bool) -> RunRecord {
        let task = TASKS.iter().position(|t| run.task == *t).unwrap();
        let backbone: usize = run.backbone.trim_start_matches("backbone-").parse().unwrap();
        let differences = &self.differences[task * Self::BACKBONES + backbone][run.seed as usize];
        record(run, number, &scores(&self.hard[task], other.then_some(differences)))
    }
}

/// The designs, and whether there is a bound: three seeds that vary twice as much as cases say too little of far tails.
fn designs() -> Vec<(Design, bool)> {
    let of = |seeds, seed_part| (Design { seeds, cases: 16, seed_part }, seeds > 3 || seed_part < 2.0);
    let long = [3, 5].into_iter().flat_map(|seeds| [0.3, 1.0, 2.0].map(|part| of(seeds, part)));
    if full() { long.collect() } else { vec![of(3, 1.0)] }
}

fn kept(what: &str, study: impl Fn(Design) -> Study) -> bool {
    let of = |(design, bound): (Design, bool)| {
        let (wanted, note) = if bound { (Wanted::calls(0.06), "") } else { (Wanted::shown(), " (no bound)") };
        line(&format!("{what}{note}"), &format!("12 of {}", design.words()), wanted, study(design))
    };
    // All lines are printed before any fails.
    designs().into_iter().map(of).fold(true, |all, one| all & one)
}

#[test]
fn gains_of_many_cells() {
    let study = |design: Design| -> Study {
        Box::new(move |draw| {
            let planned = Networks::plan(design, &[Arm::Pretrained, Arm::Scratch]);
            let networks = Networks::of(draw, design);
            let of = |(i, run): (usize, &PlannedRun)| networks.record(i, run, run.arm == Arm::Pretrained);
            let records: Vec<RunRecord> = planned.iter().enumerate().map(of).collect();
            let all = analysis(&planned, &records, &[], Arm::Scratch);
            let mut p = all.cells.iter().map(|c| c.gain(Arm::Scratch).unwrap().p_corrected.unwrap());
            vec![Seen { covered: None, called: Some(p.any(|p| p <= 0.05)) }]
        })
    };
    all_kept(&[kept("Any gain of an experiment (Holm), none", study)]);
}

#[test]
fn networks_of_two_experiments() {
    let study = |design: Design| -> Study {
        Box::new(move |draw| {
            let planned = Networks::plan(design, &[Arm::Pretrained]);
            let networks = Networks::of(draw, design);
            let side = |other: bool| -> Vec<RunRecord> {
                planned.iter().enumerate().map(|(i, run)| networks.record(i, run, other)).collect()
            };
            let (first, second) = (side(false), side(true));
            let input = |records| Input { planned: &planned, records, backbones: &[] };
            let found = versus(&[input(&first), input(&second)]);
            let p = |n: &transferscope_study::analysis::Network| {
                n.sides[1].as_ref()?.against_first.as_ref()?.p_corrected
            };
            let called = found.iter().any(|n| p(n).unwrap() <= 0.05);
            vec![Seen { covered: None, called: Some(called) }]
        })
    };
    all_kept(&[kept("Any network of two experiments (Holm), none", study)]);
}
