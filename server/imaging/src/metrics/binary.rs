//! Scores of a classification into yes and no.
//!
//! Higher scores speak for yes. What cannot be said of the cases at hand (a rate of cases that there are none
//! of) is none, not 0 and not 0.5.

/// Area under the ROC curve: the probability that a positive case scores higher than a negative one, ties
/// counting half. None unless both classes are present.
///
/// # Panics
/// This and the other functions here panic when there are not as many scores as truths.
pub fn auroc(scores: &[f64], truth: &[bool]) -> Option<f64> {
    let curve = Counts::at_every_threshold(scores, truth);
    let (positives, negatives) = totals(truth);
    let mut before = Counts::default();
    let mut area = 0.0;
    for here in curve {
        let width = (here.false_positives - before.false_positives) as f64;
        area += width * (here.true_positives + before.true_positives) as f64 / 2.0;
        before = here;
    }
    (positives > 0 && negatives > 0).then(|| area / (positives as f64 * negatives as f64))
}

/// Average precision: precision summed over the steps of recall, without interpolation. None without a
/// positive case.
pub fn average_precision(scores: &[f64], truth: &[bool]) -> Option<f64> {
    let (positives, _) = totals(truth);
    let mut found = 0;
    let mut sum = 0.0;
    for here in Counts::at_every_threshold(scores, truth) {
        sum += (here.true_positives - found) as f64 * here.precision();
        found = here.true_positives;
    }
    (positives > 0).then(|| sum / positives as f64)
}

/// Points of the ROC curve, the strictest threshold first.
#[derive(Debug, Clone, PartialEq)]
pub struct Roc {
    pub false_positive_rate: Vec<f64>,
    pub true_positive_rate: Vec<f64>,
    /// Lowest score that counts as yes; the first is infinite.
    pub threshold: Vec<f64>,
}

/// The ROC curve with a point for every distinct score; none unless both classes are present.
pub fn roc(scores: &[f64], truth: &[bool]) -> Option<Roc> {
    let (positives, negatives) = totals(truth);
    if positives == 0 || negatives == 0 {
        return None;
    }
    let start = Counts { threshold: f64::INFINITY, ..Counts::default() };
    let points: Vec<Counts> =
        std::iter::once(start).chain(Counts::at_every_threshold(scores, truth)).collect();
    Some(Roc {
        false_positive_rate: points.iter().map(|p| p.false_positives as f64 / negatives as f64).collect(),
        true_positive_rate: points.iter().map(|p| p.true_positives as f64 / positives as f64).collect(),
        threshold: points.iter().map(|p| p.threshold).collect(),
    })
}

/// Points of the precision-recall curve, the laxest threshold first; the last is precision 1, recall 0.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionRecall {
    pub precision: Vec<f64>,
    pub recall: Vec<f64>,
}

/// The precision-recall curve with a point for every distinct score; none without a positive case.
pub fn precision_recall(scores: &[f64], truth: &[bool]) -> Option<PrecisionRecall> {
    let (positives, _) = totals(truth);
    if positives == 0 {
        return None;
    }
    let points = Counts::at_every_threshold(scores, truth);
    let precision = points.iter().rev().map(Counts::precision).chain([1.0]).collect();
    let recall = points.iter().rev().map(|p| p.true_positives as f64 / positives as f64);
    Some(PrecisionRecall { precision, recall: recall.chain([0.0]).collect() })
}

/// Rates are ratios of whole numbers: a bound that one of them reaches must not be missed by rounding.
const ROUNDING: f64 = 1e-9;

/// The best sensitivity among the thresholds whose specificity is at least this; none unless both classes
/// are present.
///
/// # Source
/// torchmetrics' `BinarySensitivityAtSpecificity`: no interpolation between the points of the ROC curve.
pub fn sensitivity_at_specificity(scores: &[f64], truth: &[bool], at_least: f64) -> Option<f64> {
    let curve = roc(scores, truth)?;
    let points = curve.true_positive_rate.iter().zip(&curve.false_positive_rate);
    Some(points.filter(|(_, f)| 1.0 - **f >= at_least - ROUNDING).map(|(t, _)| *t).fold(0.0, f64::max))
}

/// The best specificity among the thresholds whose sensitivity is at least this; none unless both classes
/// are present.
pub fn specificity_at_sensitivity(scores: &[f64], truth: &[bool], at_least: f64) -> Option<f64> {
    let curve = roc(scores, truth)?;
    let points = curve.true_positive_rate.iter().zip(&curve.false_positive_rate);
    Some(points.filter(|(t, _)| **t >= at_least - ROUNDING).map(|(_, f)| 1.0 - *f).fold(0.0, f64::max))
}

/// Mean squared difference between probability and outcome, 0 to 1; none without cases.
pub fn brier(probabilities: &[f64], truth: &[bool]) -> Option<f64> {
    mean_over(probabilities, truth, |p, yes| (p - f64::from(u8::from(yes))).powi(2))
}

/// How near to 0 and 1 a probability may come in a logarithm.
const CERTAINTY: f64 = 1e-7;

/// Mean negative natural logarithm of the probability given to the outcome; none without cases.
/// Probabilities are kept 1e-7 away from 0 and 1, so that one wrong certainty does not make it infinite.
pub fn log_loss(probabilities: &[f64], truth: &[bool]) -> Option<f64> {
    mean_over(probabilities, truth, |p, yes| {
        let p = p.clamp(CERTAINTY, 1.0 - CERTAINTY);
        -(if yes { p } else { 1.0 - p }).ln()
    })
}

fn mean_over(scores: &[f64], truth: &[bool], f: impl Fn(f64, bool) -> f64) -> Option<f64> {
    assert_eq!(scores.len(), truth.len(), "a score for each case");
    let sum: f64 = scores.iter().zip(truth).map(|(s, t)| f(*s, *t)).sum();
    (!scores.is_empty()).then(|| sum / scores.len() as f64)
}

/// Positives and negatives.
fn totals(truth: &[bool]) -> (u64, u64) {
    let positives = truth.iter().filter(|t| **t).count() as u64;
    (positives, truth.len() as u64 - positives)
}

/// Cases that count as yes at a threshold.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    threshold: f64,
    true_positives: u64,
    false_positives: u64,
}

impl Counts {
    /// For every distinct score as the lowest that counts, from the highest on.
    fn at_every_threshold(scores: &[f64], truth: &[bool]) -> Vec<Self> {
        assert_eq!(scores.len(), truth.len(), "a score for each case");
        let mut cases: Vec<(f64, bool)> = scores.iter().copied().zip(truth.iter().copied()).collect();
        cases.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut points = Vec::new();
        let mut counts = Self::default();
        for (i, (score, yes)) in cases.iter().enumerate() {
            counts.threshold = *score;
            counts.true_positives += u64::from(*yes);
            counts.false_positives += u64::from(!*yes);
            if cases.get(i + 1).is_none_or(|next| next.0 != *score) {
                points.push(counts);
            }
        }
        points
    }

    fn precision(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_positives) as f64
    }
}

/// Cases by truth and by decision at a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decisions {
    pub true_negatives: u64,
    pub false_positives: u64,
    pub false_negatives: u64,
    pub true_positives: u64,
}

impl Decisions {
    /// Yes from the threshold on.
    pub fn at(scores: &[f64], truth: &[bool], threshold: f64) -> Self {
        assert_eq!(scores.len(), truth.len(), "a score for each case");
        let mut d = Self { true_negatives: 0, false_positives: 0, false_negatives: 0, true_positives: 0 };
        for (score, yes) in scores.iter().zip(truth) {
            *match (*yes, *score >= threshold) {
                (false, false) => &mut d.true_negatives,
                (false, true) => &mut d.false_positives,
                (true, false) => &mut d.false_negatives,
                (true, true) => &mut d.true_positives,
            } += 1;
        }
        d
    }

    /// Share of the positive cases that are found; none without any.
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the negative cases that are left alone; none without any.
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// Share of right decisions; none without cases.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_negatives + self.true_positives;
        ratio(right, right + self.false_negatives + self.false_positives)
    }

    /// Mean of sensitivity and specificity; none unless both classes are present.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        Some((self.sensitivity()? + self.specificity()?) / 2.0)
    }

    /// Harmonic mean of precision and sensitivity; none where nothing is positive and nothing is called so.
    pub fn f1(&self) -> Option<f64> {
        let right = 2 * self.true_positives;
        ratio(right, right + self.false_negatives + self.false_positives)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCORES: [f64; 5] = [0.9, 0.8, 0.8, 0.4, 0.1];
    const TRUTH: [bool; 5] = [true, false, true, false, true];

    #[test]
    fn hand_computed() {
        // Pairs: 0.9 beats both, 0.8 ties one and beats one, 0.1 loses both.
        assert_eq!(auroc(&SCORES, &TRUTH), Some(3.5 / 6.0));
        let ap = (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0;
        assert!((average_precision(&SCORES, &TRUTH).unwrap() - ap).abs() < 1e-15);
        let curve = roc(&SCORES, &TRUTH).unwrap();
        assert_eq!(curve.threshold, [f64::INFINITY, 0.9, 0.8, 0.4, 0.1]);
        assert_eq!(curve.false_positive_rate, [0.0, 0.0, 0.5, 1.0, 1.0]);
        let d = Decisions::at(&SCORES, &TRUTH, 0.8);
        assert_eq!((d.sensitivity(), d.specificity(), d.accuracy()), (Some(2.0 / 3.0), Some(0.5), Some(0.6)));
        assert_eq!(d.f1(), Some(2.0 / 3.0));
        assert_eq!(sensitivity_at_specificity(&SCORES, &TRUTH, 0.5), Some(2.0 / 3.0));
        assert_eq!(specificity_at_sensitivity(&SCORES, &TRUTH, 0.9), Some(0.0));
    }

    #[test]
    fn one_class_and_no_cases_leave_rates_undefined() {
        for truth in [&[true, true][..], &[false, false], &[]] {
            let scores = &[0.2, 0.7][..truth.len()];
            assert!(auroc(scores, truth).is_none() && roc(scores, truth).is_none());
            assert_eq!(sensitivity_at_specificity(scores, truth, 0.8), None);
            assert_eq!(Decisions::at(scores, truth, 0.5).balanced_accuracy(), None);
        }
        assert_eq!(average_precision(&[0.2, 0.7], &[true, true]), Some(1.0));
        assert_eq!(precision_recall(&[0.2], &[false]), None);
        assert_eq!((brier(&[], &[]), log_loss(&[], &[])), (None, None));
        assert_eq!(Decisions::at(&[0.1], &[false], 0.5).f1(), None);
        assert!(log_loss(&[0.0], &[true]).unwrap().is_finite());
    }

    proptest! {
        /// The area is the share of pairs in the right order.
        #[test]
        fn auroc_counts_pairs(cases in proptest::collection::vec((0u8..6, any::<bool>()), 2..40)) {
            let scores: Vec<f64> = cases.iter().map(|c| f64::from(c.0) / 10.0).collect();
            let truth: Vec<bool> = cases.iter().map(|c| c.1).collect();
            let (mut sum, mut pairs) = (0.0, 0.0);
            for (a, yes) in scores.iter().zip(&truth) {
                for (b, _) in scores.iter().zip(&truth).filter(|(_, no)| *yes && !**no) {
                    pairs += 1.0;
                    sum += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            match auroc(&scores, &truth) {
                Some(area) => prop_assert!((area - sum / pairs).abs() < 1e-12),
                None => prop_assert_eq!(pairs, 0.0),
            }
        }
    }
}
