//! Other distances between two sets of features.

use nalgebra::DMatrix;

use super::{AlignmentError, Rows};

/// Squared energy distance with each row's distance to itself counted (V-statistic):
/// `2 E|x - y| - E|x - x'| - E|y - y'|`.
///
/// # Errors
/// When a set is empty or the widths differ.
///
/// # Source
/// Székely and Rizzo, "Energy statistics" (2013).
pub fn energy_distance(x: &Rows, y: &Rows) -> Result<f64, AlignmentError> {
    fits(x, y, 1)?;
    let mean = |a: &Rows, b: &Rows| {
        let of_row = |row: &[f64]| -> f64 {
            b.iter()
                .map(|other| row.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt())
                .sum()
        };
        a.iter().map(of_row).sum::<f64>() / (a.n() * b.n()) as f64
    };
    Ok(2.0 * mean(x, y) - mean(x, x) - mean(y, y))
}

/// Squared Fréchet distance of the normal distributions with the sets' means and covariances (n - 1):
/// `|m - m'|² + tr(C + C' - 2 (C C')^(1/2))`.
///
/// # Errors
/// When a set has fewer than two rows or the widths differ.
///
/// # Source
/// Dowson and Landau (1982); Heusel et al. (2017) for features of images.
pub fn frechet_distance(x: &Rows, y: &Rows) -> Result<f64, AlignmentError> {
    fits(x, y, 2)?;
    let (mean_x, covariance_x) = moments(x);
    let (mean_y, covariance_y) = moments(y);
    // The trace of (C C')^(1/2) is that of (C^(1/2) C' C^(1/2))^(1/2), which is symmetric.
    let eigen = covariance_x.clone().symmetric_eigen();
    let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
    let root = &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose();
    let middle = &root * &covariance_y * &root;
    let shared: f64 = middle.symmetric_eigen().eigenvalues.iter().map(|v| v.max(0.0).sqrt()).sum();
    let moved = (mean_x - mean_y).norm_squared();
    Ok(moved + covariance_x.trace() + covariance_y.trace() - 2.0 * shared)
}

fn moments(rows: &Rows) -> (nalgebra::RowDVector<f64>, DMatrix<f64>) {
    let mut m = DMatrix::from_fn(rows.n(), rows.dim(), |i, j| rows.row(i)[j]);
    let mean = m.row_mean();
    m.row_iter_mut().for_each(|mut row| row -= &mean);
    let covariance = m.tr_mul(&m) / (rows.n() - 1) as f64;
    (mean, covariance)
}

fn fits(x: &Rows, y: &Rows, least: usize) -> Result<(), AlignmentError> {
    if x.dim() != y.dim() {
        return Err(AlignmentError::Widths { x: x.dim(), y: y.dim() });
    }
    match x.n().min(y.n()) {
        n if n < least => Err(AlignmentError::TooFewRows { n }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_sets_are_apart_by_how_far() {
        let x = Rows::new(2, vec![0.0, 0.0, 2.0, 1.0, 1.0, 3.0, 0.5, -1.0]).unwrap();
        let y = Rows::new(2, (0..4).flat_map(|i| [x.row(i)[0] + 3.0, x.row(i)[1] + 4.0]).collect()).unwrap();
        assert!((frechet_distance(&x, &y).unwrap() - 25.0).abs() < 1e-9);
        assert!(frechet_distance(&x, &x).unwrap().abs() < 1e-9);
        assert_eq!(energy_distance(&x, &x), Ok(0.0));
        let (a, b) = (Rows::new(1, vec![0.0]).unwrap(), Rows::new(1, vec![3.0]).unwrap());
        assert_eq!(energy_distance(&a, &b), Ok(6.0));
        assert!(frechet_distance(&a, &b).is_err() && energy_distance(&a, &x).is_err());
    }
}
