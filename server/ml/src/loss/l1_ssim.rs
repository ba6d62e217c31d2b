//! Mean absolute error plus structural dissimilarity within slices.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::metrics::gaussian_window;

/// `(0.01 * data range)^2` and `(0.03 * data range)^2` for a data range of 1.
const C1: f64 = 1e-4;
const C2: f64 = 9e-4;

/// `mean |prediction - target| + weight * (1 - SSIM)` for images of data range 1.
///
/// SSIM is computed slice by slice with an 11 x 11 Gaussian window (standard deviation 1.5
/// pixels; the largest odd window that fits on a shorter axis), over the positions where the
/// window fits, and averaged over them and over all slices. A volume's slices are scored one by
/// one: the window of the metric, which also spans slices, would mix millimetres with pixels here
/// at eleven times the cost.
///
/// # Shapes
/// - both: `[B, 1, D, H, W]` or `[B, 1, H, W]`; all axes before the last two count as slices
/// - result: `[1]`
///
/// # Panics
/// When the sizes differ.
pub fn l1_ssim<B: Backend, const D: usize>(
    prediction: Tensor<B, D>,
    target: Tensor<B, D>,
    weight: f64,
) -> Tensor<B, 1> {
    let dims = prediction.dims();
    assert_eq!(dims, target.dims(), "prediction and target have one size");
    let (h, w) = (dims[D - 2], dims[D - 1]);
    let slices = dims[..D - 2].iter().product();
    let (x, y) = (prediction.reshape([slices, h, w]), target.reshape([slices, h, w]));
    let l1 = (x.clone() - y.clone()).abs().mean();
    l1 + (ssim(x, y).neg() + 1.0) * weight
}

/// Mean SSIM of `[N, H, W]` slices.
fn ssim<B: Backend>(x: Tensor<B, 3>, y: Tensor<B, 3>) -> Tensor<B, 1> {
    let [n, h, w] = x.dims();
    let device = x.device();
    let along_w = band_matrix::<B>(w, &device);
    let along_h = band_matrix::<B>(h, &device);

    // Variances do not change with an offset; taking out the target's mean keeps their
    // subtraction below accurate on cards that multiply with fewer digits.
    let offset = y.clone().detach().mean_dim(2).mean_dim(1);
    let (x, y) = (x - offset.clone(), y - offset.clone());
    let fields =
        Tensor::cat(vec![x.clone(), y.clone(), x.clone() * x.clone(), y.clone() * y.clone(), x * y], 0);

    // The window is separable, and along one axis it is a product with a band matrix. The second
    // product works on transposed slices, which the mean does not notice.
    let out_w = along_w.dims()[1];
    let out_h = along_h.dims()[1];
    let fields = fields.reshape([5 * n * h, w]).matmul(along_w).reshape([5 * n, h, out_w]);
    let fields = fields.swap_dims(1, 2).reshape([5 * n * out_w, h]).matmul(along_h);
    let fields = fields.reshape([5 * n, out_w, out_h]);
    let field = |i: usize| fields.clone().narrow(0, i * n, n);

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

    /// The definition in double precision, position by position.
    fn plain(x: &[f64], y: &[f64], [n, h, w]: [usize; 3], weight: f64) -> f64 {
        let (gh, gw) = (gaussian_window(h), gaussian_window(w));
        let (mut sum, mut count) = (0.0, 0);
        for slice in 0..n {
            for r in 0..=h - gh.len() {
                for c in 0..=w - gw.len() {
                    let mut m = [0.0; 5];
                    for (i, a) in gh.iter().enumerate() {
                        for (j, b) in gw.iter().enumerate() {
                            let at = (slice * h + r + i) * w + c + j;
                            let (p, q) = (x[at], y[at]);
                            for (m, v) in m.iter_mut().zip([p, q, p * p, q * q, p * q]) {
                                *m += a * b * v;
                            }
                        }
                    }
                    let [ex, ey, exx, eyy, exy] = m;
                    sum += (2.0 * ex * ey + 1e-4) * (2.0 * (exy - ex * ey) + 9e-4)
                        / ((ex * ex + ey * ey + 1e-4) * (exx - ex * ex + eyy - ey * ey + 9e-4));
                    count += 1;
                }
            }
        }
        let l1: f64 = x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum::<f64>() / x.len() as f64;
        l1 + weight * (1.0 - sum / f64::from(count))
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
        for [n, h, w] in [[2, 14, 13], [3, 8, 12]] {
            let (x, y) = images(n * h * w);
            let prediction = tensor(&x, [1, 1, n, h, w]).require_grad();
            let loss = l1_ssim(prediction.clone(), tensor(&y, [1, 1, n, h, w]), 0.7);
            let expected = plain(&x, &y, [n, h, w], 0.7);
            let ours = f64::from(loss.clone().into_scalar());
            assert!((ours - expected).abs() < 2e-5, "{ours} and {expected}");

            let gradient = prediction.grad(&loss.backward()).unwrap().into_data().to_vec::<f32>().unwrap();
            let largest = gradient.iter().fold(0f32, |a, g| a.max(g.abs()));
            for at in (0..x.len()).step_by(7) {
                let step = 1e-5;
                let moved = |by: f64| {
                    let mut x = x.clone();
                    x[at] += by;
                    plain(&x, &y, [n, h, w], 0.7)
                };
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                let difference = (f64::from(gradient[at]) - expected).abs();
                assert!(difference < 1e-3 * f64::from(largest), "{at}: {} and {expected}", gradient[at]);
            }
        }
    }

    #[test]
    fn slices_and_volumes_are_the_same_and_equal_images_cost_nothing() {
        let (x, y) = images(4 * 12 * 16);
        let volumes =
            l1_ssim(tensor(&x, [2, 1, 2, 12, 16]), tensor(&y, [2, 1, 2, 12, 16]), 1.0).into_scalar();
        let slices = l1_ssim(tensor(&x, [4, 1, 12, 16]), tensor(&y, [4, 1, 12, 16]), 1.0).into_scalar();
        assert_eq!(volumes, slices);
        let none = l1_ssim(tensor(&y, [4, 1, 12, 16]), tensor(&y, [4, 1, 12, 16]), 1.0).into_scalar();
        assert!(none.abs() < 1e-6, "{none}");
    }

    #[test]
    fn a_constant_background_gives_finite_gradients() {
        let zero = vec![0.0; 16 * 16];
        let x = tensor(&zero, [1, 1, 16, 16]).require_grad();
        let loss = l1_ssim(x.clone(), tensor(&zero, [1, 1, 16, 16]), 1.0);
        let gradient = x.grad(&loss.backward()).unwrap().into_data().to_vec::<f32>().unwrap();
        assert!(gradient.iter().all(|g| g.is_finite()));
    }
}
