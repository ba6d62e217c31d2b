//! A run's test metric from the scores of its cases, so that cases can be resampled.

use std::collections::BTreeMap;

use transferscope_domain::{MetricKind, study::RunRecord};
use transferscope_imaging::metrics;

/// Names under which a classification keeps what it said of a case.
const PROBABILITY: &str = "probability";
const TRUTH: &str = "truth";

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

    /// The same for any metric that single cases add up to, from the scores of each run's cases.
    pub fn by(metric: MetricKind, runs: &[&BTreeMap<String, BTreeMap<String, f64>>]) -> Option<Self> {
        let first = runs.first()?;
        let name = if metric == MetricKind::Auroc { PROBABILITY } else { metric.as_str() };
        let known = |run: &BTreeMap<String, BTreeMap<String, f64>>, case: &str| {
            run.get(case)?.get(name).copied().filter(|v| v.is_finite())
        };
        let cases: Vec<String> =
            first.keys().filter(|case| runs.iter().all(|run| known(run, case).is_some())).cloned().collect();
        let values = runs.iter().map(|run| cases.iter().filter_map(|c| known(run, c)).collect()).collect();
        let truth = cases.iter().map(|c| first[c].get(TRUTH).is_some_and(|t| *t > 0.5)).collect();
        (cases.len() > 1).then_some(Self { metric, values, truth, cases })
    }

    /// The metric of a run over some cases, which may come several times; none where it is undefined.
    pub fn metric(&self, run: usize, cases: &[usize]) -> Option<f64> {
        let values: Vec<f64> = cases.iter().map(|c| self.values[run][*c]).collect();
        if self.metric == MetricKind::Auroc {
            let truth: Vec<bool> = cases.iter().map(|c| self.truth[*c]).collect();
            return metrics::auroc(&values, &truth);
        }
        crate::statistics::mean(&values)
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
        Some((case.clone(), crate::statistics::mean(&scores?)?))
    };
    first.cases.keys().filter_map(mean).collect()
}
