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

/// Mean absolute error over the voxels where `mask` is not 0; none where there are none.
pub fn mae_in_mask(prediction: &[f32], reference: &[f32], mask: &[u8]) -> Option<f64> {
    assert_eq!(prediction.len(), mask.len(), "the mask has the size of its image");
    let (mut sum, mut n) = (0.0, 0u64);
    for ((p, r), m) in pairs(prediction, reference).zip(mask) {
        if *m != 0 {
            sum += (p - r).abs();
            n += 1;
        }
    }
    (n > 0).then(|| sum / n as f64)
}

/// Peak signal-to-noise ratio in dB, `10 log10(data_range^2 / MSE)`; infinite for equal images.
pub fn psnr_db(prediction: &[f32], reference: &[f32], data_range: f64) -> f64 {
    10.0 * (data_range * data_range / mse(prediction, reference)).log10()
}

/// Root of the mean squared error over the reference's range; none where the reference is constant.
pub fn nrmse(prediction: &[f32], reference: &[f32]) -> Option<f64> {
    let bounds = reference
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let range = f64::from(bounds.1) - f64::from(bounds.0);
    (range > 0.0).then(|| mse(prediction, reference).sqrt() / range)
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
        assert_eq!(nrmse(&[3.0, 6.0], &[0.0, 2.0]), Some(12.5f64.sqrt() / 2.0));
        assert_eq!((nrmse(&[3.0], &[1.0]), nrmse(&[], &[])), (None, None));
        assert_eq!(mae_in_mask(&[1.0, 3.0], &[0.0, 1.0], &[0, 2]), Some(2.0));
        assert_eq!(mae_in_mask(&[1.0], &[0.0], &[0]), None);
        assert_eq!(psnr_db(&[0.5], &[0.5], 1.0), f64::INFINITY);
        assert!((psnr_db(&[0.1], &[0.0], 1.0) - 20.0).abs() < 1e-6);
    }
}
