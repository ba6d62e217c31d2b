//! Whether the same rows are near each other in two sets.

use super::{matrix, paired};
use crate::{
    alignment::{AlignmentError, Rows},
    statistics::{pearson, spearman},
};

/// One less the correlation of all pairs of rows, each pair once; NaN where a row is constant.
pub fn correlation_rdm(rows: &Rows) -> Vec<f64> {
    pairs(rows.n(), |i, j| 1.0 - pearson(rows.row(i), rows.row(j)).unwrap_or(f64::NAN))
}

fn pairs(n: usize, of: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let of = &of;
    (0..n).flat_map(|i| (i + 1..n).map(move |j| of(i, j))).collect()
}

/// Representational similarity: Spearman's correlation of two sets' dissimilarities of the same pairs. None where a
/// list does not vary.
pub fn rsa(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    spearman(x, y)
}

/// The mean share of a row's `k` nearest rows that are the same in both sets; of equally near rows the first counts.
///
/// # Errors
/// When the sets differ in rows, or there are too few for `k` neighbours.
pub fn mutual_neighbours(x: &Rows, y: &Rows, k: usize) -> Result<f64, AlignmentError> {
    paired(x, y)?;
    let n = x.n();
    if k == 0 || k >= n {
        return Err(AlignmentError::TooFewRows { n });
    }
    let nearest = |rows: &Rows| -> Vec<Vec<usize>> {
        let m = matrix(rows);
        (0..n)
            .map(|i| {
                let mut others: Vec<(f64, usize)> =
                    (0..n).filter(|j| *j != i).map(|j| ((m.row(i) - m.row(j)).norm_squared(), j)).collect();
                others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                others[..k].iter().map(|(_, j)| *j).collect()
            })
            .collect()
    };
    let shared: usize =
        nearest(x).iter().zip(nearest(y)).map(|(a, b)| a.iter().filter(|i| b.contains(i)).count()).sum();
    Ok(shared as f64 / (n * k) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_line_keeps_its_neighbours() {
        let line = Rows::new(1, vec![0.0, 1.0, 2.1, 3.3]).unwrap();
        let turned = Rows::new(1, vec![-0.0, -1.0, -2.1, -3.3]).unwrap();
        assert_eq!(mutual_neighbours(&line, &turned, 1), Ok(1.0));
        let other = Rows::new(1, vec![0.0, 9.0, 0.5, 8.0]).unwrap();
        assert_eq!(mutual_neighbours(&line, &other, 1), Ok(0.0));
        assert!(mutual_neighbours(&line, &turned, 4).is_err());
    }

    #[test]
    fn dissimilarities_are_compared_by_rank_and_a_constant_row_has_none() {
        let wave = Rows::new(3, (0..12).map(|i| (f64::from(i) * 1.3).sin()).collect()).unwrap();
        let rdm = correlation_rdm(&wave);
        assert_eq!(rdm.len(), 6);
        let squares: Vec<f64> = rdm.iter().map(|d| d * d).collect();
        assert_eq!(rsa(&rdm, &squares), Some(1.0));
        let flat = Rows::new(3, [vec![2.0; 3], vec![0.0, 1.0, 2.0], vec![3.0, 1.0, 2.0]].concat()).unwrap();
        assert_eq!(rsa(&correlation_rdm(&flat), &rdm[..3]), None);
    }
}
