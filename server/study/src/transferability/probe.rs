//! A ridge regression in closed form, judged on patients that it was not fitted on.

use nalgebra::{DMatrix, linalg::Cholesky};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{balanced_accuracy, classes_of, r_squared};

/// Ridge relative to the mean variance of a row: features outnumber rows as a rule.
const RIDGE: f64 = 0.1;

/// Deals groups out to folds: the fold of every row.
pub(super) fn folds(groups: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let mut names = classes_of(groups);
    names.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    groups.iter().map(|g| names.iter().position(|n| n == g).unwrap_or(0) % count).collect()
}

/// For every row what the regression fitted on the other folds says.
fn told(x: &DMatrix<f64>, y: &DMatrix<f64>, folds: &[usize]) -> Option<DMatrix<f64>> {
    let mut all = DMatrix::zeros(y.nrows(), y.ncols());
    for fold in classes_of(folds) {
        let (outside, inside): (Vec<usize>, Vec<usize>) = (0..x.nrows()).partition(|i| folds[*i] != fold);
        if outside.is_empty() {
            return None;
        }
        let (mut fitted, mut wanted) = (x.select_rows(&outside), y.select_rows(&outside));
        let (centre_x, centre_y) = (fitted.row_mean(), wanted.row_mean());
        fitted.row_iter_mut().for_each(|mut row| row -= &centre_x);
        wanted.row_iter_mut().for_each(|mut row| row -= &centre_y);
        // The dual form: a matrix of rows by rows, however many features there are.
        let mut kernel = &fitted * fitted.transpose();
        let ridge = RIDGE * kernel.trace() / kernel.nrows() as f64;
        if ridge <= 0.0 {
            return None;
        }
        for i in 0..kernel.nrows() {
            kernel[(i, i)] += ridge;
        }
        let weights = Cholesky::new(kernel)?.solve(&wanted);
        for i in inside {
            let row = (x.row(i) - &centre_x) * fitted.transpose() * &weights + &centre_y;
            all.set_row(i, &row);
        }
    }
    Some(all)
}

/// Balanced accuracy of the class with the largest score; none for fewer than two classes.
pub fn probe_classes(x: &DMatrix<f64>, classes: &[usize], folds: &[usize]) -> Option<f64> {
    let found = classes_of(classes);
    let y = DMatrix::from_fn(classes.len(), found.len(), |i, c| f64::from(u8::from(classes[i] == found[c])));
    let scores = told(x, &y, folds)?;
    let best: Vec<usize> = scores.row_iter().map(|row| found[row.transpose().imax()]).collect();
    balanced_accuracy(&best, classes)
}

/// R² of the regression.
pub fn probe_values(x: &DMatrix<f64>, y: &DMatrix<f64>, folds: &[usize]) -> Option<f64> {
    r_squared(&told(x, y, folds)?, y)
}
