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

/// Standardises all values by the mean and (population) standard deviation of those inside a mask.
///
/// # Errors
/// When there is nothing inside, or only one value again and again: such numbers have no scale.
///
/// # Source
/// ProViCNet's preprocessing by the gland. Its division by 255 before cancels out.
pub fn zscore_inside(values: &mut [f32], inside: impl Fn(usize) -> bool) -> Result<(), NoScale> {
    let of_mask = || values.iter().enumerate().filter(|(i, _)| inside(*i)).map(|(_, v)| f64::from(*v));
    let (count, sum) = of_mask().fold((0usize, 0.0), |(n, s), v| (n + 1, s + v));
    let mean = sum / count as f64;
    let deviation = (of_mask().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64).sqrt();
    if !(deviation > 0.0 && deviation.is_finite()) {
        return Err(NoScale { count });
    }
    for v in values.iter_mut() {
        *v = ((f64::from(*v) - mean) / deviation) as f32;
    }
    Ok(())
}

/// The values inside a mask have no spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {count} values inside the mask have no spread to standardise by")]
pub struct NoScale {
    pub count: usize,
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

    #[test]
    fn a_mask_without_spread_is_refused() {
        let mut values = [1.0, 2.0, 5.0, 5.0];
        assert_eq!(zscore_inside(&mut values, |_| false), Err(NoScale { count: 0 }));
        assert_eq!(zscore_inside(&mut values, |i| i > 1), Err(NoScale { count: 2 }));
        zscore_inside(&mut values, |i| i < 2).unwrap();
        assert_eq!(values, [-1.0, 1.0, 7.0, 7.0]);
    }
}
