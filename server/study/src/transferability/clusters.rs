//! Classes of a source that has none of its own: clusters of its features.

use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Share of the variance that the principal components keep before rows are clustered.
const VARIANCE: f64 = 0.8;
/// Most rounds until the clusters stay.
const ROUNDS: usize = 100;

/// Clusters of rows: a mixture of normal distributions of one common variance.
pub struct Clusters {
    /// Probability of each cluster for each row, `[rows, clusters]`.
    pub probabilities: DMatrix<f64>,
    /// The nearest cluster of each row.
    pub nearest: Vec<usize>,
}

/// Clusters of the rows' principal components, at most `count`; none for fewer than two rows or where nothing varies.
///
/// # Source
/// Li et al., "Ranking Neural Checkpoints" (2021): components with 80 % of the variance, then a mixture. Theirs has a
/// covariance for each cluster; with some hundred rows one common variance is what can be estimated. The centres are
/// those of k-means (Lloyd), begun by k-means++ (Arthur and Vassilvitskii 2007) from `seed`.
pub fn clusters(x: &DMatrix<f64>, count: usize, seed: u64) -> Option<Clusters> {
    let x = components(x)?;
    let (n, dim) = x.shape();
    let mut centres = begin(&x, count.min(n), seed);
    let mut nearest = vec![usize::MAX; n];
    for _ in 0..ROUNDS {
        let now: Vec<usize> = (0..n).map(|i| closest(&x, i, &centres).0).collect();
        if now == nearest {
            break;
        }
        nearest = now;
        for (c, centre) in centres.iter_mut().enumerate() {
            let members: Vec<usize> = (0..n).filter(|i| nearest[*i] == c).collect();
            if !members.is_empty() {
                *centre = (0..dim)
                    .map(|j| members.iter().map(|i| x[(*i, j)]).sum::<f64>() / members.len() as f64)
                    .collect();
            }
        }
    }
    let within: f64 = (0..n).map(|i| closest(&x, i, &centres).1).sum();
    // Rows that lie on their centres leave no variance: then each is of one cluster for certain.
    let variance = (within / (n * dim) as f64).max(1e-12);
    let share = |c: usize| nearest.iter().filter(|z| **z == c).count() as f64 / n as f64;
    let shares: Vec<f64> = (0..centres.len()).map(share).collect();
    let mut probabilities = DMatrix::zeros(n, centres.len());
    for i in 0..n {
        let logs: Vec<f64> = centres
            .iter()
            .zip(&shares)
            .map(|(centre, share)| share.ln() - squared(&x, i, centre) / (2.0 * variance))
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|v| (v - largest).exp()).sum();
        logs.iter().enumerate().for_each(|(c, v)| probabilities[(i, c)] = (v - largest).exp() / sum);
    }
    Some(Clusters { probabilities, nearest })
}

/// The fewest principal components with [`VARIANCE`] of the variance; rows are centred.
fn components(x: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let mut centred = x.clone();
    for mut column in centred.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let svd = centred.svd(true, false);
    let total: f64 = svd.singular_values.iter().map(|s| s * s).sum();
    if x.nrows() < 2 || total <= 0.0 {
        return None;
    }
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|a, b| svd.singular_values[*b].total_cmp(&svd.singular_values[*a]));
    let mut sum = 0.0;
    order.retain(|i| {
        let before = sum;
        sum += svd.singular_values[*i].powi(2);
        before < VARIANCE * total
    });
    let u = svd.u?;
    Some(DMatrix::from_fn(x.nrows(), order.len(), |i, j| u[(i, order[j])] * svd.singular_values[order[j]]))
}

/// Rows as first centres, each drawn in proportion to its squared distance from those before it.
fn begin(x: &DMatrix<f64>, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let row = |i: usize| x.row(i).iter().copied().collect::<Vec<f64>>();
    let mut centres = vec![row(random.random_range(0..x.nrows()))];
    while centres.len() < count {
        let far: Vec<f64> = (0..x.nrows()).map(|i| closest(x, i, &centres).1).collect();
        let mut at = random.random::<f64>() * far.iter().sum::<f64>();
        let Some(next) = far.iter().position(|d| {
            at -= d;
            at < 0.0
        }) else {
            // Every row is a centre already.
            break;
        };
        centres.push(row(next));
    }
    centres
}

fn squared(x: &DMatrix<f64>, row: usize, centre: &[f64]) -> f64 {
    x.row(row).iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The nearest centre of a row, the first of equally near ones, and its squared distance.
fn closest(x: &DMatrix<f64>, row: usize, centres: &[Vec<f64>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (c, centre) in centres.iter().enumerate() {
        let distance = squared(x, row, centre);
        if distance < best.1 {
            best = (c, distance);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three heaps far from each other, of 10 rows each.
    fn heaps() -> DMatrix<f64> {
        let noise = |i: usize, j: usize| ((i * 7 + j * 3) as f64 * 12.9898).sin() * 0.3;
        DMatrix::from_fn(30, 4, |i, j| noise(i, j) + if j == i / 10 { 9.0 } else { 0.0 })
    }

    #[test]
    fn heaps_are_found_and_probabilities_are_certain_of_them() {
        let found = clusters(&heaps(), 3, 1).unwrap();
        for heap in found.nearest.chunks(10) {
            assert!(heap.iter().all(|c| *c == heap[0]), "{:?}", found.nearest);
        }
        for (i, row) in found.probabilities.row_iter().enumerate() {
            assert!((row.sum() - 1.0).abs() < 1e-12 && row[found.nearest[i]] > 0.99);
        }
        let again = clusters(&heaps(), 3, 1).unwrap();
        assert_eq!(again.nearest, found.nearest);
    }

    #[test]
    fn few_or_equal_rows_are_no_clusters() {
        assert!(clusters(&DMatrix::from_element(9, 2, 4.0), 3, 0).is_none());
        assert!(clusters(&DMatrix::from_element(1, 2, 4.0), 3, 0).is_none());
        let two = DMatrix::from_row_slice(2, 1, &[0.0, 1.0]);
        assert_eq!(clusters(&two, 9, 0).unwrap().probabilities.ncols(), 2);
    }
}
