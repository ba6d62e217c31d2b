//! H-score: how much of the features' spread lies between the classes.

use nalgebra::{DMatrix, linalg::Cholesky};

use super::classes_of;

/// The score and its form for few rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HScore {
    pub plain: f64,
    /// With Ledoit and Wolf's covariance; none where that is singular.
    pub shrunk: Option<f64>,
    /// How far that covariance is shrunk: 0 not at all, 1 to a multiple of the identity.
    pub shrinkage: f64,
}

/// Directions with less than this share of the largest variance count as none.
const RANK: f64 = 1e-12;

/// None for fewer than two rows or classes, or where features do not vary.
///
/// # Source
/// Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer Learning" (2019); Ibrahim et
/// al., "Newer is not always better" (2022) for the shrunk form.
pub fn h_score(features: &DMatrix<f64>, classes: &[usize]) -> Option<HScore> {
    let n = features.nrows();
    let found = classes_of(classes);
    if n < 2 || found.len() < 2 || classes.len() != n {
        return None;
    }
    let mut x = features.clone();
    for mut column in x.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    // Of a row the mean of its class.
    let mut means = DMatrix::zeros(n, x.ncols());
    for class in found {
        let members: Vec<usize> = (0..n).filter(|i| classes[*i] == class).collect();
        let mean = x.select_rows(&members).row_mean();
        members.iter().for_each(|i| means.set_row(*i, &mean));
    }
    let freedom = (n - 1) as f64;
    let between = means.tr_mul(&means) / freedom;
    // tr(pinv(C) B) by the singular directions of the centred features.
    let svd = x.clone().svd(false, true);
    let directions = svd.v_t?;
    let largest = svd.singular_values.max();
    if largest <= 0.0 {
        return None;
    }
    let mut plain = 0.0;
    for (i, singular) in svd.singular_values.iter().enumerate() {
        if singular * singular > RANK * largest * largest {
            let direction = directions.row(i);
            let along = (&between * direction.transpose()).dot(&direction.transpose());
            plain += along * freedom / (singular * singular);
        }
    }
    let (covariance, shrinkage) = ledoit_wolf(&x);
    let shrunk = Cholesky::new(covariance).map(|c| (1.0 - shrinkage) * c.solve(&between).trace());
    Some(HScore { plain, shrunk, shrinkage })
}

/// Covariance of centred rows shrunk towards a multiple of the identity, and how far.
///
/// # Source
/// Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices" (2004).
fn ledoit_wolf(x: &DMatrix<f64>) -> (DMatrix<f64>, f64) {
    let (n, p) = (x.nrows() as f64, x.ncols() as f64);
    let empirical = x.tr_mul(x) / n;
    let mean = empirical.trace() / p;
    let squares = x.map(|v| v * v);
    let own = empirical.norm_squared();
    let fourth = squares.tr_mul(&squares).sum() / n;
    let spread = (own - p * mean * mean) / p;
    let error = ((fourth - own) / (p * n)).min(spread);
    let shrinkage = if error == 0.0 { 0.0 } else { (error / spread).clamp(0.0, 1.0) };
    let mut covariance = empirical * (1.0 - shrinkage);
    for i in 0..x.ncols() {
        covariance[(i, i)] += shrinkage * mean;
    }
    (covariance, shrinkage)
}
