//! The settings of a training: one row each.
//!
//! Everything that is said or done for all settings comes from this table: the fields of [`TrainingSpec`] and of
//! [`Overrides`], `--set` and its help, limits and their messages, the form's fields, the run page's rows, which runs may
//! be compared, the API's words and the reference page in `docs`. A new setting is a row here and the place that uses it.

mod row;

use serde::{Deserialize, Serialize};

pub use crate::choice::{Choice, Kind, Value};
pub use row::{Scope, Setting};
use row::{choice, names, number, settings};

use crate::{
    Adaptation, Augmentation, Degradation, Family, Head, Inference, Inputs, Loss, Optimiser, Precision,
    Target, TaskKind, choice::SettingType, task::Output,
};

settings! {
    /// Which mask a segmentation learns where its task does not say.
    target: Target = choice("Segmentation target", Target::Zones)
        .help("Which mask is segmented where the task does not say; better written as the task segmentation:lesion.")
        .scope(Scope::Task(TaskKind::Segmentation))
        .old();

    /// Images that go in, by name; empty for all that a data set has.
    inputs: Inputs = names("Images that go in", Inputs::ALL)
        .help("Images of the data set that go in, such as t2w,adc; empty for all (but the one that is to come out).")
        .must_agree("images that go in");

    /// What a super-resolution's input has lost.
    degradation: Degradation = choice("Super-resolution input", Degradation::InPlane2)
        .help("How the input was degraded.")
        .scope(Scope::Task(TaskKind::SuperResolution))
        .must_agree("degradation");

    /// What of the network is trained.
    adaptation: Adaptation = choice("Adaptation", Adaptation::Full)
        .help("What is trained: everything (the default), the head on a frozen encoder, a linear layer, or the head and low-rank updates. Several choices multiply the runs; the specialist is always trained in full.")
        .scope(Scope::Encoder)
        .several();

    /// What turns features into the task's output.
    head: Head = choice("Head", Head::Compact)
        .help("Turns features into the task's output. The published heads are for one family each; the specialist has its own.")
        .scope(Scope::Encoder);

    /// What a training makes small.
    loss: Loss = choice("Loss", Loss::Standard)
        .help("What training minimises; image restoration keeps L1 + SSIM.")
        .must_agree("loss");

    /// What is done to training samples.
    augmentation: Augmentation = choice("Augmentation", Augmentation::Flip)
        .help("Applied to training samples, the same in every arm. For image restoration, samples are at most mirrored.")
        .must_agree("augmentation");

    /// How often a network sees a case in tests and validations.
    inference: Inference = choice("Test-time augmentation", Inference::Once)
        .help("Averaging with the mirrored input takes twice the time.")
        .must_agree("test-time augmentation");

    /// What products of a training step are computed in.
    precision: Precision = choice("Precision", Precision::Float32)
        .help("For multiplications in training steps, not in tests. 16 bits are faster on CUDA GPUs and slower on a CPU.")
        .must_agree("precision")
        .pretraining();

    /// Rank of LoRA's additions.
    lora_rank: u32 = number("LoRA rank", 1, 64).usually(4)
        .help("Rank of the updates to the encoder's matrices; LoRA only.")
        .scope(Scope::Encoder)
        .when(|spec| spec.adaptation == Adaptation::Lora);

    /// Each layer of the encoder learns at this share of the rate of the one above it; 1 is the same rate everywhere.
    layer_decay: f64 = number("Layer-wise learning rate decay", 0.01, 1.0).usually(1.0)
        .help("Learning rate of an encoder layer divided by that of the layer above; 1 means equal.")
        .scope(Scope::Encoder)
        .when(|spec| matches!(spec.adaptation, Adaptation::Full | Adaptation::Lora));

    /// Chance that a sample skips the encoder's last block in training; the first one is never skipped, those between in
    /// proportion. Full fine-tuning only.
    drop_path: f64 = number("Stochastic depth", 0.0, 0.9).usually(0.0)
        .help("Probability of skipping the encoder's last block, lower for earlier blocks; full fine-tuning only.")
        .scope(Scope::Encoder)
        .when(|spec| spec.adaptation == Adaptation::Full);

    /// Samples (crops of a volume, or slices) in one optimiser step.
    batch_size: u32 = number("Batch size", 1, 256).by_network(batch_size)
        .help("Samples in one optimiser step.")
        .pretraining();

    /// Crops (3-D families) or slices (2.5-D) drawn from each training case in one epoch.
    samples_per_case: u32 = number("Samples per case and epoch", 1, 256).by_network(samples_per_case)
        .help("Crops (3-D networks) or slices (ProViCNet) drawn from each training case in one epoch.")
        .pretraining();

    /// The rule by which gradients change the parameters.
    optimiser: Optimiser = choice("Optimiser", Optimiser::AdamW)
        .help("The rule by which gradients change the parameters.");

    /// Peak learning rate.
    lr: f64 = number("Learning rate", 1e-8, 1.0).by_network(lr)
        .help("Peak of the cosine schedule.")
        .pretraining();

    /// Learning rate at the end of the schedule.
    min_lr: f64 = number("Final learning rate", 0.0, 1.0).usually(0.0)
        .help("Where the cosine schedule ends; at most the learning rate.")
        .pretraining();

    /// Decoupled weight decay on tensors of rank 2 and more.
    weight_decay: f64 = number("Weight decay", 0.0, 1.0).usually(0.05)
        .help("Decoupled, on tensors of rank 2 and more.")
        .pretraining();

    /// Epochs of linear warm-up, may be fractional.
    warmup_epochs: f64 = number("Warm-up epochs", 0.0, 1000.0).usually(1.0)
        .help("Linear; at most half of all epochs.")
        .pretraining();

    /// Largest norm of all gradients together; larger ones are scaled down.
    clip_norm: f64 = number("Gradient clipping, norm", 1e-3, 1e6).usually(1.0)
        .help("Largest norm of all gradients taken together; larger ones are scaled down.")
        .pretraining();

    /// Share of the training cases that are learnt from; the others are left out, the same ones in every arm.
    label_share: f64 = number("Share of training cases", 0.01, 1.0).usually(1.0)
        .help("Fraction of the training cases that is used, the same cases in every arm, such as 0.1, 0.25, 1. Several values multiply the runs.")
        .several()
        .must_agree("share of training cases");
}

fn batch_size(family: Family, _: TaskKind) -> u32 {
    family.step_defaults().batch_size
}

fn samples_per_case(family: Family, task: TaskKind) -> u32 {
    // A label of a whole case takes several slices already.
    if task.output() == Some(Output::Label) { 1 } else { family.step_defaults().samples_per_case }
}

fn lr(family: Family, task: TaskKind) -> f64 {
    let lr = family.step_defaults().lr;
    // What restores an image is new in every arm and small: it wants longer steps.
    if task.output() == Some(Output::Image) { 2.0 * lr } else { lr }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arm;

    #[test]
    fn every_setting_has_its_words_and_its_default_is_within_its_limits() {
        for setting in Setting::ALL {
            assert!(!setting.label.is_empty() && setting.help.ends_with('.'), "{}", setting.name);
            for family in Family::ALL {
                for task in TaskKind::ALL {
                    let spec = TrainingSpec::default_for(family, task);
                    let mut all = Overrides::default();
                    setting.set(&mut all, &setting.text(&spec)).unwrap();
                    assert_eq!(all.errors().get(setting.name), None);
                }
            }
        }
    }

    /// An empty choice on the form is the default.
    #[test]
    fn the_first_choice_is_the_default() {
        for setting in Setting::ALL {
            if let Kind::Choice(choices) = setting.kind() {
                let spec = TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation);
                assert_eq!(choices[0].name, setting.text(&spec), "{}", setting.name);
            }
        }
    }

    /// A run's page lists what counts for it, and nothing else.
    #[test]
    fn settings_count_where_they_are_used() {
        let spec = TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation);
        let counts = |name: &str, spec: &TrainingSpec, task, arm| {
            Setting::named(name).unwrap().counts(spec, task, arm)
        };
        assert!(!counts("target", &spec, TaskKind::Segmentation, Arm::Scratch), "the task says it");
        assert!(counts("inputs", &spec, TaskKind::Segmentation, Arm::Scratch));
        assert!(!counts("degradation", &spec, TaskKind::Segmentation, Arm::Scratch));
        assert!(!counts("head", &spec, TaskKind::Segmentation, Arm::Specialist));
        assert!(!counts("lora_rank", &spec, TaskKind::Segmentation, Arm::Pretrained));
        let lora = TrainingSpec { adaptation: Adaptation::Lora, ..spec.clone() };
        assert!(counts("lora_rank", &lora, TaskKind::Segmentation, Arm::Pretrained));
        for setting in Setting::ALL {
            let used = setting.counts(&spec, TaskKind::Pretraining, Arm::Scratch);
            assert_eq!(used, setting.pretraining, "{}", setting.name);
        }
        assert!(counts("lr", &spec, TaskKind::Pretraining, Arm::Scratch));
        assert!(!counts("loss", &spec, TaskKind::Pretraining, Arm::Scratch));
    }
}
