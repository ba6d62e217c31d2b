//! `transferscope reindex`

use std::process::ExitCode;

use anyhow::Result;
use transferscope_server::storage::reindex::{self, Summary};

use super::{Context, output};

/// Makes the database anew and says what it holds.
///
/// # Errors
/// When a server holds the folder, or the disk does not take the new database.
pub fn run(context: &Context) -> Result<ExitCode> {
    let data = context.data()?;
    let bar = output::Progress::new("runs");
    let made =
        super::runtime()?.block_on(reindex::reindex(&data, |done, all| bar.set(done as u64, all as u64)));
    drop(bar);
    let summary = made?;
    if context.json {
        output::json(&summary)?;
    } else {
        output::print(&in_words(&summary, &data.database().display().to_string()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(summary: &Summary, path: &str) -> String {
    let Summary { runs, states, experiments, experiments_from_runs, links, frozen_pages, moved, .. } =
        summary;
    let states: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let mut lines = vec![
        format!("{path} was rebuilt:"),
        format!("  {runs} runs ({})", states.join(", ")),
        format!("  {experiments} experiments"),
        format!("  {links} links, {frozen_pages} frozen pages"),
    ];
    if *experiments_from_runs > 0 {
        lines.push(format!(
            "  {experiments_from_runs} experiments were restored from their runs alone: they have no name, and their \
             plan is derived from the runs"
        ));
    }
    if *moved > 0 {
        lines.push(format!("  {moved} queued runs keep the place that they were moved to"));
    }
    for skipped in &summary.skipped {
        lines.push(format!("left out: {}: {}", skipped.what, skipped.why));
    }
    if let Some(kept) = &summary.kept {
        let why = summary.damage.as_ref().map(|d| format!(" (damaged: {d})")).unwrap_or_default();
        lines.push(format!("The database that was there is kept as {}{why}.", kept.display()));
    }
    lines.join("\n")
}
