//! Correlated random fields.

use rand::RngExt;
use rand_distr::StandardNormal;

/// Smooths `data`, `[D, H, W]` row-major, along each axis by a Gaussian of `sigma` voxels; edges
/// repeat.
pub fn smooth(data: &mut Vec<f32>, shape: [usize; 3], sigma: [f32; 3]) {
    let strides = [shape[1] * shape[2], shape[2], 1];
    for axis in 0..3 {
        if sigma[axis] < 0.05 {
            continue;
        }
        let radius = (3.0 * sigma[axis]).ceil() as usize;
        let mut kernel: Vec<f32> = (0..=2 * radius)
            .map(|k| (-0.5 * ((k as f32 - radius as f32) / sigma[axis]).powi(2)).exp())
            .collect();
        let total: f32 = kernel.iter().sum();
        kernel.iter_mut().for_each(|k| *k /= total);
        let (n, stride) = (shape[axis], strides[axis]);
        let mut line = vec![0.0f32; n];
        let mut out = data.clone();
        for start in (0..data.len()).filter(|i| (i / stride) % n == 0) {
            for (i, v) in line.iter_mut().enumerate() {
                *v = data[start + i * stride];
            }
            for i in 0..n {
                let sum: f32 = kernel
                    .iter()
                    .enumerate()
                    .map(|(k, w)| w * line[(i + k).saturating_sub(radius).min(n - 1)])
                    .sum();
                out[start + i * stride] = sum;
            }
        }
        *data = out;
    }
}

/// White Gaussian noise of unit variance.
pub fn white(rng: &mut impl RngExt, shape: [usize; 3]) -> Vec<f32> {
    (0..shape.iter().product::<usize>()).map(|_| rng.sample(StandardNormal)).collect()
}

/// Gaussian noise smoothed by `sigma` voxels and scaled back to zero mean and unit variance.
pub fn correlated(rng: &mut impl RngExt, shape: [usize; 3], sigma: [f32; 3]) -> Vec<f32> {
    let mut field = white(rng, shape);
    smooth(&mut field, shape, sigma);
    let n = field.len().max(1) as f64;
    let mean = field.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = field.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    let scale = 1.0 / variance.sqrt().max(1e-12);
    field.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * scale) as f32);
    field
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn smoothing_keeps_constants_and_correlates_neighbours() {
        let shape = [3, 20, 20];
        let mut flat = vec![2.5; 1200];
        smooth(&mut flat, shape, [1.0, 2.0, 3.0]);
        assert!(flat.iter().all(|v| (v - 2.5).abs() < 1e-5));
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let field = correlated(&mut rng, shape, [0.0, 1.5, 1.5]);
        let variance = field.iter().map(|v| v * v).sum::<f32>() / 1200.0;
        let neighbours = field.windows(2).map(|w| w[0] * w[1]).sum::<f32>() / 1199.0;
        assert!((variance - 1.0).abs() < 1e-3 && neighbours > 0.7, "{variance} {neighbours}");
    }
}
