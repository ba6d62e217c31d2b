//! Cross-entropy of classes: plain, weighted by class, focal.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax, backend::Backend};

use super::Inside;

/// How much the costs of single positions count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Emphasis {
    /// One a class; none for all alike.
    pub weights: Option<Vec<f32>>,
    /// Exponent of `1 - p`, where p is the probability of what is true: 0 is the plain cross-entropy.
    pub gamma: f64,
}

/// Mean over positions of `-w (1 - p)^gamma log p`, divided by the mean weight.
///
/// # Shapes
/// - `logits`: `[B, C, ...]`
/// - `target`: class indices, `[B]` or `[B, 1, ...]` of the same spatial axes
/// - `inside`: the positions that count; none for all
/// - result: `[1]`
///
/// # Panics
/// When the sizes do not fit each other or there is not one weight a class.
///
/// # Source
/// Lin et al., "Focal Loss for Dense Object Detection" (2017); with weights and gamma 0 PyTorch's
/// `cross_entropy(weight=...)`.
pub fn cross_entropy<B: Backend, const D: usize, const T: usize>(
    logits: Tensor<B, D>,
    target: Tensor<B, T, Int>,
    emphasis: &Emphasis,
    inside: Option<&Inside<B>>,
) -> Tensor<B, 1> {
    let dims = logits.dims();
    let (batch, classes) = (dims[0], dims[1]);
    let positions: usize = dims[2..].iter().product();
    let device = logits.device();
    let log_p = log_softmax(logits.reshape([batch, classes, positions]), 1);
    let target = target.reshape([batch, 1, positions]);
    let log_p = log_p.gather(1, target.clone());
    let mut cost = log_p.clone().neg();
    if emphasis.gamma != 0.0 {
        // The power's gradient at 0 is infinite for gamma below 1.
        let missing = (log_p.exp().neg() + 1.0).clamp_min(1e-6);
        cost = cost * missing.powf_scalar(emphasis.gamma);
    }
    let mask = inside.map(Inside::flat);
    match &emphasis.weights {
        None => match (mask, inside) {
            (Some(mask), Some(inside)) => (cost * mask).mean() / inside.share(),
            _ => cost.mean(),
        },
        Some(weights) => {
            assert_eq!(weights.len(), classes, "one weight a class");
            let table = Tensor::<B, 1>::from_data(TensorData::new(weights.clone(), [classes]), &device);
            let weight = table.select(0, target.reshape([batch * positions]));
            let weight = match mask {
                Some(mask) => weight * mask.reshape([batch * positions]),
                None => weight,
            };
            let cost = cost.reshape([batch * positions]) * weight.clone();
            cost.sum() / weight.sum().clamp_min(1e-12)
        }
    }
}

/// Weights against frequent classes: the inverse of a class's share, scaled to a mean of 1 over
/// what is there. A class that is not there has the weight 0.
///
/// # Source
/// scikit-learn's `class_weight="balanced"`.
pub fn balanced_weights(counts: &[u64]) -> Vec<f32> {
    let present = counts.iter().filter(|n| **n > 0).count().max(1) as f64;
    let total: u64 = counts.iter().sum();
    let weight = |n: u64| if n == 0 { 0.0 } else { total as f64 / (present * n as f64) };
    counts.iter().map(|n| weight(*n) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::{backend::Autodiff, tensor::Distribution};
    use burn_flex::Flex;

    type A = Autodiff<Flex>;

    fn plain(weights: Option<Vec<f32>>, gamma: f64) -> Emphasis {
        Emphasis { weights, gamma }
    }

    #[test]
    fn computed_by_hand() {
        let device = Default::default();
        let logits = Tensor::<Flex, 2>::from_floats([[0.0, 0.0], [2.0, 0.0]], &device);
        let target = Tensor::<Flex, 1, Int>::from_ints([1, 0], &device);
        let value = |e: &Emphasis| cross_entropy(logits.clone(), target.clone(), e, None).into_scalar();
        let (a, p) = (2f32.ln(), 1.0 / (1.0 + (-2f32).exp()));
        let b = -p.ln();
        assert!((value(&plain(None, 0.0)) - (a + b) / 2.0).abs() < 1e-6);
        assert!((value(&plain(Some(vec![1.0, 3.0]), 0.0)) - (3.0 * a + b) / 4.0).abs() < 1e-6);
        let focal = (0.25 * a + (1.0 - p) * (1.0 - p) * b) / 2.0;
        assert!((value(&plain(None, 2.0)) - focal).abs() < 1e-6);
    }

    #[test]
    fn weights_are_those_of_a_balanced_sum() {
        assert_eq!(balanced_weights(&[30, 10]), [2.0 / 3.0, 2.0]);
        assert_eq!(balanced_weights(&[5, 0]), [1.0, 0.0]);
        assert_eq!(balanced_weights(&[0, 0]), [0.0, 0.0]);
    }

    /// Central differences of single precision values agree to 2 % of the largest gradient.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let device = Default::default();
        let target = Tensor::<A, 5, Int>::from_data(
            TensorData::new((0..12).map(|i| i % 3).collect::<Vec<i32>>(), [2, 1, 1, 2, 3]),
            &device,
        );
        let start = Tensor::<A, 5>::random([2, 3, 1, 2, 3], Distribution::Normal(0.0, 1.0), &device);
        for emphasis in [plain(None, 0.0), plain(Some(vec![0.2, 1.0, 3.0]), 0.0), plain(None, 2.0)] {
            let logits = start.clone().require_grad();
            let grads = cross_entropy(logits.clone(), target.clone(), &emphasis, None).backward();
            let ours = logits.grad(&grads).unwrap().into_data().to_vec::<f32>().unwrap();
            let values = start.clone().into_data().to_vec::<f32>().unwrap();
            let largest = ours.iter().fold(0f32, |m, g| m.max(g.abs()));
            for i in 0..values.len() {
                let at = |step: f32| {
                    let mut moved = values.clone();
                    moved[i] += step;
                    let x = Tensor::<A, 5>::from_data(TensorData::new(moved, [2, 3, 1, 2, 3]), &device);
                    cross_entropy(x, target.clone(), &emphasis, None).into_scalar()
                };
                let numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!(
                    (numeric - ours[i]).abs() < 0.02 * largest,
                    "{emphasis:?} {i}: {numeric} {}",
                    ours[i]
                );
            }
        }
    }
}
