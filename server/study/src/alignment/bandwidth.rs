//! The bandwidth of the kernel, by the median heuristic.

use super::{
    AlignmentError, Rows, SquaredDistances,
    tiles::RowPairs,
    width::{at_least, fits},
};

/// Median; the mean of the two middle values for an even count. None for no values.
fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some((lower + upper) / 2.0)
}

/// Median Euclidean distance over all distinct pairs of the pooled rows.
pub fn median_distance(pooled: &SquaredDistances) -> f64 {
    median(&mut pooled.distances()).unwrap_or(0.0)
}

/// Bandwidth sigma: the median distance over all distinct pairs. Where more than half of the
/// pairs coincide, which makes that 0, the median over the pairs that do not; none where all
/// rows are equal, because then no bandwidth exists.
pub fn median_bandwidth(pooled: &SquaredDistances) -> Option<f64> {
    let mut distances = pooled.distances();
    match median(&mut distances) {
        Some(sigma) if sigma > 0.0 => Some(sigma),
        _ => {
            distances.retain(|d| *d > 0.0);
            median(&mut distances)
        }
    }
}

/// [`median_bandwidth`] of two sets of any size. Of more than [`SquaredDistances::MOST_ROWS`] rows together it is
/// found without a matrix of distances, by counting in blocks of rows, to 5 parts in 10⁸.
///
/// # Errors
/// When a set has fewer than two rows, the widths differ, or squared distances of large sets are beyond double
/// precision.
pub fn pooled_bandwidth(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    if fits(x, y) {
        return Ok(median_bandwidth(&SquaredDistances::pooled(x, y)?));
    }
    at_least(x, 2)?;
    at_least(y, 2)?;
    Ok(RowPairs::of(&[x, y])?.bandwidth())
}

/// `gamma = 1 / (2 sigma^2)` of the kernel `exp(-gamma |x - y|^2)`.
pub fn gamma_from_sigma(sigma: f64) -> f64 {
    1.0 / (2.0 * sigma * sigma)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::Rows;

    #[test]
    fn large_sets_have_the_median_of_all_pairs() {
        // Rows on a line, 0 to n - 1 twice: distance d occurs 4 (n - d) times, and 0 n times.
        let n = 2100;
        let line = Rows::new(1, (0..n).map(f64::from).collect()).unwrap();
        let (mut before, mut d) = (f64::from(n), 0.0);
        while before < f64::from(n) * f64::from(2 * n - 1) / 2.0 {
            d += 1.0;
            before += 4.0 * (f64::from(n) - d);
        }
        let sigma = pooled_bandwidth(&line, &line).unwrap().unwrap();
        assert!((sigma - d).abs() <= 1e-7 * d, "{sigma} and {d}");
        let flat = Rows::new(1, vec![3.0; 2100]).unwrap();
        assert_eq!(pooled_bandwidth(&flat, &flat), Ok(None));
        assert!(pooled_bandwidth(&line, &Rows::new(2, vec![0.0; 4]).unwrap()).is_err());
    }

    #[test]
    fn coinciding_rows_never_give_a_bandwidth_of_0() {
        let rows = |values: &[f64]| Rows::new(1, values.to_vec()).unwrap();
        let same = SquaredDistances::pooled(&rows(&[2.0, 2.0]), &rows(&[2.0, 2.0])).unwrap();
        assert_eq!((median_distance(&same), median_bandwidth(&same)), (0.0, None));
        let mostly = SquaredDistances::pooled(&rows(&[2.0; 5]), &rows(&[2.0, 5.0])).unwrap();
        assert_eq!((median_distance(&mostly), median_bandwidth(&mostly)), (0.0, Some(3.0)));
        let even = SquaredDistances::pooled(&rows(&[0.0, 1.0]), &rows(&[3.0, 7.0])).unwrap();
        // Distances 1, 2, 3, 4, 6, 7.
        assert_eq!(median_distance(&even), 3.5);
    }
}
