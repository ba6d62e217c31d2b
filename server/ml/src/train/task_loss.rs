//! What a training makes small: the task's loss, as it was chosen.

use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::Loss;

use super::{
    batch::TargetBatch,
    example::{Example, Target},
};
use crate::{
    loss::{DiceCe, Emphasis, Inside, balanced_weights, cross_entropy, dice_ce, dice_loss, l1_ssim},
    model::io::Outputs,
};

/// Weight of the structural term beside the mean absolute error.
const SSIM_WEIGHT: f64 = 0.2;
/// Exponent of the focal loss, as published.
const GAMMA: f64 = 2.0;
/// Weight of a second head's loss.
///
/// # Source
/// ProFound's fine-tuning with UPerNet.
const AUXILIARY_WEIGHT: f64 = 0.4;

/// The loss of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskLoss {
    /// None for a plain Dice + cross-entropy, or cross-entropy.
    emphasis: Option<Emphasis>,
}

impl TaskLoss {
    /// The chosen loss; `train` tells how frequent each of `classes` classes is.
    pub fn new(choice: Loss, train: &[Example], classes: usize) -> Self {
        let emphasis = match choice {
            Loss::Standard => None,
            Loss::Focal => Some(Emphasis { weights: None, gamma: GAMMA }),
            Loss::Balanced => {
                let weights = balanced_weights(&counts(train, classes));
                Some(Emphasis { weights: Some(weights), gamma: 0.0 })
            }
        };
        Self { emphasis }
    }

    /// Whether samples are drawn so that every class of a case comes as often as the others.
    pub fn balances_samples(choice: Loss) -> bool {
        choice == Loss::Standard
    }

    /// The loss of what a network gave, with its second head's where there is one; what is not `inside` a case
    /// does not count.
    pub fn of<B: Backend>(
        &self,
        outputs: Outputs<B>,
        target: TargetBatch<B>,
        inside: Option<&Inside<B>>,
    ) -> Tensor<B, 1> {
        match outputs.auxiliary {
            Some(auxiliary) => {
                let second = self.plain(auxiliary, target.clone(), inside);
                self.plain(outputs.main, target, inside) + second * AUXILIARY_WEIGHT
            }
            None => self.plain(outputs.main, target, inside),
        }
    }

    fn plain<B: Backend>(
        &self,
        output: Tensor<B, 5>,
        target: TargetBatch<B>,
        inside: Option<&Inside<B>>,
    ) -> Tensor<B, 1> {
        let usual = Emphasis::default();
        match (target, &self.emphasis) {
            (TargetBatch::Labels(labels), None) => {
                dice_ce(output, labels, &DiceCe::WithoutBackground, inside)
            }
            (TargetBatch::Labels(labels), Some(emphasis)) => {
                dice_loss(output.clone(), labels.clone(), &DiceCe::WithoutBackground, inside)
                    + cross_entropy(output, labels, emphasis, inside)
            }
            (TargetBatch::Label(labels), emphasis) => {
                cross_entropy(output, labels, emphasis.as_ref().unwrap_or(&usual), None)
            }
            (TargetBatch::Image { sharp, degraded }, _) => match inside {
                // Outside both images are zero: what the network adds there is taken out, and the mean is over
                // what is left.
                Some(inside) => {
                    l1_ssim(output * inside.mask() + degraded, sharp, SSIM_WEIGHT) / inside.share()
                }
                None => l1_ssim(output + degraded, sharp, SSIM_WEIGHT),
            },
        }
    }
}

/// Positions or cases of each class.
fn counts(examples: &[Example], classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    let mut count = |class: u8| {
        if let Some(n) = counts.get_mut(usize::from(class)) {
            *n += 1;
        }
    };
    for example in examples {
        match &example.target {
            Target::Labels(labels) => labels.iter().copied().for_each(&mut count),
            Target::Label(label) => count(*label),
            Target::Image { .. } => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    #[test]
    fn a_second_head_counts_less_and_weights_follow_the_training_cases() {
        let device = Default::default();
        let example =
            |label| Example::new(("c", "p"), [1, 1, 1], Vec::new(), Target::Label(label), Vec::new());
        let train: Vec<Example> = [0, 0, 0, 1].map(example).into();
        let loss = TaskLoss::new(Loss::Balanced, &train, 2);
        assert_eq!(loss.emphasis.as_ref().unwrap().weights, Some(vec![2.0 / 3.0, 2.0]));
        let logits = Tensor::<Flex, 5>::zeros([1, 2, 1, 1, 1], &device);
        let target = || TargetBatch::Label(Tensor::from_ints([1], &device));
        let one = loss.of(logits.clone().into(), target(), None).into_scalar();
        let outputs = Outputs { main: logits.clone(), auxiliary: Some(logits) };
        let both = loss.of(outputs, target(), None).into_scalar();
        assert!((one - 2f32.ln()).abs() < 1e-6 && (both - 1.4 * 2f32.ln()).abs() < 1e-6, "{one} {both}");
    }
}
