//! What pre-training brought: relative gain over a control, from complete pairs alone.

use serde::{Deserialize, Serialize};
use transferscope_domain::{Arm, Direction, RunId, study::RunRecord};

use super::scores::{CaseTable, case_means};
use crate::statistics::{Interval, mean, wilcoxon};

/// The gain of the pre-trained arm over a control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    pub against: Arm,
    /// Of each complete pair: seed, the two runs, and the gain in percent.
    pub pairs: Vec<Pair>,
    /// Mean over the pairs, in percent.
    pub mean: f64,
    /// 95 %, by BCa over seeds and test cases.
    pub interval: Option<Interval>,
    /// Of the signed-rank test over test cases, whose scores are means over seeds.
    pub p: Option<f64>,
    /// The same corrected for all cells of the experiment (Holm).
    pub p_corrected: Option<f64>,
    /// Test cases behind it, and how many of them the pre-trained arm does better.
    pub cases: usize,
    pub cases_better: usize,
}

/// A complete pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub seed: u64,
    pub pretrained: RunId,
    pub control: RunId,
    pub gain: f64,
}

/// `100 s (m - c) / |c|`, s = 1 where higher is better and -1 where lower is; none for a control of 0.
pub fn relative(direction: Direction, m: f64, control: f64) -> Option<f64> {
    let sign = match direction {
        Direction::Higher => 1.0,
        Direction::Lower => -1.0,
    };
    (control != 0.0).then(|| 100.0 * sign * (m - control) / control.abs()).filter(|v| v.is_finite())
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

/// The gain over `against`; none without a complete pair of runs that agree in what they must.
pub fn gain(pretrained: &[&RunRecord], control: &[&RunRecord], against: Arm) -> Option<Gain> {
    let direction = pretrained.first()?.task.primary_metric().direction();
    let mut pairs = Vec::new();
    let (mut tuned, mut controls) = (Vec::new(), Vec::new());
    for run in pretrained {
        let fits = |c: &&&RunRecord| c.seed == run.seed && run.differences(c).is_empty();
        let Some(other) = control.iter().find(fits) else { continue };
        let (Some(m), Some(c)) = (run.value, other.value) else { continue };
        let Some(gain) = relative(direction, m, c) else { continue };
        pairs.push(Pair { seed: run.seed, pretrained: run.id.clone(), control: other.id.clone(), gain });
        tuned.push(*run);
        controls.push(*other);
    }
    let mean_gain = mean(&pairs.iter().map(|p| p.gain).collect::<Vec<_>>())?;
    let Paired { interval, p, cases, cases_better } =
        paired(&tuned, &controls, |m, control| relative(direction, m, control));
    Some(Gain { against, interval, p, p_corrected: None, cases, cases_better, mean: mean_gain, pairs })
}

/// What the test cases say of pairs of runs.
pub struct Paired {
    /// Of the mean over pairs, 95 %, by BCa over pairs and test cases.
    pub interval: Option<Interval>,
    /// Of the signed-rank test over test cases, whose scores are means over runs.
    pub p: Option<f64>,
    /// Test cases that all runs have scored, and how many of them the first runs do better.
    pub cases: usize,
    pub cases_better: usize,
}

/// Compares runs with the controls at the same places; `of` makes the value of a pair from both metrics.
pub fn paired(
    runs: &[&RunRecord],
    controls: &[&RunRecord],
    of: impl Fn(f64, f64) -> Option<f64> + Sync,
) -> Paired {
    let (before, after) = (case_means(controls), case_means(runs));
    let (mut differences, mut cases_better) = (Vec::new(), 0);
    let direction = runs.first().map(|run| run.task.case_metric().direction());
    for (case, score) in &after {
        if let Some(control) = before.get(case) {
            differences.push(score - control);
            cases_better += usize::from(direction.is_some_and(|d| d.better(*score, *control)));
        }
    }
    let both: Vec<&RunRecord> = runs.iter().chain(controls).copied().collect();
    let interval = CaseTable::of(&both).and_then(|table| table.interval_of_pairs(of));
    Paired { interval, p: wilcoxon(&differences).map(|w| w.p), cases: differences.len(), cases_better }
}
