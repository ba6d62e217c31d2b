//! `transferscope predict`: which backbone will help, from frozen features alone.

use std::process::ExitCode;

use anyhow::Result;
use transferscope_domain::{Task, TaskKind, prediction::Prediction, run::DeviceChoice};
use transferscope_server::results::predictions;
use transferscope_store::now_ms;
use transferscope_study::analysis::foretold::SCORES;

use super::{
    Context,
    output::{self, Progress},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data set whose training cases are used.
    #[arg(long, env = "TRANSFERSCOPE_DATASET", default_value = super::submit::PHANTOM)]
    dataset: String,
    /// A task, such as segmentation or segmentation:lesion; may be repeated. Default: every kind of task that the data
    /// set can be used for.
    #[arg(long)]
    task: Vec<Task>,
    /// A backbone; may be repeated. Default: every backbone with a checkpoint.
    #[arg(long)]
    backbone: Vec<String>,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, env = "TRANSFERSCOPE_DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

/// Scores backbones on tasks and keeps the result for the pages.
///
/// # Errors
/// When data or backbones cannot be read.
pub fn run(context: &Context, args: Args) -> Result<ExitCode> {
    let data = context.data()?;
    let given = !args.task.is_empty();
    let tasks = if given { args.task } else { TaskKind::ALL.map(Task::from).to_vec() };
    let mut made = Vec::new();
    for task in tasks {
        let bar = Progress::new(format!("scoring {task}"));
        let progress = |done: usize, total: usize| bar.set(done as u64, total as u64);
        let wanted = (args.dataset.as_str(), task);
        match predictions::make(&data, wanted, &args.backbone, args.device, now_ms(), &progress) {
            Ok(prediction) => made.push(prediction),
            Err(predictions::PredictError::Unusable(problem)) if !given => {
                bar.line(&format!("left out: {problem}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if context.json {
        output::json(&made)?;
    } else {
        made.iter().try_for_each(|p| output::print(&table(p)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(prediction: &Prediction) -> String {
    let shown = |score: Option<f64>| score.map_or_else(|| "-".into(), |v| format!("{v:.3}"));
    let rows: Vec<Vec<String>> = prediction
        .backbones
        .iter()
        .map(|b| {
            let scores = SCORES.iter().map(|(_, of)| shown(of(b)));
            let row = std::iter::once(b.backbone.clone()).chain(scores);
            row.chain([format!("{:.1}", b.seconds)]).collect()
        })
        .collect();
    let mut head = vec!["backbone"];
    head.extend(SCORES.map(|(name, _)| name));
    head.push("seconds");
    let right: Vec<usize> = (1..head.len()).collect();
    let title = format!("{} on {}: {}", prediction.task, prediction.dataset, prediction.target);
    let words = "Higher is better in every column; @random-weights is the same network untrained, the control; -: no such score \
                 of this target, or too few cases.";
    format!("{title}\n{}{words}\n", output::table(&head, &rows, &right))
}
