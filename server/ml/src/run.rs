//! One run from request to report: the function that a worker process calls.

use std::path::Path;

use transferscope_domain::{RunRequest, run::Failure};

use crate::{device::DeviceError, observer::Observer};

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// `report.json` is in place.
    Finished,
    /// The observer asked to stop; the last checkpoint is in place.
    Cancelled,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}")]
    Data(String),
    #[error("{0}")]
    Checkpoint(String),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the loss became {loss} at step {step} (epoch {epoch:.2})")]
    NonFiniteLoss { loss: f64, step: u64, epoch: f64 },
    #[error("could not write {what}: {source}")]
    Write { what: String, source: std::io::Error },
}

impl RunError {
    /// The failure in words for people, with a hint.
    pub fn failure(&self) -> Failure {
        let (kind, hint) = match self {
            RunError::Data(_) => ("bad-data", "Check the data set (transferscope dataset check NAME) and start the run again."),
            RunError::Checkpoint(_) => ("bad-checkpoint", "Check the backbone's checkpoint, or use the scratch arm."),
            RunError::Device(_) => ("device", "Choose the device cpu or auto, or install the NVIDIA driver."),
            RunError::NonFiniteLoss { .. } => ("non-finite-loss", "Repeat the run with a smaller learning rate (lr) or a smaller clip_norm."),
            RunError::Write { .. } => ("disk", "Make room on the disk that holds the data folder, or check its permissions, and repeat the run."),
        };
        Failure { kind: kind.into(), message: self.to_string(), hint: hint.into() }
    }
}

/// Trains, validates, tests and measures alignment as `request` says, going on from
/// `checkpoints/last` if `run_dir` has one. `attempt` counts workers of this run from 1.
///
/// # Errors
/// See [`RunError`]; the run directory stays usable for another attempt.
pub fn execute(request: &RunRequest, run_dir: &Path, attempt: u32, observer: &dyn Observer) -> Result<Outcome, RunError> {
    let _ = (request, run_dir, attempt, observer);
    Err(RunError::Data("training is not wired yet".into()))
}
