//! `transferscope resume RUN`: a run that failed or was stopped goes on from its checkpoint.

use std::process::ExitCode;

use anyhow::{Result, bail};
use transferscope_domain::RunId;

use super::{Context, client::Client, output};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's id.
    #[arg(value_name = "RUN")]
    run: RunId,
}

/// Asks the folder's server to let the run go on.
///
/// # Errors
/// When no server is at work on the data folder, or it refuses.
pub fn run(context: &Context, args: &Args) -> Result<ExitCode> {
    let data = context.data()?;
    let Some(server) = data.running_server()? else {
        bail!(
            "no server is running on {}: start `transferscope serve`, then resume the run",
            data.root().display()
        );
    };
    let client = Client::new(&server, &data)?;
    let run = super::runtime()?.block_on(client.resume(&args.run))?;
    if context.json {
        output::json(&run)?;
    } else {
        output::print(&format!(
            "run {} is {}; watch it at {}/runs/{}",
            run.id, run.state, client.url, run.id
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
