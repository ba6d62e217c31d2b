//! Divergence between two sets of features by the standard of a third.

use super::{AlignmentError, Discrepancy, Features, Standard, estimate::mmd2_and_p, pooled_bandwidth};

/// MMD² of two sets in standardised units, and the bandwidth by the median heuristic over both; 0 with
/// bandwidth 0 where all rows are equal.
///
/// # Errors
/// When a set is not finite, of another width, or has fewer than two rows.
pub fn mmd2_between(
    standard: &Standard,
    x: &Features,
    y: &Features,
    how: Discrepancy,
) -> Result<(f64, f64), AlignmentError> {
    let (x, y) = (standard.apply(x)?, standard.apply(y)?);
    let sigma = pooled_bandwidth(&x, &y)?;
    let (value, _) = mmd2_and_p(&x, &y, sigma, how, None, None)?;
    Ok((value, sigma.unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_compared_by_the_standard_of_a_third() {
        let wave = |i: usize| (i as f32 * 1.7).sin() * 3.0 + (i as f32 * 0.3).cos();
        let set = |by: f32| Features { n: 12, dim: 3, data: (0..36).map(|i| wave(i) * 1.3 + by).collect() };
        let standard = Standard::of(&set(0.0)).unwrap();
        let (apart, bandwidth) =
            mmd2_between(&standard, &set(0.2), &set(3.0), Discrepancy::default()).unwrap();
        assert!(apart > 0.1 && bandwidth > 0.0, "{apart}, {bandwidth}");
        assert!(mmd2_between(&standard, &set(0.2), &set(0.2), Discrepancy::default()).unwrap().0 <= 0.0);
        let flat = Features { n: 4, dim: 3, data: vec![0.5; 12] };
        assert_eq!(mmd2_between(&standard, &flat, &flat, Discrepancy::default()).unwrap(), (0.0, 0.0));
        let narrow = Features { n: 12, dim: 2, data: vec![0.0; 24] };
        assert!(mmd2_between(&standard, &narrow, &narrow, Discrepancy::default()).is_err());
    }
}
