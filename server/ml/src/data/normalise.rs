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
    use crate::data::fixtures::{relative_l2, shared, tensors};

    #[test]
    fn agrees_with_monai() {
        let Some(folder) = shared("zscore_nonzero") else { return };
        let reference = tensors(&folder.join("reference/preprocess/preprocess.safetensors"));
        let (shape, input) = &reference["zscore_nonzero.input"];
        let expected = &reference["zscore_nonzero.output"].1;
        let per_channel: usize = shape[1..].iter().product();
        for (channel, expected) in input.chunks(per_channel).zip(expected.chunks(per_channel)) {
            let mut got = channel.to_vec();
            zscore_nonzero(&mut got);
            if expected.iter().any(|v| *v != 0.0) {
                assert!(relative_l2(&got, expected) < 1e-5);
            } else {
                assert_eq!(got, expected);
            }
        }
        let mut constant = reference["zscore_nonzero.constant_input"].1.clone();
        let length = constant.len() / reference["zscore_nonzero.constant_input"].0[0];
        constant.chunks_mut(length).for_each(zscore_nonzero);
        assert_eq!(constant, reference["zscore_nonzero.constant_output"].1);
    }
}
