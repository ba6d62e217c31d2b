//! `transferscope worker RUN_DIR`

use std::{path::PathBuf, process::ExitCode};

use transferscope_server::worker::{EXIT_INTERRUPTED, EXIT_NOT_RECORDED, Ended, WorkerError, work};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run directory, with its request.json.
    #[arg(value_name = "RUN_DIR")]
    run_dir: PathBuf,
    /// The number of this worker of the run; counted from the event log if not given.
    #[arg(long)]
    attempt: Option<u32>,
}

/// Carries out the run and says in the exit code how it ended.
pub fn run(args: &Args) -> ExitCode {
    match work(&args.run_dir, args.attempt) {
        Ok(Ended::Finished) => {
            eprintln!("finished");
            ExitCode::SUCCESS
        }
        Ok(Ended::Already) => {
            eprintln!("this run has ended already; nothing to do");
            ExitCode::SUCCESS
        }
        Ok(Ended::Cancelled { .. }) => {
            eprintln!("stopped as asked");
            ExitCode::SUCCESS
        }
        Ok(Ended::Interrupted) => {
            eprintln!("interrupted; start the worker again to go on from the last checkpoint");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Ok(Ended::Failed(failure)) => {
            eprintln!("error: {} ({}). {}", failure.message, failure.kind, failure.hint);
            ExitCode::from(1)
        }
        Err(error @ WorkerError::NotRecorded { .. }) => {
            eprintln!("error: {error}");
            ExitCode::from(EXIT_NOT_RECORDED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
