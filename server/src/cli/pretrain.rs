//! `transferscope pretrain`

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, anyhow, bail};
use transferscope_domain::{backbone::is_name, event::EventBody, run::DeviceChoice};
use transferscope_ml::{
    observer::{self, Observer},
    pretrain::{Objective, PretrainOptions, pretrain},
};

use super::{
    Context,
    output::{self, Progress},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// mae (3-D ConvNeXt-V2) or patch-contrast (2.5-D vision transformer).
    #[arg(long)]
    objective: Objective,
    /// Name of the new backbone.
    #[arg(long)]
    backbone: String,
    /// Data set to learn from; best one that no run is tested on.
    #[arg(long)]
    dataset: String,
    /// Folder for card.json and weights.safetensors; by default backbones/NAME in the data
    /// folder, where runs find it.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: u32,
    /// Boxes (mae) or slices (patch-contrast) in a step.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    batch_size: Option<u32>,
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    #[arg(long, env = "TRANSFERSCOPE_DEVICE", default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
}

struct Terminal(Progress);

impl Observer for Terminal {
    fn event(&self, body: EventBody) -> std::io::Result<()> {
        match body {
            EventBody::Step { step, loss, .. } => {
                self.0.note(format!("loss {loss:.4}"));
                if step % 50 == 0 {
                    self.0.line(&format!("step {step}: loss {loss:.4}"));
                }
            }
            EventBody::Metric { name, value, .. } => self.0.line(&format!("{name} = {value:.4}")),
            _ => {}
        }
        Ok(())
    }

    fn progress(&self, p: observer::Progress) {
        let total = if p.progress > 0.0 { (p.step as f64 / p.progress).round() as u64 } else { 0 };
        self.0.set(p.step, total);
    }

    fn should_stop(&self) -> bool {
        false
    }
}

/// Carries the command out.
///
/// # Errors
/// When the data cannot serve, the loss is not finite, or the files cannot be written.
pub fn run(context: &Context, args: Args) -> Result<ExitCode> {
    if !is_name(&args.backbone) {
        bail!("{:?} is not a backbone name: use letters, digits, '-', '_' and '.'", args.backbone);
    }
    if !(args.lr > 0.0 && args.lr <= 1.0) {
        bail!("--lr {} is out of range: use a number above 0 and at most 1", args.lr);
    }
    let data = context.data()?;
    let batch_size = args.batch_size.unwrap_or(match args.objective {
        Objective::Mae => 2,
        Objective::PatchContrast => 8,
    });
    let options = PretrainOptions {
        objective: args.objective,
        dataset_dir: data.datasets().join(&args.dataset),
        out: args.out.unwrap_or_else(|| data.root().join("backbones").join(&args.backbone)),
        command: format!(
            "transferscope pretrain --objective {} --backbone {} --dataset {} --seed {} --epochs {} --batch-size {batch_size} --lr {}",
            args.objective.as_str(),
            args.backbone,
            args.dataset,
            args.seed,
            args.epochs,
            args.lr
        ),
        backbone: args.backbone,
        seed: args.seed,
        epochs: args.epochs,
        batch_size,
        lr: args.lr,
        device: args.device,
    };
    let terminal = Terminal(Progress::new("pre-training"));
    let card = pretrain(&options, &terminal).map_err(|e| anyhow!("{e}"))?;
    drop(terminal);
    if context.json {
        output::json(&card)?;
    } else {
        output::print(&format!(
            "backbone {}: {} steps in {:.0} s, written to {}",
            card.name,
            card.steps,
            card.seconds,
            options.out.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
