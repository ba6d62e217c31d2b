//! Overlap of label maps.

/// How many voxels two masks have, and how many they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    pub shared: u64,
    pub prediction: u64,
    pub truth: u64,
}

impl Overlap {
    /// Of one class.
    ///
    /// # Panics
    /// When the two maps differ in length.
    pub fn of(prediction: &[u8], truth: &[u8], class: u8) -> Self {
        assert_eq!(prediction.len(), truth.len(), "label maps of one case have one size");
        let mut overlap = Self { shared: 0, prediction: 0, truth: 0 };
        for (p, t) in prediction.iter().zip(truth) {
            let (p, t) = (u64::from(*p == class), u64::from(*t == class));
            overlap.shared += p & t;
            overlap.prediction += p;
            overlap.truth += t;
        }
        overlap
    }

    /// `2 |P and T| / (|P| + |T|)`, 0 to 1; none where the truth is empty.
    pub fn dice(&self) -> Option<f64> {
        (self.truth > 0).then(|| 2.0 * self.shared as f64 / (self.prediction + self.truth) as f64)
    }
}

/// Dice coefficient of one class, `2 |P and T| / (|P| + |T|)`, 0 to 1.
///
/// None where the truth has no voxel of the class (the score would say nothing about overlap;
/// means leave it out), and 0 where only the prediction is empty.
///
/// # Panics
/// When the two maps differ in length.
pub fn dice(prediction: &[u8], truth: &[u8], class: u8) -> Option<f64> {
    Overlap::of(prediction, truth, class).dice()
}

/// [`dice`] of the classes 1 to `classes`, class 1 first; background is not scored.
pub fn dice_by_class(prediction: &[u8], truth: &[u8], classes: u8) -> Vec<Option<f64>> {
    (1..=classes).map(|class| dice(prediction, truth, class)).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0u32);
    for v in values {
        sum += v;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}

/// Mean of each class over the cases that have it; `cases` holds one row of [`dice_by_class`] a case.
pub fn mean_by_class(cases: &[Vec<Option<f64>>]) -> Vec<Option<f64>> {
    let classes = cases.iter().map(Vec::len).max().unwrap_or(0);
    (0..classes)
        .map(|class| mean(cases.iter().filter_map(|case| case.get(class).copied().flatten())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_truth_is_not_scored_and_an_empty_prediction_is_zero() {
        assert_eq!(dice(&[1, 0], &[0, 0], 1), None);
        assert_eq!(dice(&[0, 0], &[0, 0], 1), None);
        assert_eq!(dice(&[0, 0], &[1, 0], 1), Some(0.0));
    }

    #[test]
    fn hand_computed_scores_and_means() {
        let overlap = Overlap::of(&[1, 1, 1, 2, 0], &[1, 0, 1, 2, 2], 1);
        assert_eq!(overlap, Overlap { shared: 2, prediction: 3, truth: 2 });
        assert_eq!(overlap.dice(), Some(0.8));
        assert_eq!(dice_by_class(&[1, 1, 1, 2, 0], &[1, 0, 1, 2, 2], 3), [Some(0.8), Some(2.0 / 3.0), None]);
        let cases = [vec![None, Some(0.5)], vec![Some(1.0), Some(0.0)], vec![None, None]];
        assert_eq!(mean_by_class(&cases), [Some(1.0), Some(0.25)]);
    }
}
