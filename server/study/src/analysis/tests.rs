//! Small experiments whose numbers are known.

use std::collections::BTreeMap;

use proptest::prelude::*;
use transferscope_domain::{
    Adaptation, Family, RunState, TaskKind, TrainingSpec, alignment::AlignmentValue,
    experiment::ExperimentSpec,
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
        architecture: Some(name.trim_end_matches("-mini").into()),
    };
    vec![fact("profound-conv-mini", "mae", 700), fact("provicnet-mini", "patch-contrast", 500)]
}

/// What sets a case of a run apart, adding up to 0 over the six cases.
fn wobble(number: usize, case: usize) -> f64 {
    [2.0, -1.0, 1.0, -2.0, 3.0, -3.0][(case + 5 * number + number / 6) % 6] * 0.002
}

/// A finished run of a plan: its score depends on arm, task and seed, and every case differs.
fn record(planned: &PlannedRun, number: usize) -> RunRecord {
    let base = SCORES.iter().find(|(arm, _)| *arm == planned.arm).unwrap().1;
    let reconstructs = ["profound-conv-mini", "mae-a", "mae-b"].contains(&planned.backbone.as_str());
    let fits = reconstructs == restores(planned.task);
    let bonus = if planned.arm == Arm::Pretrained && fits { 0.2 } else { 0.0 };
    let value = base + bonus + planned.seed as f64 * 0.01;
    let cases: BTreeMap<_, _> = (0..6)
        .map(|case| {
            let score = value + (case as f64 - 2.5) * 0.01 + wobble(number, case);
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
    let distance = if fits { 0.1 } else { 0.3 } + planned.task.kind as u8 as f64 * 0.01;
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
            ..TrainingSpec::default_for(Family::ProfoundConv, planned.task.kind)
        },
        provenance: Default::default(),
        curve: vec![(0.0, 0.1), (1.0, value), (2.0, value - 0.05)],
        value: Some(value),
        baseline: None,
        cases,
        patients: BTreeMap::new(),
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

fn find<'a>(analysis: &'a Analysis, backbone: &str, task: impl Into<Task>) -> &'a Cell {
    let task = task.into();
    analysis.cells.iter().find(|c| c.key.backbone == backbone && c.key.task == task).unwrap()
}

#[test]
fn gains_of_complete_pairs() {
    let all = analysis(&records(&spec()));
    assert_eq!((all.counts.planned, all.counts.succeeded), (50, 50));
    assert_eq!((all.cells.len(), all.specialists.len()), (10, 5));
    let cell = find(&all, "profound-conv-mini", TaskKind::SuperResolution);
    let gain = cell.gain(Arm::Specialist).unwrap();
    // (0.8 - 0.5) / 0.5 and (0.81 - 0.51) / 0.51.
    assert!((gain.pairs[0].gain.unwrap() - 60.0).abs() < 1e-9);
    assert!((gain.pairs[1].gain.unwrap() - 30.0 / 0.51).abs() < 1e-9);
    assert!(gain.pairs.iter().all(|p| (p.difference - 0.3).abs() < 1e-9));
    assert!(gain.interval.unwrap().contains(gain.mean.unwrap()) && gain.cases == 6 && gain.cases_better == 6);
    let difference = gain.difference;
    assert!((difference.value - 0.3).abs() < 1e-9 && gain.patients == 6);
    assert!(difference.interval.unwrap().low > 0.25 && difference.unsure.is_none());
    assert_eq!(gain.p, difference.p);
    assert!(gain.p.unwrap() < 0.01 && gain.p_corrected.unwrap() > gain.p.unwrap());
    let poor = find(&all, "provicnet-mini", TaskKind::SuperResolution).gain(Arm::Scratch).unwrap();
    assert!((poor.pairs[0].gain.unwrap() - 50.0).abs() < 1e-9);
    let aligned = cell.aligned().unwrap();
    assert!((aligned.mean - 0.13).abs() < 1e-9, "the tested epoch, not the last: {}", aligned.mean);
    assert_eq!(aligned.course.len(), 3);
    let arm = cell.arm(Arm::Pretrained).unwrap();
    assert_eq!(arm.convergence.to_share_median.unwrap().epoch(), Some(1.0));
    assert_eq!(arm.convergence.to_specialist_median.unwrap().epoch(), Some(1.0));
    assert_eq!((arm.n, cell.speed_up_mean), (2, Some(1.0)));
    assert!(arm.interval.unwrap().contains(arm.mean.unwrap()) && cell.unpaired.is_empty());

    // One encoder of each objective, and of another architecture: nothing can be said of objectives.
    assert!(all.findings[0].refused && all.findings[0].verdict == Verdict::Inconclusive);
    assert!(all.findings[0].because.last().unwrap().contains("not known"), "{:?}", all.findings[0]);
    assert!(
        all.findings[0].because.iter().any(|b| b.contains("by both objectives")),
        "{:?}",
        all.findings[0]
    );
    // All trainings take one epoch: nothing goes with it.
    assert_eq!(all.findings[2].verdict, Verdict::Inconclusive);
    assert_eq!((all.relations[0].points.len(), all.relations[0].without_value), (10, 0));
    assert!(all.relations[0].spearman.unwrap().value < -0.5);
}

fn crossed_spec() -> ExperimentSpec {
    ExperimentSpec {
        backbones: ["mae-a", "mae-b", "contrast-a", "contrast-b"].map(str::to_owned).into(),
        ..spec()
    }
}

/// Two encoders of each objective, all of one architecture.
fn crossed_facts() -> Vec<BackboneFacts> {
    let fact = |name: &String| BackboneFacts {
        name: name.clone(),
        objective: Some(if name.starts_with("mae") { "mae" } else { "patch-contrast" }.into()),
        parameters: 700,
        architecture: Some("provicnet".into()),
    };
    crossed_spec().backbones.iter().map(fact).collect()
}

/// The findings that were built in, each encoder a little different.
fn crossed_records() -> Vec<RunRecord> {
    let mut all = records(&crossed_spec());
    for run in all.iter_mut().filter(|r| r.arm == Arm::Pretrained && r.backbone.ends_with("-a")) {
        run.value = run.value.map(|v| v + if restores(run.task) { 0.02 } else { 0.01 });
        run.alignment.iter_mut().for_each(|a| a.value -= 0.001 * (run.task.kind as u8 as f64 + 1.0));
    }
    all
}

#[test]
fn the_findings_that_were_built_in_are_found_with_encoders_as_units() {
    let (spec, backbones, records) = (crossed_spec(), crossed_facts(), crossed_records());
    let of = |backbones: &[BackboneFacts]| {
        analyse(Input { planned: &spec.plan(), records: &records, backbones }, Choice::default())
    };
    let all = of(&backbones);
    assert_eq!(all.findings[0].verdict, Verdict::Holds, "{:?}", all.findings[0]);
    assert!(all.findings[0].because.iter().any(|b| b.contains("over 2 and 2 encoders")), "{all:?}");
    assert_eq!(all.findings[1].verdict, Verdict::Holds, "{:?}", all.findings[1]);
    let spearman = all.relations[0].spearman.unwrap();
    assert!(spearman.p.unwrap() < 0.05 && spearman.exact && spearman.interval.is_some(), "{spearman:?}");
    let least = spearman.smallest.unwrap().correlation.unwrap();
    assert!(least <= spearman.value.abs() + 1e-9, "{spearman:?}");
    // What fits is a matter of backbone and task together: it stays when both means are out.
    assert!(all.relations[0].centred.unwrap().value < -0.5, "{:?}", all.relations[0].centred);

    // Objective and architecture go together: the difference could be that of architectures.
    let mut apart = backbones.clone();
    apart[..2].iter_mut().for_each(|b| b.architecture = Some("profound-conv".into()));
    let refused = &of(&apart).findings[0];
    assert!(
        refused.refused
            && refused.verdict == Verdict::Inconclusive
            && refused.label().contains("cannot be tested")
    );
    // One encoder of an architecture of its own does not count, and then one alone has no spread.
    apart = backbones.clone();
    apart[0].architecture = Some("profound-conv".into());
    let refused = &of(&apart).findings[0];
    assert!(refused.refused && refused.because.iter().any(|b| b.contains("mae-a")), "{refused:?}");
}

/// Label shares of a cell say much the same: they are one point.
#[test]
fn shares_of_the_cases_are_one_point_of_a_relation() {
    let spec = ExperimentSpec { label_shares: vec![0.5, 1.0], ..spec() };
    let (records, backbones) = (records(&spec), facts());
    let all =
        analyse(Input { planned: &spec.plan(), records: &records, backbones: &backbones }, Choice::default());
    assert_eq!((all.cells.len(), all.relations[0].points.len()), (20, 10));
    assert!(all.relations[0].points.iter().all(|p| p.cells == 2 && p.y_interval.is_none()));
    assert_eq!(all.relations[0].spearman.unwrap().n, 10);
}

/// Frozen pre-trained encoders gain 0.2 where they fit; where they do not, nothing but wobble.
#[test]
fn tasks_that_do_not_depend_on_the_encoder_are_left_out() {
    let spec = ExperimentSpec { adaptations: vec![Adaptation::Full, Adaptation::Frozen], ..spec() };
    let mut records = records(&spec);
    let frozen =
        |r: &&mut RunRecord| r.training.adaptation == Adaptation::Frozen && r.task == TaskKind::Segmentation;
    for run in records.iter_mut().filter(frozen) {
        run.value = Some(0.5);
        for (case, scores) in run.cases.values_mut().enumerate() {
            let tuned = if run.arm == Arm::Pretrained { 1.0 } else { -1.0 };
            scores.insert("dice".into(), 0.5 + tuned * wobble(run.seed as usize, case));
        }
    }
    let backbones = facts();
    let input = Input { planned: &spec.plan(), records: &records, backbones: &backbones };
    let all = analyse(input, Choice::default());
    assert_eq!(all.encoder_shares.len(), 5);
    let of = |task| all.encoder_shares.iter().find(|s| s.task == task).unwrap();
    assert_eq!((of(TaskKind::Segmentation).depends(), of(TaskKind::Segmentation).seeds), (Some(false), 2));
    assert_eq!(of(TaskKind::SuperResolution).depends(), Some(true));
    assert_eq!(of(TaskKind::SuperResolution).backbones.len(), 2);
    assert!((of(TaskKind::SuperResolution).difference.value - 0.3).abs() < 1e-9, "mean of 0.4 and 0.2");
    assert_eq!(all.relations[0].points.len(), 8, "segmentation is left out");
    assert!(all.findings[0].because.iter().any(|b| b.contains("does not depend on the encoder")));
    let counted = analyse(input, Choice { unlearnt: true, ..Choice::default() });
    assert_eq!(counted.relations[0].points.len(), 10);
}

/// A control that has learnt nothing stays in: the seed where pre-training helped most is not dropped.
#[test]
fn a_control_of_zero_keeps_its_pair_and_its_difference() {
    let mut all = records(&spec());
    let zero = all
        .iter_mut()
        .find(|r| r.arm == Arm::Scratch && r.task == TaskKind::Segmentation && r.seed == 0)
        .unwrap();
    zero.value = Some(0.0);
    zero.cases.values_mut().for_each(|scores| {
        scores.insert("dice".into(), 0.0);
    });
    let backbone = zero.backbone.clone();
    let analysis = analysis(&all);
    let gain = find(&analysis, &backbone, TaskKind::Segmentation).gain(Arm::Scratch).unwrap();
    let pretrained = |seed| {
        all.iter()
            .find(|r| {
                r.arm == Arm::Pretrained
                    && r.task == TaskKind::Segmentation
                    && r.seed == seed
                    && r.backbone == backbone
            })
            .unwrap()
            .value
            .unwrap()
    };
    assert_eq!(gain.pairs.len(), 2);
    assert_eq!(gain.pairs.iter().map(|p| p.gain.is_some()).collect::<Vec<_>>(), [false, true]);
    let wanted = (pretrained(0) + pretrained(1) - 0.41) / 2.0;
    assert!((gain.difference.value - wanted).abs() < 1e-9, "{gain:?}");
    assert_eq!((gain.mean, gain.interval), (None, None), "in percent of 0 there is nothing to say");
    let interval = gain.difference.interval.unwrap();
    assert!(interval.contains(wanted) && interval.low >= -1.0 && interval.high <= 1.0);
}

/// One seed has values, and neither interval nor p anywhere.
#[test]
fn one_seed_has_no_interval_and_no_p() {
    let spec = ExperimentSpec { seeds: vec![7], ..spec() };
    let (records, backbones) = (records(&spec), facts());
    let all =
        analyse(Input { planned: &spec.plan(), records: &records, backbones: &backbones }, Choice::default());
    for cell in &all.cells {
        assert!(
            cell.arms.iter().all(|a| a.mean.is_some() && a.interval.is_none() && a.over_trivial.is_none())
        );
        assert!(cell.arms.iter().all(|a| a.unsure == Some(transferscope_domain::Unsure::OneSeed)));
        for gain in &cell.gains {
            assert!(
                gain.mean.is_some()
                    && gain.interval.is_none()
                    && gain.p.is_none()
                    && gain.p_corrected.is_none()
            );
            assert_eq!(gain.difference.unsure, Some(transferscope_domain::Unsure::OneSeed));
        }
        assert!(cell.speed_up_estimate.is_some_and(|e| e.interval.is_none()));
    }
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
    records.retain(|r| !(r.arm == Arm::Specialist && r.task == TaskKind::Segmentation));
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
    records.retain(|r| !(r.arm == Arm::Specialist && r.task == TaskKind::Segmentation));
    let failed =
        records.iter().position(|r| r.arm == Arm::Scratch && r.task == TaskKind::Segmentation).unwrap();
    records[failed].state = RunState::Failed;
    records[failed].value = None;
    let all = analysis(&records);
    let cell = find(&all, "profound-conv-mini", TaskKind::Segmentation);
    assert_eq!(cell.gain(Arm::Specialist), None);
    assert_eq!((all.relations[0].points.len(), all.relations[0].without_value), (8, 2));
    assert!(cell.unpaired.iter().filter(|u| u.why == NoPair::NoControl).count() == 3, "{:?}", cell.unpaired);
    let scratch = cell.arm(Arm::Scratch).unwrap();
    assert_eq!((scratch.n, scratch.slots[0].state), (1, Some(RunState::Failed)));
    assert_eq!(cell.gain(Arm::Scratch).unwrap().pairs.len(), 1);
    assert!(cell.arm(Arm::Pretrained).unwrap().convergence.to_specialist.is_empty());
    assert_eq!((all.counts.failed, all.counts.succeeded), (1, 47));
    let specialist = all.specialists.iter().find(|s| s.task == TaskKind::Segmentation).unwrap();
    assert!(specialist.slots.iter().all(|s| s.run.is_none()) && specialist.mean.is_none());
    assert!(all.findings[0].because.iter().any(|b| b.contains("47 of 50")));
    assert!(all.findings.iter().all(|f| f.verdict == Verdict::Inconclusive), "not before all is done");
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
    let why = NoPair::Differs(vec!["epochs".into()]);
    assert_eq!(cell.unpaired, [Unpaired { against: Arm::Specialist, seed, why }]);
    let scratch = cell.gain(Arm::Scratch).unwrap().pairs.iter().find(|p| p.seed == seed).unwrap();
    assert!((scratch.gain.unwrap() - 125.0).abs() < 1e-9, "the later run counts: {scratch:?}");
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
            prop_assert!(gain.difference.value.is_finite() && !gain.pairs.is_empty());
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
    // One network wobbles: its difference has an interval.
    for run in longer.iter_mut().filter(|r| r.backbone == "profound-conv-mini" && r.arm == Arm::Pretrained) {
        for (case, scores) in run.cases.values_mut().enumerate() {
            scores.values_mut().for_each(|v| *v += wobble(run.seed as usize, case));
        }
    }
    longer.retain(|r| !(r.arm == Arm::Scratch && r.task == TaskKind::Segmentation));
    let few: Vec<PlannedRun> = plan.iter().filter(|p| p.task == TaskKind::Segmentation).cloned().collect();
    let mut elsewhere: Vec<RunRecord> =
        first.iter().filter(|r| r.task == TaskKind::Segmentation).cloned().collect();
    elsewhere.iter_mut().for_each(|r| r.provenance.dataset = "other data".into());
    let backbones = facts();
    let input = |planned, records| Input { planned, records, backbones: &backbones };
    let networks = versus(&[input(&plan, &first), input(&plan, &longer), input(&few, &elsewhere)]);
    assert_eq!(networks.len(), 25, "two networks in two arms and the specialist, five tasks");
    let of = |backbone: &str, arm, task| {
        networks.iter().find(|n| n.backbone == backbone && n.arm == arm && n.task == task).unwrap()
    };
    let tuned = of("provicnet-mini", Arm::Pretrained, TaskKind::SuperResolution);
    let [Some(before), Some(after), None] = &tuned.sides[..] else { panic!("{:?}", tuned.sides) };
    assert_eq!((before.n, before.against_first.clone(), after.runs.len()), (2, None, 2));
    let against = after.against_first.as_ref().unwrap();
    assert!((against.difference.unwrap() - 0.1).abs() < 1e-9);
    assert_eq!((against.seeds, against.cases, against.cases_better), (2, 6, 6));
    assert_eq!(against.differs, ["epochs"]);
    // Every case 0.1 better in every seed: how far another seed or case would be off is not known.
    assert_eq!((against.p, against.unsure), (None, Some(transferscope_domain::Unsure::AllEqual)));
    let wobbly =
        of("profound-conv-mini", Arm::Pretrained, TaskKind::SuperResolution).sides[1].clone().unwrap();
    let wobbly = wobbly.against_first.unwrap();
    assert!(wobbly.interval.unwrap().contains(0.1) && wobbly.p.unwrap() < 0.01 && wobbly.unsure.is_none());
    assert!(wobbly.p_corrected.unwrap() > wobbly.p.unwrap());
    let hole = &of("provicnet-mini", Arm::Scratch, TaskKind::Segmentation).sides;
    assert!(hole[1].as_ref().is_some_and(|s| s.n == 0 && s.against_first.is_none()));
    let other = hole[2].as_ref().unwrap().against_first.as_ref().unwrap();
    assert_eq!((other.difference, other.differs[0].as_str()), (None, "data set"), "other cases are no pair");
}

/// A task on which nobody is told apart from the simple baseline does not move the findings.
#[test]
fn tasks_that_nobody_has_learnt_are_left_out_of_the_findings_unless_they_are_asked_for() {
    let mut records = records(&spec());
    for run in &mut records {
        let trivial = if run.task == TaskKind::ModalityTranslation { 0.9 } else { 0.1 };
        run.baseline = Some(("mean-image".into(), trivial));
        // Cases differ far more than networks do: only on the same cases can they be told from the simple baseline.
        for (case, scores) in run.cases.values_mut().enumerate() {
            for name in [run.task.primary_metric().as_str(), "probability"] {
                let score = scores[name];
                scores.insert(name.to_owned(), score + case as f64);
                let beside = if run.task == TaskKind::ModalityTranslation { 0.1 } else { -0.1 };
                let trivial = score + case as f64 + beside + wobble(run.seed as usize, case);
                scores.insert(format!("{name}@mean-image"), trivial);
            }
            scores.insert("probability@mean-image".into(), 0.5);
        }
    }
    let all = analysis(&records);
    assert_eq!(all.unlearnt, [TaskKind::ModalityTranslation]);
    assert_eq!((all.cells.len(), all.relations[0].points.len()), (10, 8));
    assert!(all.findings.iter().all(|f| f.because.iter().any(|b| b.starts_with("Left out: "))), "{all:?}");
    let (spec, backbones) = (spec(), facts());
    let input = Input { planned: &spec.plan(), records: &records, backbones: &backbones };
    let counted = analyse(input, Choice { unlearnt: true, ..Choice::default() });
    assert_eq!(counted.relations[0].points.len(), 10);
    assert!(counted.findings[0].because.iter().any(|b| b.starts_with("Included: ")));
}

#[test]
fn targets_of_a_kind_are_tasks_of_their_own() {
    let tasks: Vec<Task> = ["segmentation:lesion", "segmentation:zones"].map(|t| t.parse().unwrap()).into();
    let spec = ExperimentSpec { tasks: tasks.clone(), ..spec() };
    let mut records = records(&spec);
    for run in records.iter_mut().filter(|r| r.arm == Arm::Pretrained && r.task == tasks[0]) {
        run.value = run.value.map(|v| v + 0.1);
    }
    let backbones = facts();
    let input = Input { planned: &spec.plan(), records: &records, backbones: &backbones };
    let all = analyse(input, Choice::default());
    assert_eq!((all.cells.len(), all.specialists.len()), (4, 2));
    assert_eq!(all.ranking.as_ref().unwrap().tasks, tasks);
    let gain = |task| find(&all, "provicnet-mini", task).gain(Arm::Scratch).unwrap().difference.value;
    assert!((gain(tasks[0]) - gain(tasks[1]) - 0.1).abs() < 1e-9);
}
