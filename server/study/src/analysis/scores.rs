//! A run's test metric from the scores of its cases, and without each of the patients: what intervals are made of.

use std::collections::BTreeMap;

use transferscope_domain::{
    MetricKind, Unsure,
    report::{PROBABILITY, TRUTH},
    study::RunRecord,
};
use transferscope_imaging::metrics::{self, Confusion, Decisions, KappaWeight};

use crate::statistics::{Estimate, crossed, mean};

/// Scores of cases by name.
pub type Cases = BTreeMap<String, BTreeMap<String, f64>>;
/// The patient of each case; a case without one is a patient of its own.
pub type Patients = BTreeMap<String, String>;

/// Threshold of the metrics that judge decisions.
const DECISION: f64 = 0.5;

/// How single cases make a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// The mean of the cases' scores.
    Mean,
    /// From the probabilities and truths of all cases together.
    Together,
    /// As before, but so that leaving out a case tells nothing of its spread.
    Jumps,
}

fn made(metric: MetricKind) -> Made {
    match metric {
        MetricKind::Auroc
        | MetricKind::AveragePrecision
        | MetricKind::BalancedAccuracy
        | MetricKind::Kappa => Made::Together,
        MetricKind::SensitivityAt80 | MetricKind::SensitivityAt90 => Made::Jumps,
        MetricKind::Loss
        | MetricKind::Dice
        | MetricKind::PsnrDb
        | MetricKind::Ssim
        | MetricKind::Nmse
        | MetricKind::Hd95Mm
        | MetricKind::AssdMm
        | MetricKind::LogLoss
        | MetricKind::Mae
        | MetricKind::MaskedError
        | MetricKind::Lr
        | MetricKind::GradNorm
        | MetricKind::StepMs => Made::Mean,
    }
}

/// The metric of a run over all patients, and without each of them.
#[derive(Debug, Clone, PartialEq)]
struct LeftOut {
    whole: f64,
    without: Vec<f64>,
}

/// What some runs scored on the test cases that all of them have.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseTable {
    runs: Vec<LeftOut>,
    /// Patients, the units that were drawn.
    pub patients: usize,
    pub cases: usize,
    /// Patients that tell how close to its end a metric can be: all, or the cases of the smaller class.
    telling: usize,
}

impl CaseTable {
    /// Of the runs' primary metric.
    ///
    /// # Errors
    /// Why cases cannot be left out.
    pub fn of(runs: &[&RunRecord]) -> Result<Self, Unsure> {
        let first = runs.first().ok_or(Unsure::NoCaseScores)?;
        let cases: Vec<&Cases> = runs.iter().map(|run| &run.cases).collect();
        Self::by(first.task.primary_metric(), &cases, &first.patients)
    }

    /// The runs, and after them as many rows of what a simple baseline scored on their cases.
    ///
    /// # Errors
    /// As [`CaseTable::of`].
    pub fn with_trivial(runs: &[&RunRecord], method: &str) -> Result<Self, Unsure> {
        let first = runs.first().ok_or(Unsure::NoCaseScores)?;
        let metric = first.task.primary_metric();
        let (own, trivial) = (column(metric).to_owned(), format!("{}@{method}", column(metric)));
        let rows = |name: &str| runs.iter().map(|run| (&run.cases, name.to_owned())).collect::<Vec<_>>();
        Self::of_rows(metric, &[rows(&own), rows(&trivial)].concat(), &first.patients)
    }

    /// The same for any metric that single cases add up to, from the scores of each run's cases.
    ///
    /// # Errors
    /// As [`CaseTable::of`].
    pub fn by(metric: MetricKind, runs: &[&Cases], patients: &Patients) -> Result<Self, Unsure> {
        let rows: Vec<_> = runs.iter().map(|run| (*run, column(metric).to_owned())).collect();
        Self::of_rows(metric, &rows, patients)
    }

    /// Of each row the cases and the name under which they keep its values.
    fn of_rows(metric: MetricKind, rows: &[(&Cases, String)], patients: &Patients) -> Result<Self, Unsure> {
        let how = made(metric);
        if how == Made::Jumps {
            return Err(Unsure::Jumps);
        }
        let (first, _) = rows.first().ok_or(Unsure::NoCaseScores)?;
        let known = |(cases, name): &(&Cases, String), case: &str| {
            cases.get(case)?.get(name).copied().filter(|v| v.is_finite())
        };
        let cases: Vec<&String> =
            first.keys().filter(|case| rows.iter().all(|row| known(row, case).is_some())).collect();
        if cases.is_empty() {
            return Err(Unsure::NoCaseScores);
        }
        let unit = units(&cases, patients);
        let count = unit.iter().max().map_or(0, |last| last + 1);
        if count < 2 {
            return Err(Unsure::OnePatient);
        }
        let truth: Vec<bool> =
            cases.iter().map(|c| first[*c].get(TRUTH).is_some_and(|t| *t > DECISION)).collect();
        let runs = rows
            .iter()
            .map(|row| {
                let values: Vec<f64> = cases.iter().filter_map(|c| known(row, c)).collect();
                match how {
                    Made::Mean => means(&values, &unit, count),
                    Made::Together if metric == MetricKind::Auroc => areas(&values, &truth, &unit, count),
                    Made::Together | Made::Jumps => again(metric, &values, &truth, &unit, count),
                }
            })
            .collect::<Option<Vec<LeftOut>>>()
            .ok_or(Unsure::Undefined)?;
        let yes = truth.iter().filter(|t| **t).count();
        let telling = if how == Made::Mean { count } else { count.min(yes).min(cases.len() - yes) };
        Ok(Self { runs, patients: count, cases: cases.len(), telling })
    }

    /// The mean over some runs of a metric, around the value that is given for it, inside the metric's range.
    pub fn mean_of(&self, metric: MetricKind, runs: std::ops::Range<usize>, value: f64) -> Estimate {
        let rows: Vec<Vec<f64>> = runs.map(|run| self.parts(run)).collect();
        Estimate::of(value, crossed(&rows)).inside(metric.range(), self.telling)
    }

    /// What each patient adds to a run's metric: pseudo-values, whose mean is the metric but for the jackknife's
    /// correction of its bias. Those of a mean over cases with a case a patient are the scores themselves.
    pub fn parts(&self, run: usize) -> Vec<f64> {
        let LeftOut { whole, without } = &self.runs[run];
        let n = self.patients as f64;
        without.iter().map(|left| n * whole - (n - 1.0) * left).collect()
    }

    /// The mean over pairs of rows, the first with the one after all first ones and so on, around the value that is
    /// given for it; `of` makes the value of a pair from the metrics of both.
    pub fn mean_of_pairs(&self, value: f64, of: impl Fn(f64, f64) -> Option<f64>) -> Estimate {
        match self.parts_of_pairs(of) {
            Some(rows) => Estimate::of(value, crossed(&rows)),
            None => Estimate::bare(value, Unsure::Undefined),
        }
    }

    /// The mean over pairs of rows as the cases of this table give it.
    pub fn value_of_pairs(&self, of: impl Fn(f64, f64) -> Option<f64>) -> Option<f64> {
        let pairs = self.runs.len() / 2;
        let value = |pair: usize| of(self.runs[pair].whole, self.runs[pairs + pair].whole);
        mean(&(0..pairs).map(value).collect::<Option<Vec<f64>>>()?)
    }

    /// What each patient adds to the value of each pair, `[pair][patient]`; none where one is undefined.
    pub fn parts_of_pairs(&self, of: impl Fn(f64, f64) -> Option<f64>) -> Option<Vec<Vec<f64>>> {
        let pairs = self.runs.len() / 2;
        let n = self.patients as f64;
        (0..pairs)
            .map(|pair| {
                let (one, other) = (&self.runs[pair], &self.runs[pairs + pair]);
                let whole = of(one.whole, other.whole)?;
                let left = one.without.iter().zip(&other.without);
                left.map(|(a, b)| Some(n * whole - (n - 1.0) * of(*a, *b)?)).collect()
            })
            .collect()
    }
}

/// The mean over the seeds of a cell, and how sure it is: the same wherever a cell is shown. `values` are the runs' own
/// metrics.
pub fn cell_mean(metric: MetricKind, values: &[f64], table: &Result<CaseTable, Unsure>) -> Option<Estimate> {
    let value = mean(values)?;
    Some(match table {
        _ if values.len() < 2 => Estimate::bare(value, Unsure::OneSeed),
        Ok(table) => table.mean_of(metric, 0..values.len(), value),
        Err(why) => Estimate::bare(value, *why),
    })
}

/// Under which name cases keep what a metric is made of.
fn column(metric: MetricKind) -> &'static str {
    match made(metric) {
        Made::Mean => metric.as_str(),
        Made::Together | Made::Jumps => PROBABILITY,
    }
}

/// Of each case the number of its patient, from 0.
fn units(cases: &[&String], patients: &Patients) -> Vec<usize> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    cases
        .iter()
        .map(|case| {
            let name = patients.get(*case).unwrap_or(case).as_str();
            let next = numbers.len();
            *numbers.entry(name).or_insert(next)
        })
        .collect()
}

fn means(values: &[f64], unit: &[usize], count: usize) -> Option<LeftOut> {
    let n = values.len() as f64;
    let (mut sums, mut sizes) = (vec![0.0; count], vec![0.0; count]);
    for (value, unit) in values.iter().zip(unit) {
        sums[*unit] += value;
        sizes[*unit] += 1.0;
    }
    let all: f64 = values.iter().sum();
    let without = sums.iter().zip(&sizes).map(|(sum, size)| (all - sum) / (n - size)).collect();
    Some(LeftOut { whole: all / n, without })
}

/// Areas under the curve from pairs of a positive and a negative case: those of a patient fall out.
fn areas(scores: &[f64], truth: &[bool], unit: &[usize], count: usize) -> Option<LeftOut> {
    let of_class = |wanted: bool| (0..scores.len()).filter(move |i| truth[*i] == wanted);
    let sorted = |wanted: bool| {
        let mut list: Vec<f64> = of_class(wanted).map(|i| scores[i]).collect();
        list.sort_by(f64::total_cmp);
        list
    };
    let (negatives, positives) = (sorted(false), sorted(true));
    // How many scores lie below one, ties counting half.
    let below = |list: &[f64], score: f64| {
        let (less, up_to) = (list.partition_point(|s| *s < score), list.partition_point(|s| *s <= score));
        (less + up_to) as f64 / 2.0
    };
    let wins = |i: usize| match truth[i] {
        true => below(&negatives, scores[i]),
        false => positives.len() as f64 - below(&positives, scores[i]),
    };
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); count];
    unit.iter().enumerate().for_each(|(i, unit)| members[*unit].push(i));
    let all: f64 = of_class(true).map(wins).sum();
    let area = |wins: f64, positives: usize, negatives: usize| {
        let pairs = positives * negatives;
        (pairs > 0).then(|| wins / pairs as f64)
    };
    let without = |members: &Vec<usize>| {
        let gone = |wanted: bool| members.iter().filter(move |i| truth[**i] == wanted);
        let each: f64 = members.iter().map(|i| wins(*i)).sum();
        // Pairs of two cases of the patient were taken off twice.
        let twice: f64 = gone(true)
            .flat_map(|p| gone(false).map(move |n| (p, n)))
            .map(|(p, n)| below(&[scores[*n]], scores[*p]))
            .sum();
        let left = |list: &[f64], wanted| list.len() - gone(wanted).count();
        area(all - each + twice, left(&positives, true), left(&negatives, false))
    };
    Some(LeftOut {
        whole: area(all, positives.len(), negatives.len())?,
        without: members.iter().map(without).collect::<Option<_>>()?,
    })
}

/// The metric made anew without each patient.
fn again(
    metric: MetricKind,
    values: &[f64],
    truth: &[bool],
    unit: &[usize],
    count: usize,
) -> Option<LeftOut> {
    let over = |left: Option<usize>| {
        let kept = || (0..values.len()).filter(move |i| Some(unit[*i]) != left);
        let (values, truth): (Vec<f64>, Vec<bool>) = kept().map(|i| (values[i], truth[i])).unzip();
        together(metric, &values, &truth)
    };
    Some(LeftOut { whole: over(None)?, without: (0..count).map(|u| over(Some(u))).collect::<Option<_>>()? })
}

fn together(metric: MetricKind, values: &[f64], truth: &[bool]) -> Option<f64> {
    match metric {
        MetricKind::Auroc => metrics::auroc(values, truth),
        MetricKind::AveragePrecision => metrics::average_precision(values, truth),
        MetricKind::BalancedAccuracy => Decisions::at(values, truth, DECISION).balanced_accuracy(),
        MetricKind::Kappa => {
            let calls: Vec<usize> = values.iter().map(|v| usize::from(*v >= DECISION)).collect();
            let truth: Vec<usize> = truth.iter().map(|t| usize::from(*t)).collect();
            Confusion::of(&calls, &truth, 2)?.kappa(KappaWeight::Quadratic)
        }
        _ => mean(values),
    }
}

/// Scores of each case by the metric that single cases have, as means over some runs; cases that one of them has
/// not scored are left out.
pub fn case_means(runs: &[&RunRecord]) -> BTreeMap<String, f64> {
    let Some(first) = runs.first() else { return BTreeMap::new() };
    let name = first.task.case_metric().as_str();
    let mean = |case: &String| {
        let scores: Option<Vec<f64>> =
            runs.iter().map(|run| run.cases.get(case)?.get(name).copied()).collect();
        Some((case.clone(), mean(&scores?)?))
    };
    first.cases.keys().filter_map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cases(metric: &str, values: &[f64], truth: &[bool]) -> Cases {
        let case = |(i, (value, truth)): (usize, (&f64, &bool))| {
            let scores = BTreeMap::from([
                (metric.to_owned(), *value),
                (TRUTH.to_owned(), f64::from(u8::from(*truth))),
            ]);
            (format!("case-{i:02}"), scores)
        };
        values.iter().zip(truth).enumerate().map(case).collect()
    }

    #[test]
    fn parts_of_a_mean_are_the_scores_and_patients_count_once() {
        let run = cases("dice", &[0.2, 0.4, 0.9], &[false; 3]);
        let table = CaseTable::by(MetricKind::Dice, &[&run], &Patients::new()).unwrap();
        assert_eq!((table.patients, table.cases), (3, 3));
        for (part, score) in table.parts(0).iter().zip([0.2, 0.4, 0.9]) {
            assert!((part - score).abs() < 1e-12);
        }
        // Two cases of one patient: with and without both, 2 * 0.5 - 0.9 and 2 * 0.5 - 0.3.
        let one: Patients = ["case-00", "case-01"].map(|case| (case.to_owned(), "p".to_owned())).into();
        let table = CaseTable::by(MetricKind::Dice, &[&run], &one).unwrap();
        let parts = table.parts(0);
        assert!(table.patients == 2 && (parts[0] - 0.1).abs() < 1e-12 && (parts[1] - 0.7).abs() < 1e-12);
        let all: Patients = run.keys().map(|case| (case.clone(), "p".to_owned())).collect();
        assert_eq!(CaseTable::by(MetricKind::Dice, &[&run], &all), Err(Unsure::OnePatient));
        assert_eq!(CaseTable::by(MetricKind::PsnrDb, &[&run], &one), Err(Unsure::NoCaseScores));
        assert_eq!(CaseTable::by(MetricKind::SensitivityAt80, &[&run], &one), Err(Unsure::Jumps));
    }

    #[test]
    fn a_class_of_one_case_leaves_the_area_undefined_without_it() {
        let run = cases(PROBABILITY, &[0.9, 0.4, 0.2], &[true, false, false]);
        assert_eq!(CaseTable::by(MetricKind::Auroc, &[&run], &Patients::new()), Err(Unsure::Undefined));
    }

    proptest! {
        /// Counted from pairs or made anew, with ties and patients of several cases.
        #[test]
        fn areas_without_a_patient_are_those_of_the_other_cases(
            drawn in prop::collection::vec((0u8..6, any::<bool>(), 0usize..6), 6..16),
        ) {
            let scores: Vec<f64> = drawn.iter().map(|d| f64::from(d.0) / 5.0).collect();
            let truth: Vec<bool> = drawn.iter().map(|d| d.1).collect();
            let named: Vec<String> = drawn.iter().map(|d| d.2.to_string()).collect();
            let unit = units(&named.iter().collect::<Vec<_>>(), &Patients::new());
            let count = unit.iter().max().unwrap() + 1;
            let fast = areas(&scores, &truth, &unit, count);
            let slow = again(MetricKind::Auroc, &scores, &truth, &unit, count);
            prop_assert_eq!(fast.is_some(), slow.is_some());
            if let (Some(fast), Some(slow)) = (fast, slow) {
                prop_assert!((fast.whole - slow.whole).abs() < 1e-9);
                for (a, b) in fast.without.iter().zip(&slow.without) {
                    prop_assert!((a - b).abs() < 1e-9, "{} {}", a, b);
                }
            }
        }
    }
}
