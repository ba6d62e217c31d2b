//! Gaussian smoothing of volumes.

/// Smooths each axis with a Gaussian of `sigma` voxels, zeros outside. The weights are the bell's area
/// over each voxel as far as `4 sigma`; their sum is a little below one and is left so.
///
/// # Shapes
/// `data [D, H, W]` row-major -> the same.
///
/// # Source
/// MONAI's `GaussianSmooth` with its default `approx="erf"`.
pub fn gaussian(data: &[f32], shape: [usize; 3], sigma: [f64; 3]) -> Vec<f32> {
    let mut values: Vec<f64> = data.iter().map(|v| f64::from(*v)).collect();
    for axis in 0..3 {
        let weights = weights(sigma[axis]);
        // Steps between neighbours along the axis.
        let stride: usize = shape[axis + 1..].iter().product();
        let length = shape[axis];
        let mut line = vec![0.0; length];
        for first in 0..values.len() {
            if !(first / stride).is_multiple_of(length) {
                continue;
            }
            for (i, value) in line.iter_mut().enumerate() {
                *value = values[first + i * stride];
            }
            for i in 0..length {
                let taps = weights.iter().enumerate().map(|(k, weight)| {
                    let before = i.checked_sub(k).map_or(0.0, |at| line[at]);
                    let after = if k > 0 { line.get(i + k).copied().unwrap_or(0.0) } else { 0.0 };
                    weight * (before + after)
                });
                values[first + i * stride] = taps.sum();
            }
        }
    }
    values.into_iter().map(|v| v as f32).collect()
}

/// Weights of the voxels `0, 1, 2, ...` away from the centre.
fn weights(sigma: f64) -> Vec<f64> {
    if sigma <= 0.0 {
        return vec![1.0];
    }
    let tail = (4.0 * sigma + 0.5) as usize;
    let scale = 1.0 / (sigma * std::f64::consts::SQRT_2);
    (0..=tail).map(|k| 0.5 * (erf((k as f64 + 0.5) * scale) - erf((k as f64 - 0.5) * scale))).collect()
}

/// The error function by a series of positive terms, so that nothing cancels.
///
/// # Source
/// Abramowitz and Stegun, 7.1.6.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_has_its_known_values() {
        for (x, value) in
            [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (2.0, 0.995_322_265_018_952_7), (7.0, 1.0)]
        {
            assert!((erf(x) - value).abs() < 1e-15 && erf(-x) == -erf(x), "{x}");
        }
    }

    #[test]
    fn a_point_becomes_the_product_of_the_weights_and_no_sigma_keeps_it() {
        let mut data = vec![0.0f32; 5 * 5 * 5];
        data[62] = 1.0;
        let out = gaussian(&data, [5, 5, 5], [0.0, 0.5, 0.7]);
        let (h, w) = (weights(0.5), weights(0.7));
        assert!((f64::from(out[62 + 5 - 2]) - h[1] * w[2]).abs() < 1e-8);
        assert_eq!(out[62 + 25], 0.0);
        assert_eq!(gaussian(&data, [5, 5, 5], [0.0; 3]), data);
    }
}
