//! Scores of a classification into several classes, also where they are ordered.

use super::binary::auroc;

/// Cases by true class (rows) and predicted class (columns).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    pub classes: usize,
    /// `[truth, prediction]`, row-major.
    pub counts: Vec<u64>,
}

/// How much a confusion of two classes weighs in a kappa.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KappaWeight {
    /// Every confusion alike.
    None,
    /// By the distance of the classes.
    Linear,
    /// By the square of the distance.
    Quadratic,
}

impl Confusion {
    /// Counts the cases; none when a class is not below `classes` or the lists differ in length.
    pub fn of(prediction: &[usize], truth: &[usize], classes: usize) -> Option<Self> {
        let mut counts = vec![0; classes.checked_mul(classes)?];
        if prediction.len() != truth.len() {
            return None;
        }
        for (p, t) in prediction.iter().zip(truth) {
            if *p >= classes || *t >= classes {
                return None;
            }
            counts[t * classes + p] += 1;
        }
        Some(Self { classes, counts })
    }

    fn at(&self, truth: usize, prediction: usize) -> f64 {
        self.counts[truth * self.classes + prediction] as f64
    }

    fn of_truth(&self, class: usize) -> f64 {
        (0..self.classes).map(|p| self.at(class, p)).sum()
    }

    fn of_prediction(&self, class: usize) -> f64 {
        (0..self.classes).map(|t| self.at(t, class)).sum()
    }

    fn total(&self) -> f64 {
        self.counts.iter().sum::<u64>() as f64
    }

    /// Share of right answers; none without cases.
    pub fn accuracy(&self) -> Option<f64> {
        let right: f64 = (0..self.classes).map(|c| self.at(c, c)).sum();
        (self.total() > 0.0).then(|| right / self.total())
    }

    /// Mean over the classes that occur of the share of their cases that are right; none without cases.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let present = (0..self.classes).filter(|c| self.of_truth(*c) > 0.0);
        mean(present.map(|c| self.at(c, c) / self.of_truth(c)))
    }

    /// Mean F1 over the classes that occur or are predicted; none without cases.
    pub fn macro_f1(&self) -> Option<f64> {
        let sizes = (0..self.classes).map(|c| (c, self.of_truth(c) + self.of_prediction(c)));
        mean(sizes.filter(|(_, size)| *size > 0.0).map(|(c, size)| 2.0 * self.at(c, c) / size))
    }

    /// Cohen's kappa: agreement beyond what the frequencies of the classes alone would give, at most 1. None
    /// where they would give perfect agreement (all cases and answers of one class).
    pub fn kappa(&self, weight: KappaWeight) -> Option<f64> {
        let weigh = |a: usize, b: usize| match weight {
            KappaWeight::None => f64::from(u8::from(a != b)),
            KappaWeight::Linear => a.abs_diff(b) as f64,
            KappaWeight::Quadratic => (a.abs_diff(b) as f64).powi(2),
        };
        let (mut observed, mut expected) = (0.0, 0.0);
        for t in 0..self.classes {
            for p in 0..self.classes {
                observed += weigh(t, p) * self.at(t, p);
                expected += weigh(t, p) * self.of_truth(t) * self.of_prediction(p);
            }
        }
        (expected > 0.0).then(|| 1.0 - observed * self.total() / expected)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean over the classes of the area under the ROC curve of that class against all others; none unless
/// every class occurs.
///
/// # Shapes
/// `probabilities [case, class]`, `truth [case]`.
///
/// # Panics
/// When there are not as many rows as truths, or a row is shorter than `classes`.
pub fn auroc_one_vs_rest(probabilities: &[Vec<f64>], truth: &[usize], classes: usize) -> Option<f64> {
    assert_eq!(probabilities.len(), truth.len(), "probabilities for each case");
    let area = |class: usize| {
        let scores: Vec<f64> = probabilities.iter().map(|row| row[class]).collect();
        auroc(&scores, &truth.iter().map(|t| *t == class).collect::<Vec<_>>())
    };
    let areas: Option<Vec<f64>> = (0..classes).map(area).collect();
    mean(areas?.into_iter())
}

/// Mean over the pairs of classes of the area under the ROC curve among the cases of the two, each class'
/// probability in turn; none unless every class occurs. Shapes and panics as of [`auroc_one_vs_rest`].
///
/// # Source
/// Hand and Till (2001), equation 7.
pub fn auroc_one_vs_one(probabilities: &[Vec<f64>], truth: &[usize], classes: usize) -> Option<f64> {
    assert_eq!(probabilities.len(), truth.len(), "probabilities for each case");
    let area = |class: usize, other: usize| {
        let cases = truth.iter().zip(probabilities).filter(|(t, _)| **t == class || **t == other);
        let (truth, scores): (Vec<bool>, Vec<f64>) = cases.map(|(t, row)| (*t == class, row[class])).unzip();
        auroc(&scores, &truth)
    };
    let ordered = (0..classes).flat_map(|a| (0..classes).filter(move |b| *b != a).map(move |b| (a, b)));
    let areas: Option<Vec<f64>> = ordered.map(|(a, b)| area(a, b)).collect();
    mean(areas?.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed() {
        let c = Confusion::of(&[0, 1, 1, 2, 0], &[0, 1, 2, 2, 1], 3).unwrap();
        assert_eq!(c.counts, [1, 0, 0, 1, 1, 0, 0, 1, 1]);
        assert_eq!((c.accuracy(), c.balanced_accuracy()), (Some(0.6), Some(2.0 / 3.0)));
        let f1 = (2.0 / 3.0 + 0.5 + 2.0 / 3.0) / 3.0;
        assert!((c.macro_f1().unwrap() - f1).abs() < 1e-15);
        // Observed disagreement 2; expected (rows 1 2 2, columns 2 2 1): 17 of 25 cells by chance, by 5.
        assert!((c.kappa(KappaWeight::None).unwrap() - (1.0 - 2.0 * 5.0 / 17.0)).abs() < 1e-15);
    }

    #[test]
    fn undefined_where_nothing_can_be_said() {
        assert_eq!(Confusion::of(&[3], &[0], 3), None);
        assert_eq!(Confusion::of(&[0], &[], 3), None);
        let one = Confusion::of(&[1, 1], &[1, 1], 3).unwrap();
        assert_eq!((one.kappa(KappaWeight::Quadratic), one.macro_f1()), (None, Some(1.0)));
        let none = Confusion::of(&[], &[], 3).unwrap();
        assert_eq!((none.accuracy(), none.balanced_accuracy(), none.macro_f1()), (None, None, None));
        let rows = vec![vec![0.2, 0.8], vec![0.6, 0.4]];
        assert_eq!(auroc_one_vs_rest(&rows, &[1, 1], 2), None);
        assert_eq!(auroc_one_vs_one(&rows, &[1, 0], 2), Some(1.0));
        assert_eq!(auroc_one_vs_rest(&rows, &[1, 0], 2), Some(1.0));
    }

    /// With two classes every weight is the same one.
    #[test]
    fn two_classes_have_one_kappa() {
        let c = Confusion::of(&[0, 1, 1, 0, 1], &[0, 1, 0, 0, 1], 2).unwrap();
        let all =
            [KappaWeight::None, KappaWeight::Linear, KappaWeight::Quadratic].map(|w| c.kappa(w).unwrap());
        assert!(all.iter().all(|k| (k - all[0]).abs() < 1e-15));
    }
}
