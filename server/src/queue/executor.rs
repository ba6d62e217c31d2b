//! Where workers run. The dispatcher knows only this trait.

use std::{io, path::Path};

use transferscope_domain::RunId;

mod local;
mod processes;
mod worker_lock;

pub use local::LocalExecutor;
pub use worker_lock::{WorkerLock, WorkerLockError, lock_if_idle};

/// Why an executor could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    #[error("the worker could not be started ({what}): {source}")]
    Start { what: String, source: io::Error },
    #[error("the worker's lock cannot be checked: {0}")]
    Lock(io::Error),
    #[error("the processes of this machine cannot be listed: {0}")]
    Processes(io::Error),
    #[error("the worker (pid {pid}) could not be signalled: {source}")]
    Signal { pid: u32, source: io::Error },
}

/// Whether a run's worker lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    Alive,
    /// Gone, with what is known about its end.
    Dead(Ending),
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Exit(i32),
    Signal(i32),
    /// Nobody of this process saw it end.
    Unseen,
}

/// How firmly to end a worker that did not stop by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    Terminate,
    Kill,
}

/// Starts, watches and ends workers.
pub trait Executor: Send + Sync {
    /// Starts a worker for a run directory, the `attempt`th of this run; it outlives this process. The caller has
    /// asked [`Executor::alive`] before: there is none.
    ///
    /// # Errors
    /// When nothing could be started: a problem of the place where workers run, never of the run.
    fn submit(&self, run: &RunId, run_dir: &Path, attempt: u32) -> Result<(), ExecutorError>;

    /// Whether the run's worker lives, whoever started it, from its very start on: before it has its lock, and
    /// after a restart of this process.
    ///
    /// # Errors
    /// When that cannot be found out now; not a statement about the worker.
    fn alive(&self, run: &RunId, run_dir: &Path) -> Result<Liveness, ExecutorError>;

    /// Ends a worker by force. A worker that is gone already is no error.
    ///
    /// # Errors
    /// When the worker is there and cannot be reached.
    fn cancel(&self, run: &RunId, run_dir: &Path, force: Force) -> Result<(), ExecutorError>;
}
