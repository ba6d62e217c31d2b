//! How runs end.

use std::io;

use transferscope_domain::{Failure, FailureKind};

use crate::{checkpoint::CheckpointError, data::DataError, device::DeviceError};

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// `report.json` is in place.
    Finished,
    /// The observer asked to stop; the last checkpoint is in place.
    Cancelled { step: u64, epoch: f64 },
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data can be read, but do not serve what was asked for.
    #[error("{0}")]
    Unserved(String),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The backbone has no weights to start from, or does not say what it is.
    #[error("{0}")]
    Backbone(String),
    /// Out of range, not for this device, or not for each other.
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the loss became {loss} at step {step} (epoch {epoch:.2})")]
    NonFiniteLoss { loss: f64, step: u64, epoch: f64 },
    #[error("could not write {what}: {source}")]
    Write { what: String, source: io::Error },
    /// What should always succeed did not.
    #[error("{0}")]
    Internal(String),
}

impl RunError {
    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        match self {
            RunError::Data(error) => error.kind(),
            RunError::Unserved(_) => FailureKind::BadData,
            RunError::Checkpoint(error) => error.kind(),
            RunError::Backbone(_) => FailureKind::BadCheckpoint,
            RunError::Settings(_) => FailureKind::BadSettings,
            RunError::Device(error) => error.kind(),
            RunError::NonFiniteLoss { .. } => FailureKind::NonFiniteLoss,
            RunError::Write { source, .. } => FailureKind::of_machine(source).unwrap_or(FailureKind::Disk),
            RunError::Internal(_) => FailureKind::Internal,
        }
    }

    /// The failure in words for people, with a hint.
    pub fn failure(&self) -> Failure {
        Failure::new(self.kind(), self.to_string())
    }
}
