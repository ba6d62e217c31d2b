//! Canonical correlations.

use nalgebra::DMatrix;

use super::{centred, paired};
use crate::alignment::{AlignmentError, Rows};

/// Directions whose singular value is below this share of the largest are rounding.
const RANK: f64 = 1e-10;

/// Correlations of the best matching directions, largest first.
#[derive(Debug, Clone, PartialEq)]
pub struct CanonicalCorrelations {
    pub values: Vec<f64>,
}

impl CanonicalCorrelations {
    /// None where there is no direction.
    pub fn mean(&self) -> Option<f64> {
        crate::statistics::mean(&self.values)
    }
}

/// Orthonormal directions of the rows' space, by falling singular value, and the singular values.
fn directions(rows: &Rows) -> (DMatrix<f64>, Vec<f64>) {
    let m = centred(rows);
    let svd = m.svd(true, false);
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|a, b| svd.singular_values[*b].total_cmp(&svd.singular_values[*a]));
    let largest = order.first().map_or(0.0, |i| svd.singular_values[*i]);
    order.retain(|i| largest > 0.0 && svd.singular_values[*i] > RANK * largest);
    let singular: Vec<f64> = order.iter().map(|i| svd.singular_values[*i]).collect();
    let u = match svd.u {
        Some(u) => u.select_columns(&order),
        None => DMatrix::zeros(rows.n(), 0),
    };
    (u, singular)
}

fn between(x: &DMatrix<f64>, y: &DMatrix<f64>) -> CanonicalCorrelations {
    if x.ncols() == 0 || y.ncols() == 0 {
        return CanonicalCorrelations { values: Vec::new() };
    }
    let mut values: Vec<f64> = x.tr_mul(y).singular_values().iter().map(|v| v.min(1.0)).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    CanonicalCorrelations { values }
}

/// Canonical correlations of the fewest principal components of each set that hold `share` of its variance, and how
/// many those are; none are left where a set is constant.
///
/// # Errors
/// When the sets differ in rows or have fewer than two.
///
/// # Source
/// Raghu et al., "SVCCA" (2017).
pub fn svcca(x: &Rows, y: &Rows, share: f64) -> Result<(CanonicalCorrelations, [usize; 2]), AlignmentError> {
    paired(x, y)?;
    let kept = |rows: &Rows| {
        let (u, singular) = directions(rows);
        let total: f64 = singular.iter().map(|s| s * s).sum();
        let mut sum = 0.0;
        let within = singular.iter().take_while(|s| {
            let before = sum < share * total;
            sum += *s * *s;
            before
        });
        let count = within.count();
        (u.columns(0, count).into_owned(), count)
    };
    let ((x, kept_x), (y, kept_y)) = (kept(x), kept(y));
    Ok((between(&x, &y), [kept_x, kept_y]))
}

/// Mean of the canonical correlations, each weighted by how much of `x` its direction carries; none where a set is
/// constant.
///
/// # Errors
/// As [`svcca`].
///
/// # Source
/// Morcos et al., "Insights on representational similarity in neural networks with canonical correlation" (2018).
pub fn pwcca(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    paired(x, y)?;
    let (u, v) = (directions(x).0, directions(y).0);
    if u.ncols() == 0 || v.ncols() == 0 {
        return Ok(None);
    }
    let svd = u.tr_mul(&v).svd(true, false);
    let Some(turn) = svd.u else { return Ok(None) };
    let carried = (&u * turn).tr_mul(&centred(x));
    let weights: Vec<f64> = carried.row_iter().map(|row| row.iter().map(|v| v.abs()).sum()).collect();
    let total: f64 = weights.iter().sum();
    let sum: f64 = weights.iter().zip(svd.singular_values.iter()).map(|(w, s)| w * s.min(1.0)).sum();
    Ok((total > 0.0).then(|| sum / total))
}
