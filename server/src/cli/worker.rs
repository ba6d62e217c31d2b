//! `transferscope worker RUN_DIR`

use std::{io::Write, path::PathBuf, process::ExitCode};

use transferscope_domain::Failure;
use transferscope_server::queue::{
    executor::WorkerLockError,
    worker::{
        EXIT_CANNOT_WRITE, EXIT_INTERRUPTED, EXIT_LOCK_HELD, EXIT_NOT_RECORDED, EXIT_NOT_WRITTEN, Ended,
        WorkerError, work,
    },
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run directory, with its request.json.
    #[arg(value_name = "RUN_DIR")]
    run_dir: PathBuf,
    /// The number of this attempt at the run; counted from the event log if not given.
    #[arg(long)]
    attempt: Option<u32>,
}

/// Carries out the run and says in the exit code how it ended.
pub fn run(args: &Args) -> ExitCode {
    let (code, words) = match work(&args.run_dir, args.attempt) {
        Ok(Ended::Finished) => (0, "finished".to_owned()),
        Ok(Ended::Already) => (0, "this run has ended already; nothing to do".to_owned()),
        Ok(Ended::Cancelled { .. }) => (0, "stopped on request".to_owned()),
        Ok(Ended::Interrupted) => (
            EXIT_INTERRUPTED,
            "interrupted; start the worker again to continue from the last checkpoint".to_owned(),
        ),
        Ok(Ended::Failed(failure)) => (1, in_words(&failure)),
        Ok(Ended::CannotWrite(failure)) => (EXIT_CANNOT_WRITE, in_words(&failure)),
        Ok(Ended::NotWritten(failure)) => (EXIT_NOT_WRITTEN, in_words(&failure)),
        Err(error) => (code(&error), format!("error: {error}")),
    };
    // The log of a worker lies on the disk that may be full: what it cannot say the code says.
    let _unheard = writeln!(std::io::stderr(), "{words}");
    ExitCode::from(code)
}

fn code(error: &WorkerError) -> u8 {
    match error {
        WorkerError::Lock(WorkerLockError::Held { .. }) => EXIT_LOCK_HELD,
        WorkerError::Lock(WorkerLockError::Io { .. }) | WorkerError::Log { .. } => EXIT_CANNOT_WRITE,
        WorkerError::NotRecorded { .. } => EXIT_NOT_RECORDED,
        WorkerError::NoRun(_) | WorkerError::Signals(_) => 1,
    }
}

fn in_words(failure: &Failure) -> String {
    format!("error: {} ({}). {}", failure.message, failure.kind, failure.hint)
}
