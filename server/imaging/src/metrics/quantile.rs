//! Quantiles of a sample.

/// The quantile `q` (0 to 1) with linear interpolation between the order statistics; none for an empty
/// sample or one with NaN.
///
/// # Source
/// NumPy's default method, Hyndman and Fan's type 7.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut values = values.to_vec();
    let last = values.len().checked_sub(1)?;
    if values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let position = q.clamp(0.0, 1.0) * last as f64;
    let low = position as usize;
    let part = position - low as f64;
    let (_, value, above) = values.select_nth_unstable_by(low, f64::total_cmp);
    let next = above.iter().copied().reduce(f64::min);
    // Equal neighbours, infinities among them, need no interpolation.
    Some(match next {
        Some(next) if part > 0.0 && next != *value => *value + part * (next - *value),
        _ => *value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed_and_degenerate() {
        let values = [4.0, 1.0, 3.0, 2.0];
        for (q, expected) in [(0.0, 1.0), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)] {
            assert!((quantile(&values, q).unwrap() - expected).abs() < 1e-15, "{q}");
        }
        assert_eq!(quantile(&[7.0], 0.3), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0, f64::NAN], 0.5), None);
    }
}
