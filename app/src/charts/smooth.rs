//! Exponential moving average.

/// Smooths values with weight `past` (0 to below 1) for what came before. Started without bias: the first
/// values are not pulled to zero. A value that is not finite stays as a gap and does not count.
pub fn ema(values: &[f64], past: f64) -> Vec<f64> {
    if past <= 0.0 {
        return values.to_vec();
    }
    let (mut sum, mut weight) = (0.0, 0.0);
    values
        .iter()
        .map(|v| {
            if !v.is_finite() {
                return *v;
            }
            sum = past * sum + (1.0 - past) * v;
            weight = past * weight + (1.0 - past);
            sum / weight
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_starts_at_the_first_value() {
        assert_eq!(ema(&[4.0, 4.0, 4.0], 0.9), [4.0, 4.0, 4.0]);
        // (0.5 * 0 * ... ) by hand: weights 0.25 and 0.5 of 0.75.
        let s = ema(&[0.0, 3.0], 0.5);
        assert!((s[1] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn gaps_stay_gaps() {
        let s = ema(&[1.0, f64::NAN, 1.0], 0.9);
        assert!(s[1].is_nan() && (s[2] - 1.0).abs() < 1e-12);
        assert_eq!(ema(&[1.0, 5.0], 0.0), [1.0, 5.0]);
    }
}
