//! Small experiments whose numbers are known.

use std::collections::BTreeMap;

use proptest::prelude::*;
use transferscope_domain::{
    Family, RunState, TrainingSpec, alignment::AlignmentValue, experiment::ExperimentSpec,
};

use super::*;

const SCORES: [(Arm, f64); 3] = [(Arm::Specialist, 0.5), (Arm::Scratch, 0.4), (Arm::Pretrained, 0.6)];

fn spec() -> ExperimentSpec {
    ExperimentSpec {
        backbones: vec!["profound-conv-mini".into(), "provicnet-mini".into()],
        seeds: vec![0, 1],
        ..ExperimentSpec::quick("phantom")
    }
}

fn facts() -> Vec<BackboneFacts> {
    let fact = |name: &str, objective: &str, parameters| BackboneFacts {
        name: name.into(),
        objective: Some(objective.into()),
        parameters,
    };
    vec![fact("profound-conv-mini", "mae", 700), fact("provicnet-mini", "patch-contrast", 500)]
}

/// A finished run of a plan: its score depends on arm, task and seed, and every case differs.
fn record(planned: &PlannedRun, number: usize) -> RunRecord {
    let base = SCORES.iter().find(|(arm, _)| *arm == planned.arm).unwrap().1;
    let fits = (planned.backbone == "profound-conv-mini") == restores(planned.task);
    let bonus = if planned.arm == Arm::Pretrained && fits { 0.2 } else { 0.0 };
    let value = base + bonus + planned.seed as f64 * 0.01;
    let cases: BTreeMap<_, _> = (0..6)
        .map(|case| {
            let score = value + (case as f64 - 2.5) * 0.01;
            let mut scores = BTreeMap::from([(planned.task.case_metric().to_string(), score)]);
            scores.insert(planned.task.primary_metric().to_string(), score);
            scores.insert("probability".into(), score);
            scores.insert("truth".into(), f64::from(u8::from(case > 2)));
            (format!("case-{case}"), scores)
        })
        .collect();
    let moved = |epoch: f64, value: f64, p| AlignmentValue {
        epoch,
        layer: "norm".into(),
        depth: 0,
        metric: "d2p".into(),
        value,
        p,
        bandwidth: 2.0,
        n: 64,
    };
    let distance = if fits { 0.1 } else { 0.3 } + planned.task as u8 as f64 * 0.01;
    RunRecord {
        id: format!("run{number:04}").parse().unwrap(),
        state: RunState::Succeeded,
        backbone: planned.backbone.clone(),
        family: Family::ProfoundConv,
        task: planned.task,
        arm: planned.arm,
        seed: planned.seed,
        training: TrainingSpec {
            adaptation: planned.variant.adaptation,
            label_share: planned.variant.label_share,
            ..TrainingSpec::default_for(Family::ProfoundConv, planned.task)
        },
        provenance: ["data".into(), "split".into(), "0.1.0".into()],
        curve: vec![(0.0, 0.1), (1.0, value), (2.0, value - 0.05)],
        value: Some(value),
        baseline: None,
        cases,
        alignment: vec![moved(0.0, -0.01, None), moved(1.0, distance, Some(0.01)), moved(2.0, 9.0, None)],
        parameters: Some(700),
        seconds: Some(10.0),
    }
}

fn records(spec: &ExperimentSpec) -> Vec<RunRecord> {
    spec.plan().iter().enumerate().map(|(i, planned)| record(planned, i)).collect()
}

fn analysis(records: &[RunRecord]) -> Analysis {
    let (spec, backbones) = (spec(), facts());
    analyse(Input { planned: &spec.plan(), records, backbones: &backbones }, Choice::default())
}

fn find<'a>(analysis: &'a Analysis, backbone: &str, task: Task) -> &'a Cell {
    analysis.cells.iter().find(|c| c.key.backbone == backbone && c.key.task == task).unwrap()
}

#[test]
fn gains_of_complete_pairs_and_the_findings_that_were_built_in() {
    let all = analysis(&records(&spec()));
    assert_eq!((all.counts.planned, all.counts.succeeded), (50, 50));
    assert_eq!((all.cells.len(), all.specialists.len()), (10, 5));
    let cell = find(&all, "profound-conv-mini", Task::SuperResolution);
    let gain = cell.gain(Arm::Specialist).unwrap();
    // (0.8 - 0.5) / 0.5 and (0.81 - 0.51) / 0.51.
    assert!((gain.pairs[0].gain - 60.0).abs() < 1e-9 && (gain.pairs[1].gain - 30.0 / 0.51).abs() < 1e-9);
    assert!(gain.interval.unwrap().contains(gain.mean) && gain.cases == 6 && gain.cases_better == 6);
    // Six cases all better: 2 of 64 signs; ten cells.
    assert_eq!((gain.p, gain.p_corrected), (Some(2.0 / 64.0), Some(10.0 * 2.0 / 64.0)));
    let poor = find(&all, "provicnet-mini", Task::SuperResolution).gain(Arm::Scratch).unwrap();
    assert!((poor.pairs[0].gain - 50.0).abs() < 1e-9);
    let aligned = cell.aligned().unwrap();
    assert!((aligned.mean - 0.13).abs() < 1e-9, "the tested epoch, not the last: {}", aligned.mean);
    assert_eq!(aligned.course.len(), 3);
    let arm = cell.arm(Arm::Pretrained).unwrap();
    assert_eq!(arm.convergence.to_share_median.unwrap().epoch(), Some(1.0));
    assert_eq!(arm.convergence.to_specialist_median.unwrap().epoch(), Some(1.0));
    assert_eq!((arm.n, cell.speed_up_mean), (2, Some(1.0)));

    assert_eq!(all.findings[0].verdict, Verdict::Holds, "{:?}", all.findings[0]);
    assert_eq!(all.findings[1].verdict, Verdict::Holds, "{:?}", all.findings[1]);
    // All trainings take one epoch: nothing goes with it.
    assert_eq!(all.findings[2].verdict, Verdict::CannotBeTold);
    assert_eq!((all.relations[0].points.len(), all.relations[0].without_value), (10, 0));
    assert!(all.relations[0].spearman.unwrap().value < -0.5);
}

/// Five networks over five tasks: pre-trained ones share the first places by the kind of task.
#[test]
fn networks_are_ranked_over_tasks_and_a_hole_leaves_its_task_out() {
    let mut records = records(&spec());
    let ranking = analysis(&records).ranking.unwrap();
    assert_eq!((ranking.tasks.len(), ranking.networks.len()), (5, 5));
    let rank = |backbone: &str, arm| {
        ranking.networks.iter().find(|n| n.backbone == backbone && n.arm == arm).unwrap().mean_rank
    };
    // Better on the three tasks that restore, second on the two others.
    assert!((rank("profound-conv-mini", Arm::Pretrained) - 7.0 / 5.0).abs() < 1e-9);
    assert!((rank("provicnet-mini", Arm::Pretrained) - 8.0 / 5.0).abs() < 1e-9);
    let sum: f64 = ranking.networks.iter().map(|n| n.mean_rank).sum();
    assert!((sum - 15.0).abs() < 1e-9);
    // Demšar (2006), table 5: q of five methods is 2.728; over five tasks its factor is 1.
    assert!((ranking.critical_difference.unwrap() - 2.728).abs() < 2e-3);
    assert!(ranking.p < 0.05, "{}", ranking.p);
    records.retain(|r| !(r.arm == Arm::Specialist && r.task == Task::Segmentation));
    assert_eq!(analysis(&records).ranking.unwrap().tasks.len(), 4);
}

/// A share of the cases that nobody has trained on yet is a row of holes.
#[test]
fn planned_variants_are_holes_until_they_have_runs() {
    let spec = ExperimentSpec { label_shares: vec![0.5, 1.0], ..spec() };
    let whole: Vec<_> = records(&spec).into_iter().filter(|r| r.training.label_share == 1.0).collect();
    let all =
        analyse(Input { planned: &spec.plan(), records: &whole, backbones: &facts() }, Choice::default());
    assert_eq!((all.counts.planned, all.counts.succeeded), (100, 50));
    assert_eq!((all.cells.len(), all.specialists.len()), (20, 10));
    let hole = all.cells.iter().find(|c| c.key.label_share == 0.5).unwrap();
    assert!(hole.arms.iter().all(|a| a.n == 0) && hole.gains.is_empty());
}

#[test]
fn a_missing_control_is_a_hole_and_no_gain() {
    let mut records = records(&spec());
    records.retain(|r| !(r.arm == Arm::Specialist && r.task == Task::Segmentation));
    let failed = records.iter().position(|r| r.arm == Arm::Scratch && r.task == Task::Segmentation).unwrap();
    records[failed].state = RunState::Failed;
    records[failed].value = None;
    let all = analysis(&records);
    let cell = find(&all, "profound-conv-mini", Task::Segmentation);
    assert_eq!(cell.gain(Arm::Specialist), None);
    assert_eq!((all.relations[0].points.len(), all.relations[0].without_value), (8, 2));
    let scratch = cell.arm(Arm::Scratch).unwrap();
    assert_eq!((scratch.n, scratch.slots[0].state), (1, Some(RunState::Failed)));
    assert_eq!(cell.gain(Arm::Scratch).unwrap().pairs.len(), 1);
    assert!(cell.arm(Arm::Pretrained).unwrap().convergence.to_specialist.is_empty());
    assert_eq!((all.counts.failed, all.counts.succeeded), (1, 47));
    let specialist = all.specialists.iter().find(|s| s.task == Task::Segmentation).unwrap();
    assert!(specialist.slots.iter().all(|s| s.run.is_none()) && specialist.mean.is_none());
    assert!(all.findings[0].because.iter().any(|b| b.contains("47 of 50")));
    assert!(all.findings.iter().all(|f| f.verdict == Verdict::CannotBeTold), "not before all is done");
}

#[test]
fn runs_that_should_not_be_compared_say_so_and_a_repeated_run_counts_once() {
    let mut records = records(&spec());
    let other = records.iter_mut().find(|r| r.arm == Arm::Specialist).unwrap();
    other.training.epochs = 99;
    let (task, seed) = (other.task, other.seed);
    let mut again = records.iter().find(|r| r.arm == Arm::Pretrained && r.task == task).unwrap().clone();
    again.id = "again".parse().unwrap();
    again.value = Some(0.9);
    records.push(again);
    let all = analysis(&records);
    let cell = find(&all, "profound-conv-mini", task);
    assert_eq!(cell.incomparable, [(Arm::Specialist, vec!["epochs".to_owned()])]);
    let gain = cell.gain(Arm::Specialist).unwrap();
    assert!(gain.pairs.iter().all(|p| p.seed != seed), "{:?}", gain.pairs);
    let scratch = cell.gain(Arm::Scratch).unwrap().pairs.iter().find(|p| p.seed == seed).unwrap();
    assert!((scratch.gain - 125.0).abs() < 1e-9, "the later run counts: {scratch:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever is there, missing or not a number.
    #[test]
    fn any_part_of_an_experiment_has_an_analysis(kept in prop::collection::vec(0u8..6, 50)) {
        let mut all = records(&spec());
        for (record, what) in all.iter_mut().zip(&kept) {
            match what {
                0 => record.state = RunState::Failed,
                1 => record.value = Some(f64::NAN),
                2 => record.cases.clear(),
                3 => { record.alignment.clear(); record.curve.clear(); }
                _ => {}
            }
        }
        let mut kept = kept.into_iter();
        all.retain(|_| kept.next() != Some(5));
        let found = analysis(&all);
        prop_assert_eq!(found.cells.len(), 10);
        prop_assert!(serde_json::to_string(&found).is_ok());
        for gain in found.cells.iter().flat_map(|c| &c.gains) {
            prop_assert!(gain.mean.is_finite() && !gain.pairs.is_empty());
        }
    }
}

#[test]
fn a_paper_says_what_was_done_and_leaves_holes_open() {
    use crate::paper::{Paper, csv, latex, markdown, methods};
    let spec = spec();
    let mut records = records(&spec);
    records.retain(|r| r.arm != Arm::Specialist);
    let (analysis, backbones) = (analysis(&records), facts());
    let paper = Paper {
        name: "50 % & more",
        spec: &spec,
        analysis: &analysis,
        backbones: &backbones,
        synthetic: true,
        version: "0.1.0",
    };
    let table = csv(paper);
    let columns = |line: &str| line.split(',').count();
    let lines: Vec<&str> = table.lines().collect();
    // Ten cells with two arms, five specialists.
    assert_eq!(lines.len(), 1 + 20 + 5);
    assert!(lines.iter().all(|l| columns(l) == columns(lines[0])), "{table}");
    let latex = latex(paper);
    assert!(latex.contains("50 \\% \\& more") && latex.contains(" & -- & +") && !latex.contains("NaN"));
    let markdown = markdown(paper);
    assert!(markdown.contains("40 of 50 planned runs") && markdown.contains("Synthetic"));
    let words = methods(paper);
    assert!(
        words.contains("pre-trained by mae") && words.contains("seeds 0, 1") && words.contains("synthetic")
    );
}

/// The second experiment trains twice as long and scores 0.1 more in every case.
#[test]
fn experiments_are_set_against_each_other_network_by_network() {
    let (spec, plan) = (spec(), spec().plan());
    let first = records(&spec);
    let mut longer = records(&spec);
    for run in &mut longer {
        run.training.epochs *= 2;
        run.value = run.value.map(|v| v + 0.1);
        for score in run.cases.values_mut().flat_map(|c| c.values_mut()) {
            *score += 0.1;
        }
    }
    longer.retain(|r| !(r.arm == Arm::Scratch && r.task == Task::Segmentation));
    let few: Vec<PlannedRun> = plan.iter().filter(|p| p.task == Task::Segmentation).cloned().collect();
    let mut elsewhere: Vec<RunRecord> =
        first.iter().filter(|r| r.task == Task::Segmentation).cloned().collect();
    elsewhere.iter_mut().for_each(|r| r.provenance[0] = "other data".into());
    let backbones = facts();
    let input = |planned, records| Input { planned, records, backbones: &backbones };
    let networks = versus(&[input(&plan, &first), input(&plan, &longer), input(&few, &elsewhere)]);
    assert_eq!(networks.len(), 25, "two networks in two arms and the specialist, five tasks");
    let of = |backbone: &str, arm, task| {
        networks.iter().find(|n| n.backbone == backbone && n.arm == arm && n.task == task).unwrap()
    };
    let tuned = of("provicnet-mini", Arm::Pretrained, Task::SuperResolution);
    let [Some(before), Some(after), None] = &tuned.sides[..] else { panic!("{:?}", tuned.sides) };
    assert_eq!((before.n, before.against_first.clone(), after.runs.len()), (2, None, 2));
    let against = after.against_first.as_ref().unwrap();
    assert!((against.difference.unwrap() - 0.1).abs() < 1e-9);
    assert_eq!((against.seeds, against.cases, against.cases_better), (2, 6, 6));
    assert_eq!(against.differs, ["epochs"]);
    // Six cases all better, 23 networks with a pair.
    assert_eq!((against.p, against.p_corrected), (Some(2.0 / 64.0), Some(23.0 * 2.0 / 64.0)));
    let hole = &of("provicnet-mini", Arm::Scratch, Task::Segmentation).sides;
    assert!(hole[1].as_ref().is_some_and(|s| s.n == 0 && s.against_first.is_none()));
    let other = hole[2].as_ref().unwrap().against_first.as_ref().unwrap();
    assert_eq!((other.difference, other.differs[0].as_str()), (None, "data set"), "other cases are no pair");
}

/// A task on which nobody is told apart from the trivial method does not move the findings.
#[test]
fn tasks_that_nobody_has_learnt_are_left_out_of_the_findings_unless_they_are_asked_for() {
    let mut records = records(&spec());
    for run in &mut records {
        let trivial = if run.task == Task::ModalityTranslation { 0.9 } else { 0.1 };
        run.baseline = Some(("mean-image".into(), trivial));
        // Cases differ far more than networks do: only on the same cases can they be told from the trivial method.
        for (case, scores) in run.cases.values_mut().enumerate() {
            for name in [run.task.primary_metric().as_str(), "probability"] {
                let score = scores[name];
                scores.insert(name.to_owned(), score + case as f64);
                let beside = if run.task == Task::ModalityTranslation { 0.1 } else { -0.1 };
                scores.insert(format!("{name}@mean-image"), score + case as f64 + beside);
            }
            scores.insert("probability@mean-image".into(), 0.5);
        }
    }
    let all = analysis(&records);
    assert_eq!(all.unlearnt, [Task::ModalityTranslation]);
    assert_eq!((all.cells.len(), all.relations[0].points.len()), (10, 8));
    assert!(all.findings.iter().all(|f| f.because.iter().any(|b| b.starts_with("Left out: "))), "{all:?}");
    let (spec, backbones) = (spec(), facts());
    let input = Input { planned: &spec.plan(), records: &records, backbones: &backbones };
    let counted = analyse(input, Choice { unlearnt: true, ..Choice::default() });
    assert_eq!(counted.relations[0].points.len(), 10);
    assert!(counted.findings[0].because.iter().any(|b| b.starts_with("Counted all the same: ")));
}
