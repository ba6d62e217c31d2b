//! Intensities for networks.

use transferscope_domain::dataset::Normalisation;

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

/// Standardises all values to mean 0 and (population) standard deviation 1; a constant becomes 0.
pub fn zscore(values: &mut [f32]) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
    let scale = if deviation > 0.0 { 1.0 / deviation } else { 1.0 };
    values.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * scale) as f32);
}

/// Scales the values as a plan says.
pub fn normalise(values: &mut [f32], how: Normalisation) {
    match how {
        Normalisation::NonzeroZScore => zscore_nonzero(values),
        Normalisation::ZScore => zscore(values),
        Normalisation::Fixed { low, high, mean, deviation } => {
            for v in values {
                *v = ((f64::from(*v).clamp(low, high.max(low)) - mean) / deviation) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_keeps_its_meaning_and_an_image_is_standardised() {
        let mut ct = [-1000.0, 0.0, 100.0, 5000.0];
        normalise(&mut ct, Normalisation::Fixed { low: -100.0, high: 300.0, mean: 50.0, deviation: 50.0 });
        assert_eq!(ct, [-3.0, -1.0, 1.0, 5.0]);
        let mut mr = [0.0, 2.0, 4.0];
        normalise(&mut mr, Normalisation::ZScore);
        assert!(mr.iter().sum::<f32>().abs() < 1e-6 && (mr[2] - 1.5f32.sqrt()).abs() < 1e-6);
        let mut flat = [7.0; 3];
        normalise(&mut flat, Normalisation::ZScore);
        assert_eq!(flat, [0.0; 3]);
    }

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
