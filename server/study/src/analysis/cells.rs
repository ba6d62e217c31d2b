//! The matrix: backbones x tasks, with every seed of every arm in its place, and the places that are empty.

use serde::{Deserialize, Serialize};
use transferscope_domain::{
    Adaptation, Arm, Direction, RunId, RunState, Task, Unsure, backbone::SPECIALIST, experiment::Variant,
    metric::Split, study::RunRecord,
};

use super::{
    AlignedLayer, Choice, Control, Counts, Gain, Input, Unpaired, aligned, gain,
    scores::{CaseTable, cell_mean},
};
use crate::{
    convergence::{self, Reached},
    statistics::{Estimate, Interval, geometric_mean, holm, mean},
};

/// Which cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CellKey {
    pub backbone: String,
    pub task: Task,
    pub adaptation: Adaptation,
    /// Share of the training cases that were learnt from.
    pub label_share: f64,
}

/// A seed's run, as far as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Slot {
    pub seed: u64,
    /// The run that counts: the latest that succeeded, else the latest; none where there never was one.
    pub run: Option<RunId>,
    pub state: Option<RunState>,
    /// The test metric.
    pub value: Option<f64>,
}

/// An arm's runs in a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArmSummary {
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    /// Share of the training cases that were learnt from.
    pub label_share: f64,
    /// Every planned seed.
    pub slots: Vec<Slot>,
    pub mean: Option<f64>,
    /// 95 %, from the crossed layout of seeds and test patients, inside the metric's range; that of the leaderboard.
    pub interval: Option<Interval>,
    /// Why there is no interval.
    #[serde(default)]
    pub unsure: Option<Unsure>,
    pub n: usize,
    pub baseline: Option<(String, f64)>,
    /// How much better than the best simple baseline on the same cases, 95 %, from the same layout; above 0 is better
    /// whatever the metric's direction.
    pub over_trivial: Option<Interval>,
    pub convergence: Converged,
}

/// A value of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Seeded<T> {
    pub seed: u64,
    pub value: T,
}

/// How fast an arm's runs got where they went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Converged {
    /// Epochs to 95 % of the way from before training to the best; seeds that never improved are absent.
    pub to_share: Vec<Seeded<Reached>>,
    pub to_share_median: Option<Reached>,
    /// Epochs until the validation metric is as good as the best of the specialist of the same seed.
    pub to_specialist: Vec<Seeded<Reached>>,
    pub to_specialist_median: Option<Reached>,
    /// Mean over seeds of the normalised area under the running best.
    pub area: Option<f64>,
}

/// One backbone on one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cell {
    pub key: CellKey,
    pub metric: String,
    pub direction: Direction,
    /// Pre-trained and scratch, as planned.
    pub arms: Vec<ArmSummary>,
    /// Over the specialist and over scratch, from complete pairs.
    pub gains: Vec<Gain>,
    /// Controls whose runs differ from the pre-trained ones in what must agree, and in which fields: no pairs.
    pub incomparable: Vec<(Arm, Vec<String>)>,
    /// Seeds that make no pair with a planned control, and why.
    #[serde(default)]
    pub unpaired: Vec<Unpaired>,
    /// Scratch's epochs to 95 % by the pre-trained arm's, by seed where both got there.
    pub speed_up: Vec<Seeded<f64>>,
    /// Their geometric mean.
    pub speed_up_mean: Option<f64>,
    /// The same with its interval, by Student's t of the logarithms over seeds.
    #[serde(default)]
    pub speed_up_estimate: Option<Estimate>,
    /// Layers of the pre-trained arm, first to last.
    pub alignment: Vec<AlignedLayer>,
    /// Place of the chosen layer among them.
    pub chosen_layer: Option<usize>,
    pub controls: Control,
}

impl Cell {
    pub fn arm(&self, arm: Arm) -> Option<&ArmSummary> {
        self.arms.iter().find(|a| a.arm == arm)
    }

    pub fn gain(&self, against: Arm) -> Option<&Gain> {
        self.gains.iter().find(|g| g.against == against)
    }

    /// The alignment at the chosen layer.
    pub fn aligned(&self) -> Option<&AlignedLayer> {
        self.alignment.get(self.chosen_layer?)
    }
}

/// Runs by what became of them. Of a planned run that was started several times the one that counts is counted.
pub fn counts(input: Input<'_>) -> Counts {
    let mut counts = Counts { planned: input.planned.len(), ..Counts::default() };
    for planned in input.planned {
        let wanted =
            Wanted { backbone: &planned.backbone, task: planned.task, variant: Some(planned.variant) };
        match wanted.latest(input.records, planned.arm, planned.seed).map(|r| r.state) {
            Some(RunState::Succeeded) => counts.succeeded += 1,
            Some(RunState::Failed) => counts.failed += 1,
            Some(RunState::Stopped) => counts.stopped += 1,
            Some(_) => counts.open += 1,
            None => {}
        }
    }
    counts
}

/// Which runs are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted<'a> {
    pub backbone: &'a str,
    pub task: Task,
    /// How a backbone was adapted and on which share of the cases; any where it is none.
    pub variant: Option<Variant>,
}

impl Wanted<'_> {
    /// The run that counts for a seed: the latest that succeeded, else the latest. The specialist has no adaptation.
    pub fn latest<'a>(&self, records: &'a [RunRecord], arm: Arm, seed: u64) -> Option<&'a RunRecord> {
        let backbone = if arm == Arm::Specialist { SPECIALIST } else { self.backbone };
        let fits = |r: &&RunRecord| {
            let variant = self.variant.is_none_or(|wanted| {
                let of = r.variant();
                of.label_share == wanted.label_share
                    && (arm == Arm::Specialist || of.adaptation == wanted.adaptation)
            });
            r.backbone == backbone && r.task == self.task && r.arm == arm && r.seed == seed && variant
        };
        let found = || records.iter().filter(fits);
        found().rfind(|r| r.state == RunState::Succeeded).or_else(|| found().next_back())
    }
}

impl CellKey {
    pub(super) fn wanted(&self) -> Wanted<'_> {
        let Self { backbone, task, adaptation, label_share } = self;
        let variant = Variant { adaptation: *adaptation, label_share: *label_share };
        Wanted { backbone, task: *task, variant: Some(variant) }
    }
}

/// Seeds of the plan, in its order.
pub(super) fn seeds(input: Input<'_>) -> Vec<u64> {
    let mut seeds: Vec<u64> = Vec::new();
    for planned in input.planned {
        if !seeds.contains(&planned.seed) {
            seeds.push(planned.seed);
        }
    }
    seeds
}

/// The cells of the plan, and those of further variants that runs have.
fn keys(input: Input<'_>) -> Vec<CellKey> {
    let key = |backbone: &str, task, variant: Variant| CellKey {
        backbone: backbone.to_owned(),
        task,
        adaptation: variant.adaptation,
        label_share: variant.label_share,
    };
    let mut keys: Vec<CellKey> = Vec::new();
    for planned in input.planned.iter().filter(|p| p.arm != Arm::Specialist) {
        let of_cell = |r: &&RunRecord| {
            r.backbone == planned.backbone && r.task == planned.task && r.arm != Arm::Specialist
        };
        let run = input.records.iter().filter(of_cell).map(RunRecord::variant);
        for variant in std::iter::once(planned.variant).chain(run) {
            let key = key(&planned.backbone, planned.task, variant);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// The specialist of each planned task and share of the cases.
pub fn specialists(input: Input<'_>) -> Vec<ArmSummary> {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for planned in input.planned.iter().filter(|p| p.arm == Arm::Specialist) {
        let one = Wanted { backbone: SPECIALIST, task: planned.task, variant: Some(planned.variant) };
        if !wanted.contains(&one) {
            wanted.push(one);
        }
    }
    wanted.into_iter().map(|one| summary(input, one, Arm::Specialist)).collect()
}

/// All cells, with p-values corrected over them.
pub fn cells(input: Input<'_>, choice: Choice) -> Vec<Cell> {
    let mut cells: Vec<Cell> = keys(input).into_iter().map(|key| cell(input, key, choice)).collect();
    for against in [Arm::Specialist, Arm::Scratch] {
        let p: Vec<f64> = cells.iter().filter_map(|c| c.gain(against)?.p).collect();
        let mut corrected = holm(&p).into_iter();
        for gain in
            cells.iter_mut().flat_map(|c| &mut c.gains).filter(|g| g.against == against && g.p.is_some())
        {
            gain.p_corrected = corrected.next();
        }
    }
    cells
}

fn cell(input: Input<'_>, key: CellKey, choice: Choice) -> Cell {
    let metric = key.task.primary_metric();
    let has = |arm: Arm| {
        input.planned.iter().any(|p| p.arm == arm && p.task == key.task && p.backbone == key.backbone)
    };
    let arms: Vec<ArmSummary> = [Arm::Pretrained, Arm::Scratch]
        .into_iter()
        .filter(|arm| has(*arm))
        .map(|arm| summary(input, key.wanted(), arm))
        .collect();
    let finished = |arm: Arm| -> Vec<&RunRecord> {
        let runs = seeds(input).into_iter().filter_map(|seed| key.wanted().latest(input.records, arm, seed));
        runs.filter(|r| r.state == RunState::Succeeded).collect()
    };
    let pretrained = finished(Arm::Pretrained);
    let planned_seeds = seeds(input);
    let (mut gains, mut unpaired) = (Vec::new(), Vec::new());
    for against in [Arm::Specialist, Arm::Scratch] {
        let (pairs, without) = gain::pairs(&planned_seeds, &pretrained, &finished(against), against);
        gains.extend(gain::gain(&pairs, against));
        let planned = input.planned.iter().any(|p| p.arm == against && p.task == key.task);
        unpaired.extend(without.into_iter().filter(|_| planned));
    }
    let incomparable = [Arm::Specialist, Arm::Scratch]
        .into_iter()
        .map(|against| (against, gain::incomparable(&pretrained, &finished(against))))
        .filter(|(_, fields)| !fields.is_empty())
        .collect();
    let speed_up = speed_ups(&arms);
    let speed_up_estimate = geometric_mean(&speed_up.iter().map(|s| s.value).collect::<Vec<_>>());
    let alignment = aligned::layers(&pretrained, choice.measured);
    let chosen_layer = choice.layer.of(alignment.len());
    let controls =
        chosen_layer.map(|i| aligned::controls(&pretrained, alignment[i].depth)).unwrap_or_default();
    Cell {
        metric: metric.name(Split::Test),
        direction: metric.direction(),
        speed_up_mean: speed_up_estimate.map(|e| e.value),
        speed_up_estimate,
        arms,
        gains,
        incomparable,
        unpaired,
        speed_up,
        alignment,
        chosen_layer,
        controls,
        key,
    }
}

fn speed_ups(arms: &[ArmSummary]) -> Vec<Seeded<f64>> {
    let of = |arm: Arm| arms.iter().find(|a| a.arm == arm).map(|a| a.convergence.to_share.as_slice());
    let (Some(fast), Some(slow)) = (of(Arm::Pretrained), of(Arm::Scratch)) else { return Vec::new() };
    let both = |a: &Seeded<Reached>| {
        let b = slow.iter().find(|b| b.seed == a.seed)?;
        Some(Seeded { seed: a.seed, value: convergence::speed_up(a.value, b.value)? })
    };
    fast.iter().filter_map(both).collect()
}

pub(super) fn summary(input: Input<'_>, wanted: Wanted<'_>, arm: Arm) -> ArmSummary {
    let seeds = seeds(input);
    let runs: Vec<(u64, Option<&RunRecord>)> =
        seeds.iter().map(|seed| (*seed, wanted.latest(input.records, arm, *seed))).collect();
    let finished: Vec<&RunRecord> = runs
        .iter()
        .filter_map(|(_, r)| *r)
        .filter(|r| r.state == RunState::Succeeded && r.value.is_some_and(f64::is_finite))
        .collect();
    let slots = runs
        .iter()
        .map(|(seed, run)| Slot {
            seed: *seed,
            run: run.map(|r| r.id.clone()),
            state: run.map(|r| r.state),
            value: run.and_then(|r| r.value),
        })
        .collect();
    let metric = wanted.task.primary_metric();
    let values: Vec<f64> = finished.iter().filter_map(|r| r.value).collect();
    let estimate = cell_mean(metric, &values, &CaseTable::of(&finished));
    let baseline = finished.first().and_then(|r| r.baseline.clone());
    let over = |own, trivial| Some(metric.direction().sign() * (own - trivial));
    let both = baseline.as_ref().and_then(|(method, _)| CaseTable::with_trivial(&finished, method).ok());
    let width = match metric.range() {
        (Some(low), Some(high)) => Some(high - low),
        _ => None,
    };
    let over_trivial = both.and_then(|t| {
        t.mean_of_pairs(t.value_of_pairs(over)?, over).within(width.map(|w| -w), width).interval
    });
    ArmSummary {
        backbone: wanted.backbone.to_owned(),
        task: wanted.task,
        arm,
        label_share: wanted.variant.unwrap_or(Variant::USUAL).label_share,
        slots,
        mean: estimate.map(|e| e.value),
        interval: estimate.and_then(|e| e.interval),
        unsure: estimate.and_then(|e| e.unsure),
        n: finished.len(),
        baseline,
        over_trivial,
        convergence: converged(input, wanted, &finished),
    }
}

fn converged(input: Input<'_>, wanted: Wanted<'_>, runs: &[&RunRecord]) -> Converged {
    let direction = wanted.task.primary_metric().direction();
    let of = |seed: u64, value: Option<Reached>| value.map(|value| Seeded { seed, value });
    let to_share: Vec<_> = runs
        .iter()
        .filter_map(|r| of(r.seed, convergence::epochs_to_share(&r.curve, direction, 0.95)))
        .collect();
    let specialist_best = |seed: u64| {
        let specialist = wanted.latest(input.records, Arm::Specialist, seed)?;
        let finished = specialist.state == RunState::Succeeded;
        convergence::running_best(&specialist.curve, direction).last().map(|p| p.1).filter(|_| finished)
    };
    let to_specialist: Vec<_> = runs
        .iter()
        .filter_map(|r| {
            let best = specialist_best(r.seed)?;
            of(r.seed, convergence::epochs_to_value(&r.curve, direction, best))
        })
        .collect();
    let median =
        |list: &[Seeded<Reached>]| convergence::median(&list.iter().map(|s| s.value).collect::<Vec<_>>());
    let areas: Vec<f64> =
        runs.iter().filter_map(|r| convergence::normalised_area(&r.curve, direction)).collect();
    Converged {
        to_share_median: median(&to_share),
        to_specialist_median: median(&to_specialist),
        area: mean(&areas),
        to_share,
        to_specialist,
    }
}
