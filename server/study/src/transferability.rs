//! How much frozen features tell of a task: scores that rank backbones before anything is trained. Higher is better
//! in all of them; what is undefined is none.

mod clusters;
mod h_score;
mod leep;
mod logme;
mod nearest;
mod probe;

pub use h_score::{HScore, h_score};
pub use leep::{leep, nce};
pub use logme::{Stop, logme_values};
pub use nearest::{nearest_classes, nearest_values};
pub use probe::{probe_classes, probe_values};

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::alignment::{AlignmentError, Rows};

/// What the rows of features are asked to tell.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A class a row, from 0.
    Classes(&'a [usize]),
    /// `width` numbers a row, row-major.
    Values { width: usize, data: &'a [f64] },
}

/// The scores that pages show.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Evidence a row under a linear model with an intercept (labels and features less their means), in nats.
    pub logme: Option<f64>,
    /// With the shrunk covariance; of classes only: there is no such score of numbers.
    pub h_score: Option<f64>,
    /// LEEP with clusters of the features as the source's classes (N-LEEP), in nats; of classes only.
    pub leep: Option<f64>,
    /// Negative conditional entropy of the classes given the same clusters, in nats; of classes only.
    pub nce: Option<f64>,
    /// Balanced accuracy, or R², of the nearest rows of other patients.
    pub knn: Option<f64>,
    /// Balanced accuracy, or R², of a ridge regression on patients that it was not fitted on.
    pub linear_probe: Option<f64>,
}

/// Clusters of the features for each class of the target, as N-LEEP's authors take them.
const CLUSTERS: usize = 5;
/// Rows that vote.
const NEIGHBOURS: usize = 5;
/// Folds of patients of the linear probe.
const FOLDS: usize = 5;

/// All scores of the features of some patients' rows: `groups[i]` is the patient of row i, and rows of one patient
/// never judge each other. `seed` deals the patients out to folds.
///
/// # Errors
/// When the target or the groups are not one a row.
pub fn scores(
    features: &Rows,
    target: Target<'_>,
    groups: &[usize],
    seed: u64,
) -> Result<Scores, AlignmentError> {
    let n = features.n();
    let rows = match target {
        Target::Classes(classes) => classes.len(),
        Target::Values { width, data } => data.len() / width.max(1),
    };
    if rows != n || groups.len() != n {
        return Err(AlignmentError::Unpaired { x: n, y: if rows == n { groups.len() } else { rows } });
    }
    let x = standardised(features);
    let folds = probe::folds(groups, FOLDS, seed);
    Ok(match target {
        Target::Classes(classes) => {
            let clusters = clusters::clusters(&x, CLUSTERS * classes_of(classes).len(), seed);
            Scores {
                logme: Some(one_hot(classes))
                    .filter(|labels| labels.ncols() > 1)
                    .and_then(|labels| logme_values(&x, &centred(labels), Stop::Published)),
                // The plain score is 1 for noise where there are no more rows than channels.
                h_score: h_score(&x, classes).and_then(|h| h.shrunk),
                leep: clusters.as_ref().and_then(|c| leep(&c.probabilities, classes)),
                nce: clusters.as_ref().and_then(|c| nce(&c.nearest, classes)),
                knn: nearest_classes(&x, classes, groups, NEIGHBOURS),
                linear_probe: probe_classes(&x, classes, &folds),
            }
        }
        Target::Values { width, data } => {
            let y = standardised_columns(DMatrix::from_row_slice(n, width, data));
            Scores {
                logme: logme_values(&x, &y, Stop::Published),
                h_score: None,
                leep: None,
                nce: None,
                knn: nearest_values(&x, &y, groups, NEIGHBOURS),
                linear_probe: probe_values(&x, &y, &folds),
            }
        }
    })
}

/// Rows with mean 0 and deviation 1 in every column that varies, so that no score depends on a feature's unit.
fn standardised(rows: &Rows) -> DMatrix<f64> {
    standardised_columns(DMatrix::from_fn(rows.n(), rows.dim(), |i, j| rows.row(i)[j]))
}

fn standardised_columns(mut m: DMatrix<f64>) -> DMatrix<f64> {
    for mut column in m.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
        let deviation = (column.norm_squared() / column.len().max(1) as f64).sqrt();
        if deviation > 1e-12 * mean.abs() {
            column /= deviation;
        }
    }
    m
}

/// A column for each class that occurs: 1 for its rows, 0 for the others.
fn one_hot(classes: &[usize]) -> DMatrix<f64> {
    let found = classes_of(classes);
    DMatrix::from_fn(classes.len(), found.len(), |i, c| f64::from(u8::from(classes[i] == found[c])))
}

/// Columns less their means: with features that are centred too, a linear model needs no intercept.
fn centred(mut m: DMatrix<f64>) -> DMatrix<f64> {
    for mut column in m.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    m
}

/// Classes that occur, in order.
fn classes_of(classes: &[usize]) -> Vec<usize> {
    let mut found = classes.to_vec();
    found.sort_unstable();
    found.dedup();
    found
}

/// Mean over the classes of the share that is told right; none for fewer than two classes.
fn balanced_accuracy(told: &[usize], truth: &[usize]) -> Option<f64> {
    let classes = classes_of(truth);
    let right = |class: usize| {
        let of_class: Vec<bool> =
            told.iter().zip(truth).filter(|(_, t)| **t == class).map(|(a, t)| a == t).collect();
        of_class.iter().filter(|r| **r).count() as f64 / of_class.len() as f64
    };
    (classes.len() > 1).then(|| classes.iter().map(|c| right(*c)).sum::<f64>() / classes.len() as f64)
}

/// Mean R² over the columns that vary; none where none does.
fn r_squared(told: &DMatrix<f64>, truth: &DMatrix<f64>) -> Option<f64> {
    let of = |column: usize| {
        let truth = truth.column(column);
        let mean = truth.mean();
        let spread: f64 = truth.iter().map(|v| (v - mean).powi(2)).sum();
        let left: f64 = truth.iter().zip(told.column(column).iter()).map(|(a, b)| (a - b).powi(2)).sum();
        (spread > 0.0).then(|| 1.0 - left / spread)
    };
    crate::statistics::mean(&(0..truth.ncols()).filter_map(of).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column that tells the class where `told` says so, and two of noise that share a part of it, as channels do.
    fn rows(told: bool) -> (Rows, Vec<usize>, Vec<usize>) {
        let classes: Vec<usize> = (0..40).map(|i| i / 2 % 2).collect();
        let noise = |i: usize, f: f64| (i as f64 * f).sin();
        let data = (0..40).flat_map(|i| {
            let tells = if told { classes[i] as f64 * 4.0 } else { 0.0 };
            let first = noise(i, 12.9898) + tells;
            [first, noise(i, 78.233) + first / 2.0, noise(i, 37.719) + first / 2.0]
        });
        (Rows::new(3, data.collect()).unwrap(), classes, (0..40).map(|i| i / 2).collect())
    }

    #[test]
    fn features_that_tell_score_higher() {
        let score = |told| {
            let (x, classes, groups) = rows(told);
            scores(&x, Target::Classes(&classes), &groups, 1).unwrap()
        };
        let (good, bad) = (score(true), score(false));
        assert!(good.logme > bad.logme && good.h_score > bad.h_score, "{good:?} {bad:?}");
        assert!(good.knn.unwrap() > 0.95 && good.linear_probe.unwrap() > 0.95);
        assert!(bad.knn.unwrap() < 0.75 && bad.linear_probe.unwrap() < 0.75);
        let values = |told| {
            let (x, classes, groups) = rows(told);
            let data: Vec<f64> = classes.iter().map(|c| *c as f64).collect();
            scores(&x, Target::Values { width: 1, data: &data }, &groups, 1).unwrap()
        };
        let (good, bad) = (values(true), values(false));
        assert!(good.logme > bad.logme && good.knn > bad.knn && good.linear_probe > bad.linear_probe);
        assert_eq!(good.h_score, None);
    }

    /// Labels that are rare or shifted say no more of features: without an intercept the constant would have to come from
    /// features that are centred, and noise would pay for it.
    #[test]
    fn shifted_labels_score_the_same_and_noise_has_no_h_score() {
        let (x, classes, groups) = rows(false);
        let of = |shift: f64| {
            let data: Vec<f64> = classes.iter().map(|c| *c as f64 + shift).collect();
            scores(&x, Target::Values { width: 1, data: &data }, &groups, 1).unwrap().logme.unwrap()
        };
        assert!((of(0.0) - of(50.0)).abs() < 1e-6, "{} {}", of(0.0), of(50.0));
        // Ten rows of noise in thirty channels: the plain score is 1, that of a perfect separation.
        let noise: Vec<f64> = (0..300).map(|i| (i as f64 * 12.9898).sin() * 43758.5453 % 1.0).collect();
        let wide = Rows::new(30, noise).unwrap();
        let classes: Vec<usize> = (0..10).map(|i| i % 2).collect();
        let groups: Vec<usize> = (0..10).collect();
        let score = scores(&wide, Target::Classes(&classes), &groups, 1).unwrap().h_score.unwrap();
        let plain = h_score(&standardised(&wide), &classes).unwrap().plain;
        assert!(plain > 0.99 && score < 0.5, "{plain} {score}");
    }

    #[test]
    fn what_is_undefined_is_none_and_what_does_not_fit_is_refused() {
        let (x, classes, groups) = rows(true);
        let one = scores(&x, Target::Classes(&[1; 40]), &groups, 1).unwrap();
        assert_eq!((one.logme, one.h_score, one.knn, one.linear_probe), (None, None, None, None));
        let flat = Rows::new(2, vec![3.0; 80]).unwrap();
        let flat = scores(&flat, Target::Classes(&classes), &groups, 1).unwrap();
        assert_eq!(flat.h_score, None);
        assert!(scores(&x, Target::Classes(&classes[1..]), &groups, 1).is_err());
        assert!(scores(&x, Target::Classes(&classes), &groups[1..], 1).is_err());
    }
}
