//! Differences between an image and its reference.

fn pairs<'a>(prediction: &'a [f32], reference: &'a [f32]) -> impl Iterator<Item = (f64, f64)> + 'a {
    assert_eq!(prediction.len(), reference.len(), "images of one case have one size");
    prediction.iter().zip(reference).map(|(p, r)| (f64::from(*p), f64::from(*r)))
}

/// Mean squared error; NaN for empty images.
///
/// # Panics
/// This and the other functions here panic when the images differ in length.
pub fn mse(prediction: &[f32], reference: &[f32]) -> f64 {
    pairs(prediction, reference).map(|(p, r)| (p - r).powi(2)).sum::<f64>() / prediction.len() as f64
}

/// Mean absolute error, in the unit of the images; NaN for empty images.
pub fn mae(prediction: &[f32], reference: &[f32]) -> f64 {
    pairs(prediction, reference).map(|(p, r)| (p - r).abs()).sum::<f64>() / prediction.len() as f64
}

/// Peak signal-to-noise ratio in dB, `10 log10(data_range^2 / MSE)`; infinite for equal images.
pub fn psnr_db(prediction: &[f32], reference: &[f32], data_range: f64) -> f64 {
    10.0 * (data_range * data_range / mse(prediction, reference)).log10()
}

/// Normalised mean squared error, `sum (p - r)^2 / sum r^2`; none where the reference is zero
/// everywhere.
pub fn nmse(prediction: &[f32], reference: &[f32]) -> Option<f64> {
    let (mut error, mut power) = (0.0, 0.0);
    for (p, r) in pairs(prediction, reference) {
        error += (p - r).powi(2);
        power += r * r;
    }
    (power > 0.0).then(|| error / power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed_and_degenerate() {
        assert_eq!(mse(&[1.0, 3.0], &[0.0, 1.0]), 2.5);
        assert_eq!(mae(&[1.0, 3.0], &[0.0, 1.0]), 1.5);
        assert_eq!(nmse(&[1.0, 3.0], &[0.0, 1.0]), Some(5.0));
        assert_eq!(nmse(&[1.0], &[0.0]), None);
        assert_eq!(psnr_db(&[0.5], &[0.5], 1.0), f64::INFINITY);
        assert!((psnr_db(&[0.1], &[0.0], 1.0) - 20.0).abs() < 1e-6);
    }
}
