//! Dice plus cross-entropy over softmax classes.

use burn::tensor::{Int, Tensor, activation::log_softmax, backend::Backend};

/// Added to numerator and denominator of every Dice term.
const SMOOTHING: f64 = 1e-5;

/// The two published forms of [`dice_ce`].
#[derive(Debug, Clone, PartialEq)]
pub enum DiceCe {
    /// Dice over the classes from 1 on, cross-entropy over all: ProFound's fine-tuning on
    /// anatomy.
    WithoutBackground,
    /// Dice over all classes, class `c` scaled by `weights[c]`; cross-entropy weighted likewise
    /// and divided by the sum of the weights of all positions: ProViCNet's pre-training with
    /// 0.02, 0.04, 0.5, 0.5.
    Weighted(Vec<f32>),
}

/// Dice loss plus cross-entropy of softmax classes.
///
/// Dice term of a sample and class: `1 - (2 sum(p t) + s) / (sum p + sum t + s)` with s = 1e-5,
/// then the plain mean over samples and classes; a class that a sample does not have still has a
/// term, near 1 as soon as anything is predicted. A target outside 0..C counts as no class.
///
/// # Shapes
/// - `logits`: `[B, C, ...]`, any number of spatial axes
/// - `target`: class indices `[B, ...]`, or `[B, 1, ...]`, of the same spatial axes
/// - result: `[1]`
///
/// # Panics
/// When the sizes do not fit each other or there is not one weight a class.
///
/// # Source
/// MONAI `DiceCELoss` with `to_onehot_y`, `softmax`, and `include_background=False` or `weight`.
pub fn dice_ce<B: Backend, const D: usize, const T: usize>(
    logits: Tensor<B, D>,
    target: Tensor<B, T, Int>,
    form: &DiceCe,
) -> Tensor<B, 1> {
    let dims = logits.dims();
    let (batch, classes) = (dims[0], dims[1]);
    let positions: usize = dims[2..].iter().product();
    let device = logits.device();

    let log_p = log_softmax(logits.reshape([batch, classes, positions]), 1);
    let p = log_p.clone().exp();
    let class = Tensor::<B, 1, Int>::arange(0..classes as i64, &device).reshape([1, classes, 1]);
    let truth = target
        .reshape([batch, 1, positions])
        .expand([batch, classes, positions])
        .equal(class.expand([batch, classes, positions]))
        .float();

    let overlap = (p.clone() * truth.clone()).sum_dim(2);
    let in_truth = truth.clone().sum_dim(2);
    let dice = ((overlap * 2.0 + SMOOTHING) / (p.sum_dim(2) + in_truth.clone() + SMOOTHING)).neg() + 1.0;
    let log_likelihood = (log_p * truth).sum_dim(2);

    match form {
        DiceCe::WithoutBackground => {
            let cross_entropy = log_likelihood.sum().neg() / (batch * positions) as f64;
            dice.slice([0..batch, 1..classes]).mean() + cross_entropy
        }
        DiceCe::Weighted(weights) => {
            assert_eq!(weights.len(), classes, "one weight a class");
            let weight = Tensor::<B, 1>::from_floats(weights.as_slice(), &device).reshape([1, classes, 1]);
            let cross_entropy =
                (log_likelihood * weight.clone()).sum().neg() / (in_truth * weight.clone()).sum();
            (dice * weight).mean() + cross_entropy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{self, Tensors};
    use burn::{backend::Autodiff, tensor::TensorData};
    use burn_flex::Flex;

    type B = Autodiff<Flex>;

    fn check<const D: usize>(tensors: &Tensors, case: &str, form: &DiceCe) {
        let tolerances = reference::json("metrics/loss_tolerances.json").unwrap();
        let device = Default::default();
        let name = |what: &str| format!("{case}.{what}");
        let logits = TensorData::new(tensors.f32(&name("logits")), tensors.shape(&name("logits")));
        let target: Vec<i64> = tensors.f64(&name("target")).iter().map(|v| *v as i64).collect();
        let target = TensorData::new(target, tensors.shape(&name("target")));

        let logits = Tensor::<B, D>::from_data(logits, &device).require_grad();
        let target = Tensor::<B, D, Int>::from_data(target, &device);
        let loss = dice_ce(logits.clone(), target, form);
        let gradient = logits.grad(&loss.backward()).unwrap();
        let ours = |data: TensorData| data.iter::<f64>().collect::<Vec<f64>>();
        for (what, ours) in [("loss", ours(loss.into_data())), ("grad_logits", ours(gradient.into_data()))] {
            let theirs = tensors.f64(&name(what));
            let tolerance = &tolerances["dice_ce.safetensors"][name(what)];
            let relative = reference::relative_l2(&ours, &theirs);
            let absolute = reference::max_abs_difference(&ours, &theirs);
            assert!(relative <= tolerance["tol_rel_l2"].as_f64().unwrap(), "{case} {what}: {relative}");
            assert!(absolute <= tolerance["tol_max_abs"].as_f64().unwrap(), "{case} {what}: {absolute}");
        }
    }

    #[test]
    fn volumes_without_background_equal_the_reference() {
        let Some(tensors) = reference::tensors("metrics/dice_ce.safetensors") else { return };
        for case in ["random", "missing_classes"] {
            check::<5>(&tensors, &format!("{case}.softmax_nobg"), &DiceCe::WithoutBackground);
        }
    }

    #[test]
    fn weighted_slices_equal_the_reference() {
        let Some(tensors) = reference::tensors("metrics/dice_ce.safetensors") else { return };
        for case in ["random", "missing_classes"] {
            let form = DiceCe::Weighted(vec![0.02, 0.04, 0.5, 0.5]);
            check::<4>(&tensors, &format!("{case}.softmax_weighted"), &form);
        }
    }

    #[test]
    fn a_sure_and_right_answer_costs_almost_nothing_and_a_wrong_one_much() {
        let device = Default::default();
        let logits = Tensor::<Flex, 3>::from_floats([[[9.0, -9.0, 9.0], [-9.0, 9.0, -9.0]]], &device);
        let loss = |target: [i64; 3]| {
            let target = Tensor::<Flex, 1, Int>::from_data(target, &device).reshape([1, 3]);
            dice_ce(logits.clone(), target, &DiceCe::WithoutBackground).into_scalar()
        };
        assert!(loss([0, 1, 0]) < 1e-3);
        assert!(loss([1, 0, 1]) > 15.0);
    }
}
