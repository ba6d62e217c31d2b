//! Intensities for networks.

/// Standardises the non-zero values to mean 0 and (population) standard deviation 1; zeros, which are
/// background, stay 0. All zeros stay as they are, a constant becomes 0.
///
/// # Source
/// MONAI's `NormalizeIntensity(nonzero=True)` on one channel.
pub fn zscore_nonzero(values: &mut [f32]) {
    let (count, sum) =
        values.iter().filter(|v| **v != 0.0).fold((0usize, 0.0f64), |(n, s), v| (n + 1, s + f64::from(*v)));
    if count == 0 {
        return;
    }
    let mean = sum / count as f64;
    let squares: f64 = values.iter().filter(|v| **v != 0.0).map(|v| (f64::from(*v) - mean).powi(2)).sum();
    let deviation = (squares / count as f64).sqrt();
    let scale = if deviation > 0.0 { 1.0 / deviation } else { 1.0 };
    for v in values.iter_mut().filter(|v| **v != 0.0) {
        *v = ((f64::from(*v) - mean) * scale) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_constants_are_zero() {
        let of = |values: [f32; 4]| {
            let mut values = values;
            zscore_nonzero(&mut values);
            values
        };
        assert_eq!(of([0.0; 4]), [0.0; 4]);
        assert_eq!(of([3.0; 4]), [0.0; 4]);
        assert_eq!(of([0.0, 1.0, 0.0, 3.0]), [0.0, -1.0, 0.0, 1.0]);
    }
}
