//! Dice plus cross-entropy, over soft-max classes or one sigmoid channel.

use burn::tensor::{
    Int, Tensor,
    activation::{log_softmax, relu, sigmoid},
    backend::Backend,
};

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
) -> Tensor<B, 1> {
    let terms = Terms::new(logits, target, form);
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
) -> Tensor<B, 1> {
    Terms::new(logits, target, form).dice(form)
}

/// What both terms are made of, positions flattened: `[B, C, N]` each.
struct Terms<B: Backend> {
    probability: Tensor<B, 3>,
    truth: Tensor<B, 3>,
    /// Logarithm of the probability of what is true, zero for the classes that are not.
    log_likelihood: Tensor<B, 3>,
}

impl<B: Backend> Terms<B> {
    fn new<const D: usize, const T: usize>(
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
            return Self { probability: sigmoid(logits), truth, log_likelihood: cost.neg() };
        }
        let log_p = log_softmax(logits, 1);
        let class = Tensor::<B, 1, Int>::arange(0..classes as i64, &device).reshape([1, classes, 1]);
        let truth = target
            .expand([batch, classes, positions])
            .equal(class.expand([batch, classes, positions]))
            .float();
        Self { probability: log_p.clone().exp(), log_likelihood: log_p * truth.clone(), truth }
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
        let [batch, _, positions] = self.truth.dims();
        match form {
            DiceCe::Sigmoid | DiceCe::WithoutBackground => {
                self.log_likelihood.clone().sum().neg() / (batch * positions) as f64
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
    use burn_flex::Flex;

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
