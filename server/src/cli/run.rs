//! `transferscope run`: one run.

use std::process::ExitCode;

use anyhow::Result;
use transferscope_domain::{Arm, Task, experiment::ExperimentSpec};

use super::{Context, submit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backbone, see `transferscope backbone list`; not needed for the specialist.
    #[arg(long, env = "TRANSFERSCOPE_BACKBONE", required_unless_present = "arm")]
    backbone: Option<String>,
    /// segmentation, classification, distortion-correction, super-resolution or modality-translation; of which mask,
    /// label or image after a colon, as in segmentation:lesion.
    #[arg(long, env = "TRANSFERSCOPE_TASK")]
    task: Task,
    /// The data set.
    #[arg(long, env = "TRANSFERSCOPE_DATASET", default_value = super::submit::PHANTOM)]
    dataset: String,
    /// pretrained, scratch or specialist.
    #[arg(long, env = "TRANSFERSCOPE_ARM", default_value = "pretrained")]
    arm: Arm,
    /// Determines the order of the data and all random weights.
    #[arg(long, env = "TRANSFERSCOPE_SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    training: submit::TrainingArgs,
    #[command(flatten)]
    how: submit::How,
}

/// Starts the run.
///
/// # Errors
/// When it is refused or cannot be carried out.
pub fn run(context: &Context, args: Args) -> Result<ExitCode> {
    let mut spec = ExperimentSpec {
        name: String::new(),
        backbones: args.backbone.into_iter().collect(),
        tasks: vec![args.task],
        arms: vec![args.arm],
        dataset: args.dataset,
        seeds: vec![args.seed],
        label_shares: Vec::new(),
        adaptations: Vec::new(),
        epochs: None,
        overrides: Default::default(),
    };
    if args.arm == Arm::Specialist {
        spec.backbones.clear();
    }
    args.training.apply(&mut spec)?;
    submit::submit(context, &spec, &args.how)
}
