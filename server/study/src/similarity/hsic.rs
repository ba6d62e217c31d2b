//! Hilbert-Schmidt independence criterion, and centred kernel alignment from it.

use nalgebra::DMatrix;

use super::{matrix, paired};
use crate::alignment::{AlignmentError, Rows, gamma_from_sigma, median_within};

/// Dependence of two sets of the same rows by their kernels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hsic {
    /// `tr(K H L H) / (n - 1)²`.
    pub biased: f64,
    /// Of Song et al.; may be negative. None for fewer than four rows.
    pub unbiased: Option<f64>,
}

impl Hsic {
    /// From kernel matrices of the same rows.
    ///
    /// # Source
    /// Gretton et al. (2005); Song et al., "Feature Selection via Dependence Maximization" (2012).
    fn of(k: &DMatrix<f64>, l: &DMatrix<f64>) -> Self {
        let n = k.nrows() as f64;
        let biased = doubly_centred(k).dot(l) / (n - 1.0).powi(2);
        let hollow = |m: &DMatrix<f64>| {
            let mut m = m.clone();
            m.fill_diagonal(0.0);
            m
        };
        let (k, l) = (hollow(k), hollow(l));
        let (rows_k, rows_l) = (k.column_sum(), l.column_sum());
        let unbiased = (n > 3.0).then(|| {
            let all = rows_k.sum() * rows_l.sum() / ((n - 1.0) * (n - 2.0));
            (k.dot(&l) + all - 2.0 / (n - 2.0) * rows_k.dot(&rows_l)) / (n * (n - 3.0))
        });
        Self { biased, unbiased }
    }
}

fn doubly_centred(k: &DMatrix<f64>) -> DMatrix<f64> {
    let rows = k.column_mean();
    let columns = k.row_mean();
    let all = k.mean();
    DMatrix::from_fn(k.nrows(), k.ncols(), |i, j| k[(i, j)] - rows[i] - columns[j] + all)
}

/// Linear kernels of centred rows.
fn linear(rows: &Rows) -> DMatrix<f64> {
    let centred = super::centred(rows);
    &centred * centred.transpose()
}

/// `exp(-gamma |x - y|²)` of all rows.
fn rbf(rows: &Rows, gamma: f64) -> DMatrix<f64> {
    let m = matrix(rows);
    DMatrix::from_fn(m.nrows(), m.nrows(), |i, j| (-gamma * (m.row(i) - m.row(j)).norm_squared()).exp())
}

/// `1 / (2 (factor m)²)` with the median distance `m` of a set's rows; none where it is 0.
///
/// # Errors
/// When there are fewer than two rows, or too many.
pub fn median_gamma(rows: &Rows, factor: f64) -> Result<Option<f64>, AlignmentError> {
    let median = median_within(rows)?;
    Ok((median > 0.0).then(|| gamma_from_sigma(factor * median)))
}

/// Of linear kernels: between the sets, and of each with itself.
///
/// # Errors
/// When the sets differ in rows or have fewer than two.
pub fn linear_hsic(x: &Rows, y: &Rows) -> Result<[Hsic; 3], AlignmentError> {
    paired(x, y)?;
    Ok(three(&linear(x), &linear(y)))
}

/// Of RBF kernels with a gamma for each set.
///
/// # Errors
/// As [`linear_hsic`].
pub fn rbf_hsic(x: &Rows, y: &Rows, gamma: (f64, f64)) -> Result<[Hsic; 3], AlignmentError> {
    paired(x, y)?;
    Ok(three(&rbf(x, gamma.0), &rbf(y, gamma.1)))
}

fn three(k: &DMatrix<f64>, l: &DMatrix<f64>) -> [Hsic; 3] {
    [Hsic::of(k, l), Hsic::of(k, k), Hsic::of(l, l)]
}

/// Centred kernel alignment, biased and unbiased, from the three values of [`linear_hsic`] or [`rbf_hsic`]; none where
/// a set does not vary.
pub fn cka([both, x, y]: [Hsic; 3]) -> (Option<f64>, Option<f64>) {
    let share = |both: f64, x: f64, y: f64| (x > 0.0 && y > 0.0).then(|| both / (x * y).sqrt());
    let unbiased = match (both.unbiased, x.unbiased, y.unbiased) {
        (Some(both), Some(x), Some(y)) => share(both, x, y),
        _ => None,
    };
    (share(both.biased, x.biased, y.biased), unbiased)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linear_forms_agree_and_a_set_is_like_itself() {
        let rows = |dim: usize, f: f64| {
            Rows::new(dim, (0..10 * dim).map(|i| (i as f64 * f).sin()).collect()).unwrap()
        };
        let (x, y) = (rows(3, 1.3), rows(4, 0.7));
        let (biased, unbiased) = cka(linear_hsic(&x, &y).unwrap());
        assert!((biased.unwrap() - super::super::linear_cka(&x, &y).unwrap().unwrap()).abs() < 1e-12);
        assert!(unbiased.unwrap() < biased.unwrap());
        let (own, own_unbiased) = cka(rbf_hsic(&x, &x, (0.5, 0.5)).unwrap());
        assert!((own.unwrap() - 1.0).abs() < 1e-12 && (own_unbiased.unwrap() - 1.0).abs() < 1e-12);
    }
}
