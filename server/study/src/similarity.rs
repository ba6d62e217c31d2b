//! How alike two sets of features of the same rows are, though their columns may differ.
//!
//! What is 0/0, such as the similarity to features that are constant, is none.

mod canonical;
mod neighbours;
mod procrustes;

pub use canonical::{CanonicalCorrelations, pwcca, svcca};
pub use neighbours::{correlation_rdm, mutual_neighbours, rsa};
pub use procrustes::Procrustes;

use nalgebra::{DMatrix, DMatrixViewMut};
use rayon::prelude::*;

use crate::alignment::{AlignmentError, Rows};

/// Rows as a matrix.
fn matrix(rows: &Rows) -> DMatrix<f64> {
    DMatrix::from_fn(rows.n(), rows.dim(), |i, j| rows.row(i)[j])
}

/// Rows as a matrix with the mean of every column taken off.
fn centred(rows: &Rows) -> DMatrix<f64> {
    let mut m = matrix(rows);
    for mut column in m.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    m
}

/// Columns of a product that one task computes.
const PANEL: usize = 64;

/// `x' y` on all cores. nalgebra's `tr_mul` is a dot product for each value, which is many times slower.
fn product(x: &DMatrix<f64>, y: &DMatrix<f64>) -> DMatrix<f64> {
    let (transposed, width) = (x.transpose(), x.ncols());
    let mut out = DMatrix::zeros(width, y.ncols());
    out.as_mut_slice().par_chunks_mut(width * PANEL).enumerate().for_each(|(i, panel)| {
        let columns = panel.len() / width;
        let mut panel = DMatrixViewMut::from_slice(panel, width, columns);
        panel.gemm(1.0, &transposed, &y.columns(i * PANEL, columns), 0.0);
    });
    out
}

/// `|x' x|`, of which one half and the diagonal are computed.
fn own_norm(x: &DMatrix<f64>) -> f64 {
    let transposed = x.transpose();
    let of_panel = |first: usize| {
        let end = (first + PANEL).min(x.ncols());
        let panel = transposed.rows(0, end) * x.columns(first, end - first);
        2.0 * panel.rows(0, first).norm_squared() + panel.rows(first, end - first).norm_squared()
    };
    let firsts: Vec<usize> = (0..x.ncols()).step_by(PANEL).collect();
    // The large panels first, so that no thread is left with one at the end.
    let squares: Vec<f64> = firsts.par_iter().rev().map(|first| of_panel(*first)).collect();
    squares.iter().sum::<f64>().sqrt()
}

/// Two sets of the same number of rows, at least two.
fn paired(x: &Rows, y: &Rows) -> Result<(), AlignmentError> {
    if x.n() != y.n() {
        return Err(AlignmentError::Unpaired { x: x.n(), y: y.n() });
    }
    if x.n() < 2 { Err(AlignmentError::TooFewRows { n: x.n() }) } else { Ok(()) }
}

/// Linear CKA: 1 for features that are the same up to rotation, scale and shift. Needs no matrix of rows by rows.
///
/// # Errors
/// When the sets differ in rows or have fewer than two.
///
/// # Source
/// Kornblith et al., "Similarity of Neural Network Representations Revisited" (2019).
pub fn linear_cka(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    paired(x, y)?;
    let (x, y) = (centred(x), centred(y));
    let own = own_norm(&x) * own_norm(&y);
    Ok((own > 0.0).then(|| product(&y, &x).norm_squared() / own))
}

/// Procrustes distance, `sqrt(2 - 2 N)`: 0 for features that are the same up to rotation, scale and shift.
///
/// # Errors
/// As [`linear_cka`].
pub fn procrustes_distance(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    Ok(Procrustes::of(x, y)?.map(|p| p.distance_squared().max(0.0).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(n: usize, dim: usize, f: impl Fn(usize, usize) -> f64) -> Rows {
        Rows::new(dim, (0..n * dim).map(|i| f(i / dim, i % dim)).collect()).unwrap()
    }

    #[test]
    fn constant_features_are_like_nothing_and_other_rows_are_refused() {
        let wave = rows(9, 3, |i, j| ((i * 3 + j) as f64 * 1.3).sin());
        let flat = rows(9, 2, |_, _| 4.0);
        assert_eq!(linear_cka(&wave, &flat), Ok(None));
        assert_eq!(procrustes_distance(&flat, &wave), Ok(None));
        let fewer = rows(8, 3, |_, _| 1.0);
        assert_eq!(linear_cka(&wave, &fewer), Err(AlignmentError::Unpaired { x: 9, y: 8 }));
    }

    #[test]
    fn products_by_panels_are_those_of_the_whole() {
        let of =
            |n: usize, dim: usize, f: f64| DMatrix::from_fn(n, dim, |i, j| ((i * dim + j) as f64 * f).sin());
        for (dx, dy) in [(1, 1), (3, 64), (65, 130)] {
            let (x, y) = (of(40, dx, 1.7), of(40, dy, 0.9));
            assert!((product(&x, &y) - x.tr_mul(&y)).amax() < 1e-12);
            assert!((own_norm(&y) - y.tr_mul(&y).norm()).abs() < 1e-10);
        }
    }

    proptest! {
        #[test]
        fn rotation_scale_and_shift_change_nothing(
            values in prop::collection::vec(-3.0f64..3.0, 24), angle in 0.0f64..6.0, scale in 0.1f64..5.0,
        ) {
            let x = rows(12, 2, |i, j| values[i * 2 + j]);
            let turned = rows(12, 2, |i, j| {
                let (a, b) = (values[i * 2], values[i * 2 + 1]);
                let of = if j == 0 { a * angle.cos() - b * angle.sin() } else { a * angle.sin() + b * angle.cos() };
                of * scale + 7.0
            });
            prop_assert!((linear_cka(&x, &turned).unwrap().unwrap() - 1.0).abs() < 1e-9);
            prop_assert!(procrustes_distance(&x, &turned).unwrap().unwrap() < 1e-6);
            let cka = linear_cka(&x, &rows(12, 3, |i, j| ((i * 5 + j * 2) as f64).cos())).unwrap().unwrap();
            prop_assert!((0.0..=1.0 + 1e-9).contains(&cka));
        }
    }
}
