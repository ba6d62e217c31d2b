//! `transferscope backbone list`

use std::process::ExitCode;

use anyhow::Result;
use transferscope_ml::backbone::registry;

use super::{Context, output};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the backbones that runs can start from.
    List,
}

/// Carries the command out.
///
/// # Errors
/// When stdout is closed or the data folder cannot be used.
pub fn run(context: &Context, command: Command) -> Result<ExitCode> {
    let Command::List = command;
    let backbones = registry(context.data()?.root());
    if context.json {
        output::json(&backbones)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = backbones
        .iter()
        .map(|b| {
            let checkpoint = match (&b.objective, b.pretrained) {
                (Some(objective), true) => objective.clone(),
                (None, true) => "yes".into(),
                (_, false) => "none".into(),
            };
            vec![
                b.name.clone(),
                b.family.as_str().into(),
                format!("{:.2} M", b.parameters as f64 / 1e6),
                checkpoint,
                b.pretraining_data.clone().unwrap_or_else(|| "-".into()),
            ]
        })
        .collect();
    let head = ["name", "family", "parameters", "checkpoint", "pre-trained on"];
    output::print(&output::table(&head, &rows, &[2]))?;
    Ok(ExitCode::SUCCESS)
}
