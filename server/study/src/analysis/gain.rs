//! What pre-training brought over a control, from complete pairs: the difference in the metric's unit, and what that
//! is of the control.

use serde::{Deserialize, Serialize};
use transferscope_domain::{Arm, Direction, RunId, Unsure, study::RunRecord};

use super::scores::{CaseTable, case_means};
use crate::statistics::{Estimate, Interval, mean};

/// The gain of the pre-trained arm over a control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Gain {
    pub against: Arm,
    /// Of each complete pair: seed, the two runs, and both gains.
    pub pairs: Vec<Pair>,
    /// Mean over the pairs in the metric's unit, above 0 where the pre-trained arm is better, from the crossed layout of
    /// seeds and test patients.
    pub difference: Estimate,
    /// Mean over the pairs of the relative gain, in percent; none where the control of one of them is 0.
    pub mean: Option<f64>,
    /// 95 % of that mean, from the same layout.
    pub interval: Option<Interval>,
    /// Whether that interval was cut where a relative gain cannot lie.
    #[serde(default)]
    pub clipped: bool,
    /// Why there is no such interval, where there is none though the mean is defined.
    #[serde(default)]
    pub unsure: Option<Unsure>,
    /// Of the difference being 0.
    pub p: Option<f64>,
    /// The same corrected for all cells of the experiment (Holm).
    pub p_corrected: Option<f64>,
    /// Test cases behind it, and how many of them the pre-trained arm does better.
    pub cases: usize,
    pub cases_better: usize,
    /// Patients of these cases, the units.
    #[serde(default)]
    pub patients: usize,
}

/// A complete pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pair {
    pub seed: u64,
    pub pretrained: RunId,
    pub control: RunId,
    /// In the metric's unit; above 0 where the pre-trained run is better.
    pub difference: f64,
    /// In percent of the control; none where that is 0.
    pub gain: Option<f64>,
}

/// A seed that makes no pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Unpaired {
    pub against: Arm,
    pub seed: u64,
    pub why: NoPair,
}

/// Why a seed makes no pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "fields")]
pub enum NoPair {
    NoPretrained,
    NoControl,
    /// Both have finished, and one of them without the metric.
    NoValue,
    /// They differ in what must agree.
    Differs(Vec<String>),
}

impl NoPair {
    /// For people.
    pub fn words(&self) -> String {
        match self {
            NoPair::NoPretrained => "the pre-trained run has no result".into(),
            NoPair::NoControl => "the control has no result".into(),
            NoPair::NoValue => "the metric of one of the two runs is undefined".into(),
            NoPair::Differs(fields) => format!("the runs differ in {}", fields.join(", ")),
        }
    }
}

/// A control this near to 0 is one: what is divided by it would be rounding.
const ZERO: f64 = 1e-9;

/// `100 s (m - c) / |c|`, s = 1 where higher is better and -1 where lower is; none for a control of 0.
pub fn relative(direction: Direction, m: f64, control: f64) -> Option<f64> {
    let zero = control.abs() <= ZERO * m.abs().max(1.0);
    (!zero).then(|| 100.0 * direction.sign() * (m - control) / control.abs()).filter(|v| v.is_finite())
}

/// Fields in which runs of one seed differ though they should not, so that they are no pair.
pub fn incomparable(pretrained: &[&RunRecord], control: &[&RunRecord]) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for run in pretrained {
        let other = control.iter().find(|c| c.seed == run.seed);
        for field in other.map(|o| run.differences(o)).unwrap_or_default() {
            if !fields.iter().any(|f| f == field) {
                fields.push(field.to_owned());
            }
        }
    }
    fields
}

/// A run and its control.
type Both<'a> = (&'a RunRecord, &'a RunRecord);

/// The pairs of some seeds, and the seeds that make none.
pub fn pairs<'a>(
    seeds: &[u64],
    pretrained: &[&'a RunRecord],
    control: &[&'a RunRecord],
    against: Arm,
) -> (Vec<Both<'a>>, Vec<Unpaired>) {
    let (mut pairs, mut without) = (Vec::new(), Vec::new());
    for &seed in seeds {
        let of = |runs: &[&'a RunRecord]| runs.iter().copied().find(|r| r.seed == seed);
        let why = match (of(pretrained), of(control)) {
            (None, _) => NoPair::NoPretrained,
            (_, None) => NoPair::NoControl,
            (Some(run), Some(other)) => {
                let differs = run.differences(other);
                let known = |r: &RunRecord| r.value.is_some_and(f64::is_finite);
                if !differs.is_empty() {
                    NoPair::Differs(differs.into_iter().map(str::to_owned).collect())
                } else if known(run) && known(other) {
                    pairs.push((run, other));
                    continue;
                } else {
                    NoPair::NoValue
                }
            }
        };
        without.push(Unpaired { against, seed, why });
    }
    (pairs, without)
}

/// The gain of complete pairs; none without one.
pub fn gain(pairs: &[Both<'_>], against: Arm) -> Option<Gain> {
    let metric = pairs.first()?.0.task.primary_metric();
    let direction = metric.direction();
    let of = |(run, other): &Both<'_>| {
        let (m, control) = (run.value?, other.value?);
        Some(Pair {
            seed: run.seed,
            pretrained: run.id.clone(),
            control: other.id.clone(),
            difference: direction.sign() * (m - control),
            gain: relative(direction, m, control),
        })
    };
    let list: Vec<Pair> = pairs.iter().filter_map(of).collect();
    let compared = Compared::of(pairs);
    let difference = mean(&list.iter().map(|p| p.difference).collect::<Vec<_>>())?;
    let difference = compared.difference(direction.sign(), difference);
    let relative_mean = list.iter().map(|p| p.gain).collect::<Option<Vec<f64>>>().and_then(|g| mean(&g));
    let relative_gain = relative_mean.map(|value| {
        let estimate = compared.estimate(value, |m, control| relative(direction, m, control));
        // What cannot be below 0 can lose all that it has.
        let end = (metric.range().0 == Some(0.0)).then_some(100.0);
        match direction {
            Direction::Higher => estimate.within(end.map(|e| -e), None),
            Direction::Lower => estimate.within(None, end),
        }
    });
    Some(Gain {
        against,
        pairs: list,
        difference,
        mean: relative_mean,
        interval: relative_gain.and_then(|r| r.interval),
        clipped: relative_gain.is_some_and(|r| r.clipped),
        unsure: relative_gain.and_then(|r| r.unsure),
        p: difference.p,
        p_corrected: None,
        cases: compared.cases,
        cases_better: compared.cases_better,
        patients: compared.patients(),
    })
}

/// What the test cases say of pairs of runs.
pub struct Compared {
    table: Result<CaseTable, Unsure>,
    seeds: usize,
    metric: Option<transferscope_domain::MetricKind>,
    /// Test cases that all runs have scored, and how many of them the first runs do better.
    pub cases: usize,
    pub cases_better: usize,
}

impl Compared {
    /// Of runs and their controls.
    pub fn of(pairs: &[Both<'_>]) -> Self {
        let (runs, controls): (Vec<&RunRecord>, Vec<&RunRecord>) = pairs.iter().copied().unzip();
        let (before, after) = (case_means(&controls), case_means(&runs));
        let direction = runs.first().map(|run| run.task.case_metric().direction());
        let both: Vec<(f64, f64)> =
            after.iter().filter_map(|(case, score)| Some((*score, *before.get(case)?))).collect();
        let better = |(score, control): &&(f64, f64)| direction.is_some_and(|d| d.better(*score, *control));
        let all: Vec<&RunRecord> = runs.iter().chain(&controls).copied().collect();
        Self {
            table: CaseTable::of(&all),
            seeds: runs.len(),
            metric: runs.first().map(|run| run.task.primary_metric()),
            cases: both.len(),
            cases_better: both.iter().filter(better).count(),
        }
    }

    /// Patients of the test cases.
    pub fn patients(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.patients)
    }

    /// A mean over the pairs that was found to be `value`; `of` makes the value of a pair from both metrics.
    pub fn estimate(&self, value: f64, of: impl Fn(f64, f64) -> Option<f64>) -> Estimate {
        match &self.table {
            _ if self.seeds < 2 => Estimate::bare(value, Unsure::OneSeed),
            Ok(table) => table.mean_of_pairs(value, of),
            Err(why) => Estimate::bare(value, *why),
        }
    }

    /// The difference of both metrics times a sign, in the metric's unit and inside what differences can be.
    pub fn difference(&self, sign: f64, value: f64) -> Estimate {
        let width = match self.metric.map(|m| m.range()) {
            Some((Some(low), Some(high))) => Some(high - low),
            _ => None,
        };
        self.estimate(value, |m, control| Some(sign * (m - control))).within(width.map(|w| -w), width)
    }
}
