//! A run's test metric from the scores of its cases, so that cases can be resampled.

use std::collections::BTreeMap;

use transferscope_domain::{
    MetricKind,
    report::{PROBABILITY, TRUTH},
    study::RunRecord,
};
use transferscope_imaging::metrics;

use super::{RESAMPLES, SEED};
use crate::statistics::{Interval, bca_two_factors, mean};

/// Scores of cases by name.
type Cases = BTreeMap<String, BTreeMap<String, f64>>;

/// Under which name cases keep what a metric is made of.
fn column(metric: MetricKind) -> &'static str {
    if metric == MetricKind::Auroc { PROBABILITY } else { metric.as_str() }
}

/// What is known of the cases that all of some runs have scored, in one order.
pub struct CaseTable {
    metric: MetricKind,
    /// `[run][case]`: the score, or the probability of a classification.
    values: Vec<Vec<f64>>,
    truth: Vec<bool>,
    pub cases: Vec<String>,
}

impl CaseTable {
    /// None where there are no runs or fewer than two cases that all have scored.
    pub fn of(runs: &[&RunRecord]) -> Option<Self> {
        let metric = runs.first()?.task.primary_metric();
        Self::by(metric, &runs.iter().map(|run| &run.cases).collect::<Vec<_>>())
    }

    /// The runs, and after them as many rows of what a trivial method scored on their cases.
    pub fn with_trivial(runs: &[&RunRecord], method: &str) -> Option<Self> {
        let metric = runs.first()?.task.primary_metric();
        let (own, trivial) = (column(metric).to_owned(), format!("{}@{method}", column(metric)));
        let rows = |name: &'_ str| runs.iter().map(|run| (&run.cases, name.to_owned())).collect::<Vec<_>>();
        Self::of_rows(metric, &[rows(&own), rows(&trivial)].concat())
    }

    /// The same for any metric that single cases add up to, from the scores of each run's cases.
    pub fn by(metric: MetricKind, runs: &[&Cases]) -> Option<Self> {
        Self::of_rows(metric, &runs.iter().map(|run| (*run, column(metric).to_owned())).collect::<Vec<_>>())
    }

    /// Of each row the cases and the name under which they keep its values.
    fn of_rows(metric: MetricKind, rows: &[(&Cases, String)]) -> Option<Self> {
        let (first, _) = rows.first()?;
        let known = |(cases, name): &(&Cases, String), case: &str| {
            cases.get(case)?.get(name).copied().filter(|v| v.is_finite())
        };
        let cases: Vec<String> =
            first.keys().filter(|case| rows.iter().all(|row| known(row, case).is_some())).cloned().collect();
        let values = rows.iter().map(|row| cases.iter().filter_map(|c| known(row, c)).collect()).collect();
        let truth = cases.iter().map(|c| first[c].get(TRUTH).is_some_and(|t| *t > 0.5)).collect();
        (cases.len() > 1).then_some(Self { metric, values, truth, cases })
    }

    /// Of the mean over pairs of rows, the first with the one after all first ones and so on, 95 %, by BCa over pairs and
    /// cases; `of` makes the value of a pair from the metrics of both.
    pub fn interval_of_pairs(&self, of: impl Fn(f64, f64) -> Option<f64> + Sync) -> Option<Interval> {
        let pairs = self.values.len() / 2;
        let statistic = |rows: &[usize], cases: &[usize]| {
            let value = |r: &usize| of(self.metric(*r, cases)?, self.metric(pairs + r, cases)?);
            mean(&rows.iter().map(value).collect::<Option<Vec<f64>>>()?)
        };
        bca_two_factors((pairs, self.cases.len()), statistic, RESAMPLES, SEED)
    }

    /// The metric of a run over some cases, which may come several times; none where it is undefined.
    pub fn metric(&self, run: usize, cases: &[usize]) -> Option<f64> {
        let values: Vec<f64> = cases.iter().map(|c| self.values[run][*c]).collect();
        if self.metric == MetricKind::Auroc {
            let truth: Vec<bool> = cases.iter().map(|c| self.truth[*c]).collect();
            return metrics::auroc(&values, &truth);
        }
        mean(&values)
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
