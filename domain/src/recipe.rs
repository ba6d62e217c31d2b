//! Choices of a training beside its numbers: precision, head, loss, augmentation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    choice::choices,
    name::Name,
    task::{Output, Task, TaskKind},
};

choices! {
    /// What matrix products and convolutions of a training step are computed in. Validation and tests are
    /// computed in 32 bits always.
    Precision, "precision" {
        Float32 = "float32", "32 bits", "Everything in 32-bit floats.";
        /// Mixed: products in bfloat16, sums, normalisations and parameters in 32 bits.
        Bfloat16 = "bfloat16", "Mixed, bfloat16",
            "Matrix products in 16 bits: faster and with less memory on CUDA GPUs, slower on a CPU.";
    }
}

choices! {
    /// What turns an encoder's features into a task's output.
    Head, "head" {
        /// Ours, small; pooling and two layers for a classification.
        Compact = "compact", "Compact", "A small head that every family and task has.";
        /// ProFound's classifier: a narrow layer with batch normalisation.
        Classifier = "classifier", "Two-layer classifier (ProFound)", "For classification with profound-conv.";
        /// ProFound's UPerNet, with its auxiliary head in training.
        Upernet = "upernet", "UPerNet (ProFound)", "Pyramid of all four stages; profound-conv, 3-D output.";
        /// ProFound's UNETR.
        Unetr = "unetr", "UNETR (ProFound)", "Transposed convolutions with skips; profound-conv, 3-D output.";
        /// ProViCNet's: one backbone per image, and their fusion; its convolution head where there is one image.
        Fusion = "fusion", "Fusion of images (ProViCNet)",
            "One backbone per image and the published head; provicnet, output for every pixel.";
    }
}

impl Head {
    /// Whether it gives what a task asks for; which families have it is what they say.
    pub fn fits(self, task: TaskKind) -> bool {
        let label = task.output() == Some(Output::Label);
        match self {
            Head::Compact => true,
            Head::Classifier => label,
            Head::Upernet | Head::Unetr | Head::Fusion => !label,
        }
    }

    /// Whether every image gets a backbone of its own.
    pub fn has_own_backbones(self) -> bool {
        self == Head::Fusion
    }
}

choices! {
    /// What a training makes small.
    Loss, "loss" {
        /// Dice and cross-entropy for segmentation, cross-entropy on balanced samples for
        /// classification, L1 and SSIM for images.
        Standard = "standard", "Default of the task",
            "Dice + cross-entropy, cross-entropy on balanced samples, or L1 + SSIM.";
        /// Focal loss in place of the cross-entropy.
        Focal = "focal", "Focal",
            "Cross-entropy that weights easy samples less (gamma 2); segmentation keeps its Dice part.";
        /// Cross-entropy weighted by how rare a class is, on samples as they come.
        Balanced = "balanced", "Class-balanced",
            "Cross-entropy that weights rare classes more; segmentation keeps its Dice part.";
    }
}

choices! {
    /// How parameters follow their gradients.
    Optimiser, "optimiser" {
        AdamW = "adamw", "AdamW", "Adam with decoupled weight decay.";
        Sgd = "sgd", "SGD with momentum",
            "Gradient descent with momentum 0.9; by default 30 times the learning rate and weight decay 0.0001.";
        /// You et al., 2017, in the form of MAE's linear probing.
        Lars = "lars", "LARS",
            "Gradient descent with momentum 0.9 and steps in proportion to the norm of a layer's weights; by default 300 times the learning rate and no weight decay; made for linear probes and large batches, slow in few steps.";
    }
}

impl Optimiser {
    /// Learning rate and weight decay where nothing else was said, from those of AdamW: what they mean depends on the
    /// rule.
    pub fn defaults(self, lr: f64, weight_decay: f64) -> (f64, f64) {
        match self {
            Optimiser::AdamW => (lr, weight_decay),
            Optimiser::Sgd => (30.0 * lr, 1e-4),
            Optimiser::Lars => (300.0 * lr, 0.0),
        }
    }
}

choices! {
    /// What is done to a training sample before the network sees it. Every arm of a pair sees the same.
    Augmentation, "augmentation" {
        Flip = "flip", "Mirrored", "Half of the samples are mirrored left to right.";
        None = "none", "None", "Samples as they are.";
        /// Also turned, scaled, bent, and of other contrast.
        Standard = "standard", "Standard",
            "Mirroring, rotation, scaling, elastic deformation, noise, bias field and contrast; for image restoration mirroring only.";
    }
}

choices! {
    /// Which mask a segmentation learns, as it was asked for before tasks had targets.
    Target, "target" {
        /// Of the gland, where a data set has no zones.
        Zones = "zones", "Zones of the gland", "Peripheral and transition zone, or the gland where a data set has no zones.";
        Gland = "gland", "Gland", "The whole gland.";
        /// Cases with an empty mask count: they have no lesion.
        Lesion = "lesion", "Lesions", "All annotated lesions; uses the cases with a lesion mask, even an empty one.";
    }
}

impl Target {
    /// The task with the target that requests named beside it before tasks had targets.
    pub fn of(self, task: Task) -> Task {
        let old = Some(self).filter(|t| task.kind == TaskKind::Segmentation && *t != Target::default());
        Task { target: task.target.or(old.and_then(|t| Name::new(t.as_str()).ok())), ..task }
    }
}

choices! {
    /// What a super-resolution's input has lost.
    Degradation, "degradation" {
        InPlane2 = "in-plane-2", "Half of the lines", "In-plane k-space truncated by 2 in both directions.";
        InPlane4 = "in-plane-4", "Three quarters of the lines", "In-plane k-space truncated by 4 in both directions.";
        Thick2 = "thick-2", "Slices of double thickness", "Two neighbouring slices averaged.";
        Thick4 = "thick-4", "Slices of fourfold thickness", "Four neighbouring slices averaged.";
    }
}

impl Degradation {
    /// Slices that become one; 1 where slices stay as they are.
    pub fn slices_averaged(self) -> usize {
        match self {
            Degradation::InPlane2 | Degradation::InPlane4 => 1,
            Degradation::Thick2 => 2,
            Degradation::Thick4 => 4,
        }
    }
}

choices! {
    /// How a trained network is asked in tests and validations.
    Inference, "inference" {
        Once = "once", "As it is", "Every case goes through the network once.";
        /// Mean of the case and its mirror image.
        Flipped = "flipped", "With its mirror image",
            "Mean of the predictions for a case and for its mirror image; takes twice the time.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_round_and_an_unknown_one_is_told_the_others() {
        for head in Head::ALL {
            assert_eq!(head.as_str().parse::<Head>(), Ok(*head));
            assert_eq!(serde_json::to_value(head).unwrap(), head.as_str());
        }
        let error = "float8".parse::<Precision>().unwrap_err();
        assert_eq!(error, "unknown precision \"float8\": use one of float32, bfloat16");
        assert_eq!(Head::default(), Head::Compact);
    }
}
