//! Mean absolute error plus structural dissimilarity.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::metrics::gaussian_window;

/// `(0.01 * data range)^2` and `(0.03 * data range)^2` for a data range of 1.
const C1: f64 = 1e-4;
const C2: f64 = 9e-4;

/// `mean |prediction - target| + weight * (1 - SSIM)` for images of data range 1.
///
/// SSIM is the metric's ([`crate::metrics::ssim3d`]): a Gaussian window of 11 voxels along every axis
/// (standard deviation 1.5 voxels; the largest odd window that fits on a shorter axis, so single slices
/// are scored as pictures), over the positions where the window fits, averaged over them and the batch.
///
/// # Shapes
/// - both: `[B, 1, D, H, W]`
/// - result: `[1]`
///
/// # Panics
/// When the sizes differ.
pub fn l1_ssim<B: Backend>(prediction: Tensor<B, 5>, target: Tensor<B, 5>, weight: f64) -> Tensor<B, 1> {
    let dims = prediction.dims();
    assert_eq!(dims, target.dims(), "prediction and target have one size");
    let [b, c, d, h, w] = dims;
    let volumes = [b * c, d, h, w];
    let (x, y) = (prediction.reshape(volumes), target.reshape(volumes));
    let l1 = (x.clone() - y.clone()).abs().mean();
    l1 + (ssim(x, y).neg() + 1.0) * weight
}

/// Mean SSIM of `[N, D, H, W]` volumes.
fn ssim<B: Backend>(x: Tensor<B, 4>, y: Tensor<B, 4>) -> Tensor<B, 1> {
    let [n, d, h, w] = x.dims();
    let device = x.device();

    // Variances do not change with an offset; taking out the target's mean keeps their
    // subtraction below accurate on cards that multiply with fewer digits.
    let offset = y.clone().detach().mean_dim(3).mean_dim(2).mean_dim(1);
    let (x, y) = (x - offset.clone(), y - offset.clone());
    let fields =
        Tensor::cat(vec![x.clone(), y.clone(), x.clone() * x.clone(), y.clone() * y.clone(), x * y], 0);

    // The window is separable, and along one axis it is a product with a band matrix. Every product leaves
    // its axis last but one or first of three, which the mean does not notice.
    let along = |fields: Tensor<B, 2>, length: usize| {
        let window = band_matrix::<B>(length, &device);
        let out = window.dims()[1];
        (fields.matmul(window), out)
    };
    let (fields, w) = along(fields.reshape([5 * n * d * h, w]), w);
    let fields = fields.reshape([5 * n * d, h, w]).swap_dims(1, 2);
    let (fields, h) = along(fields.reshape([5 * n * d * w, h]), h);
    let fields = if d == 1 {
        fields.reshape([5 * n, w * h])
    } else {
        let fields = fields.reshape([5 * n, d, w * h]).swap_dims(1, 2);
        let (fields, d) = along(fields.reshape([5 * n * w * h, d]), d);
        fields.reshape([5 * n, w * h * d])
    };
    let field = |i: usize| fields.clone().narrow(0, i * n, n);
    let offset = offset.reshape([n, 1]);

    let (mx, my) = (field(0), field(1));
    let covariance = field(4) - mx.clone() * my.clone();
    let variances = field(2) + field(3) - mx.clone().square() - my.clone().square();
    let (mx, my) = (mx + offset.clone(), my + offset);
    let numerator = (mx.clone() * my.clone() * 2.0 + C1) * (covariance * 2.0 + C2);
    let denominator = (mx.square() + my.square() + C1) * (variances + C2);
    (numerator / denominator).mean()
}

/// `[length, length - window + 1]` with the window's weights in every column.
fn band_matrix<B: Backend>(length: usize, device: &B::Device) -> Tensor<B, 2> {
    let window = gaussian_window(length);
    let columns = length + 1 - window.len();
    let mut values = vec![0.0f32; length * columns];
    for column in 0..columns {
        for (offset, weight) in window.iter().enumerate() {
            values[(column + offset) * columns + column] = *weight as f32;
        }
    }
    Tensor::from_data(TensorData::new(values, [length, columns]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn_flex::Flex;

    type B = Autodiff<Flex>;

    /// The definition in double precision, by the metric, volume by volume.
    fn plain(x: &[f64], y: &[f64], [n, d, h, w]: [usize; 4], weight: f64) -> f64 {
        let single = |values: &[f64]| -> Vec<f32> { values.iter().map(|v| *v as f32).collect() };
        let size = d * h * w;
        let ssim: f64 = x
            .chunks(size)
            .zip(y.chunks(size))
            .map(|(x, y)| crate::metrics::ssim3d(&single(x), &single(y), [d, h, w], 1.0))
            .sum();
        let l1: f64 = x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum::<f64>() / x.len() as f64;
        l1 + weight * (1.0 - ssim / n as f64)
    }

    fn images(n: usize) -> (Vec<f64>, Vec<f64>) {
        let y: Vec<f64> = (0..n).map(|i| 0.5 + 0.4 * (i as f64 * 0.37).sin()).collect();
        // Differences stay away from 0, where the absolute value has no gradient.
        let x = y.iter().enumerate().map(|(i, v)| v + 0.08 + 0.05 * (i as f64 * 1.3).cos()).collect();
        (x, y)
    }

    fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<B, D> {
        let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    }

    #[test]
    fn value_and_gradient_equal_a_plain_computation() {
        for [n, d, h, w] in [[2, 1, 14, 13], [1, 12, 11, 13], [2, 5, 8, 12]] {
            let (x, y) = images(n * d * h * w);
            let prediction = tensor(&x, [n, 1, d, h, w]).require_grad();
            let loss = l1_ssim(prediction.clone(), tensor(&y, [n, 1, d, h, w]), 0.7);
            let expected = plain(&x, &y, [n, d, h, w], 0.7);
            let ours = f64::from(loss.clone().into_scalar());
            assert!((ours - expected).abs() < 2e-5, "{ours} and {expected}");

            let gradient = prediction.grad(&loss.backward()).unwrap().into_data().to_vec::<f32>().unwrap();
            let largest = gradient.iter().fold(0f32, |a, g| a.max(g.abs()));
            for at in (0..x.len()).step_by(x.len() / 24) {
                let step = 1e-3;
                let moved = |by: f64| {
                    let mut x = x.clone();
                    x[at] += by;
                    plain(&x, &y, [n, d, h, w], 0.7)
                };
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                let difference = (f64::from(gradient[at]) - expected).abs();
                assert!(difference < 1e-2 * f64::from(largest), "{at}: {} and {expected}", gradient[at]);
            }
        }
    }

    #[test]
    fn equal_images_cost_nothing() {
        let (_, y) = images(4 * 12 * 16);
        let none = l1_ssim(tensor(&y, [2, 1, 2, 12, 16]), tensor(&y, [2, 1, 2, 12, 16]), 1.0).into_scalar();
        assert!(none.abs() < 1e-6, "{none}");
    }

    #[test]
    fn a_constant_background_gives_finite_gradients() {
        let zero = vec![0.0; 16 * 16];
        let x = tensor(&zero, [1, 1, 1, 16, 16]).require_grad();
        let loss = l1_ssim(x.clone(), tensor(&zero, [1, 1, 1, 16, 16]), 1.0);
        let gradient = x.grad(&loss.backward()).unwrap().into_data().to_vec::<f32>().unwrap();
        assert!(gradient.iter().all(|g| g.is_finite()));
    }
}
