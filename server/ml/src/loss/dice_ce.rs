//! Dice plus cross-entropy, over soft-max classes or one sigmoid channel.

use burn::tensor::{
    Int, Tensor,
    activation::{log_softmax, relu, sigmoid},
    backend::Backend,
};

use super::Inside;

/// Added to numerator and denominator of every Dice term.
const SMOOTHING: f64 = 1e-5;

/// The published forms of [`dice_ce`].
#[derive(Debug, Clone, PartialEq)]
pub enum DiceCe {
    /// One channel of sigmoid logits against labels 0 and 1, Dice plus binary cross-entropy:
    /// ProFound's fine-tuning on lesions.
    Sigmoid,
    /// Dice over the classes from 1 on, cross-entropy over all: ProFound's fine-tuning on
    /// anatomy.
    WithoutBackground,
    /// Dice over all classes, class `c` scaled by `weights[c]`; cross-entropy weighted likewise
    /// and divided by the sum of the weights of all positions: ProViCNet's pre-training with
    /// 0.02, 0.04, 0.5, 0.5.
    Weighted(Vec<f32>),
}

/// Dice loss plus cross-entropy.
///
/// Dice term of a sample and class: `1 - (2 sum(p t) + s) / (sum p + sum t + s)` with s = 1e-5,
/// then the plain mean over samples and classes; a class that a sample does not have still has a
/// term, near 1 as soon as anything is predicted. A target outside 0..C counts as no class.
///
/// # Shapes
/// - `logits`: `[B, C, ...]`, any number of spatial axes
/// - `target`: class indices `[B, ...]`, or `[B, 1, ...]`, of the same spatial axes
/// - `inside`: the positions that count; none for all
/// - result: `[1]`
///
/// # Panics
/// When the sizes do not fit each other, there is not one weight a class, or the sigmoid form gets
/// more than one channel.
///
/// # Source
/// MONAI `DiceCELoss` with `sigmoid`, or `to_onehot_y`, `softmax`, and `include_background=False` or
/// `weight`.
pub fn dice_ce<B: Backend, const D: usize, const T: usize>(
    logits: Tensor<B, D>,
    target: Tensor<B, T, Int>,
    form: &DiceCe,
    inside: Option<&Inside<B>>,
) -> Tensor<B, 1> {
    let terms = Terms::new(logits, target, form, inside);
    terms.dice(form) + terms.cross_entropy(form)
}

/// The Dice term of [`dice_ce`] alone.
///
/// # Shapes
/// As [`dice_ce`].
///
/// # Panics
/// As [`dice_ce`].
pub fn dice_loss<B: Backend, const D: usize, const T: usize>(
    logits: Tensor<B, D>,
    target: Tensor<B, T, Int>,
    form: &DiceCe,
    inside: Option<&Inside<B>>,
) -> Tensor<B, 1> {
    Terms::new(logits, target, form, inside).dice(form)
}

/// What both terms are made of, positions flattened: `[B, C, N]` each.
struct Terms<B: Backend> {
    probability: Tensor<B, 3>,
    truth: Tensor<B, 3>,
    /// Logarithm of the probability of what is true, zero for the classes that are not.
    log_likelihood: Tensor<B, 3>,
    /// Positions of all samples together.
    positions: f64,
}

impl<B: Backend> Terms<B> {
    fn new<const D: usize, const T: usize>(
        logits: Tensor<B, D>,
        target: Tensor<B, T, Int>,
        form: &DiceCe,
        inside: Option<&Inside<B>>,
    ) -> Self {
        let all = Self::of_all(logits, target, form);
        let Some(inside) = inside else { return all };
        // What is outside is neither predicted nor true, and no position.
        let mask = inside.flat();
        Self {
            probability: all.probability * mask.clone(),
            truth: all.truth * mask.clone(),
            log_likelihood: all.log_likelihood * mask,
            positions: all.positions * inside.share(),
        }
    }

    fn of_all<const D: usize, const T: usize>(
        logits: Tensor<B, D>,
        target: Tensor<B, T, Int>,
        form: &DiceCe,
    ) -> Self {
        let dims = logits.dims();
        let (batch, classes) = (dims[0], dims[1]);
        let positions: usize = dims[2..].iter().product();
        let device = logits.device();
        let logits = logits.reshape([batch, classes, positions]);
        let target = target.reshape([batch, 1, positions]);
        if *form == DiceCe::Sigmoid {
            assert_eq!(classes, 1, "the sigmoid form has one channel");
            let truth = target.float();
            // log(1 + e^-|x|) does not overflow.
            let cost = relu(logits.clone()) - logits.clone() * truth.clone()
                + logits.clone().abs().neg().exp().log1p();
            let positions = (batch * positions) as f64;
            return Self { probability: sigmoid(logits), truth, log_likelihood: cost.neg(), positions };
        }
        let log_p = log_softmax(logits, 1);
        let class = Tensor::<B, 1, Int>::arange(0..classes as i64, &device).reshape([1, classes, 1]);
        let truth = target
            .expand([batch, classes, positions])
            .equal(class.expand([batch, classes, positions]))
            .float();
        Self {
            probability: log_p.clone().exp(),
            log_likelihood: log_p * truth.clone(),
            truth,
            positions: (batch * positions) as f64,
        }
    }

    fn dice(&self, form: &DiceCe) -> Tensor<B, 1> {
        let [batch, classes, _] = self.truth.dims();
        let overlap = (self.probability.clone() * self.truth.clone()).sum_dim(2);
        let sizes = self.probability.clone().sum_dim(2) + self.truth.clone().sum_dim(2);
        let dice = ((overlap * 2.0 + SMOOTHING) / (sizes + SMOOTHING)).neg() + 1.0;
        match form {
            DiceCe::Sigmoid => dice.mean(),
            DiceCe::WithoutBackground => dice.slice([0..batch, 1..classes]).mean(),
            DiceCe::Weighted(weights) => (dice * self.by_class(weights)).mean(),
        }
    }

    fn cross_entropy(&self, form: &DiceCe) -> Tensor<B, 1> {
        match form {
            DiceCe::Sigmoid | DiceCe::WithoutBackground => {
                self.log_likelihood.clone().sum().neg() / self.positions
            }
            DiceCe::Weighted(weights) => {
                let weight = self.by_class(weights);
                let likelihood = self.log_likelihood.clone().sum_dim(2) * weight.clone();
                likelihood.sum().neg() / (self.truth.clone().sum_dim(2) * weight).sum()
            }
        }
    }

    /// Weights as `[1, C, 1]`.
    fn by_class(&self, weights: &[f32]) -> Tensor<B, 3> {
        let classes = self.truth.dims()[1];
        assert_eq!(weights.len(), classes, "one weight a class");
        Tensor::<B, 1>::from_floats(weights, &self.truth.device()).reshape([1, classes, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Emphasis, cross_entropy};
    use burn::tensor::TensorData;
    use burn_flex::Flex;

    #[test]
    fn a_sure_and_right_answer_costs_almost_nothing_and_a_wrong_one_much() {
        let device = Default::default();
        let logits = Tensor::<Flex, 3>::from_floats([[[9.0, -9.0, 9.0], [-9.0, 9.0, -9.0]]], &device);
        let loss = |target: [i64; 3]| {
            let target = Tensor::<Flex, 1, Int>::from_data(target, &device).reshape([1, 3]);
            dice_ce(logits.clone(), target, &DiceCe::WithoutBackground, None).into_scalar()
        };
        assert!(loss([0, 1, 0]) < 1e-3);
        assert!(loss([1, 0, 1]) > 15.0);
    }

    /// Padding, whatever is said there, costs what no padding costs.
    #[test]
    fn what_is_outside_costs_nothing() {
        let device = Default::default();
        let small = [0.5, -1.0, 2.0, 0.1, -0.5, 1.5, 0.3, -2.0];
        let logits = Tensor::<Flex, 5>::from_data(TensorData::new(small.to_vec(), [1, 2, 1, 2, 2]), &device);
        let target =
            Tensor::<Flex, 5, Int>::from_data(TensorData::new(vec![0i32, 1, 1, 0], [1, 1, 1, 2, 2]), &device);
        let far = Tensor::<Flex, 5>::full([1, 2, 1, 2, 1], 9.0, &device);
        let padded = Tensor::cat(vec![logits.clone(), far], 4);
        let labels = Tensor::cat(vec![target.clone(), Tensor::zeros([1, 1, 1, 2, 1], &device)], 4);
        let inside = Inside::new(vec![1.0, 1.0, 0.0, 1.0, 1.0, 0.0], [1, 1, 1, 2, 3], &device);
        for form in [DiceCe::WithoutBackground, DiceCe::Weighted(vec![0.2, 0.8])] {
            let plain = dice_ce(logits.clone(), target.clone(), &form, None).into_scalar();
            let masked = dice_ce(padded.clone(), labels.clone(), &form, Some(&inside)).into_scalar();
            assert!((plain - masked).abs() < 1e-6, "{form:?}: {plain} and {masked}");
            assert!(
                (plain - dice_ce(padded.clone(), labels.clone(), &form, None).into_scalar()).abs() > 1e-3
            );
        }
        for emphasis in [Emphasis::default(), Emphasis { weights: Some(vec![0.3, 2.0]), gamma: 2.0 }] {
            let plain = cross_entropy(logits.clone(), target.clone(), &emphasis, None).into_scalar();
            let masked =
                cross_entropy(padded.clone(), labels.clone(), &emphasis, Some(&inside)).into_scalar();
            assert!((plain - masked).abs() < 1e-6, "{emphasis:?}: {plain} and {masked}");
        }
    }
}
