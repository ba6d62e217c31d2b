//! The specialist: a residual 3-D U-Net of one size, trained from random weights for one task.

use super::{Facts, StepDefaults};

/// What is said of the family.
pub const FACTS: Facts = Facts {
    name: "unet",
    label: "Residual 3-D U-Net",
    step: StepDefaults { batch_size: 2, samples_per_case: 1, lr: 2e-3 },
    heads: &[],
    objectives: &[],
    sizes: &[],
    named: |_| None,
};
