//! Why a checkpoint cannot be used.

use std::io;

use transferscope_domain::FailureKind;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path} has {size} bytes, more than the {limit} that a checkpoint may have")]
    TooLarge { path: String, size: u64, limit: u64 },
    #[error("{path} is not a usable checkpoint: {reason}")]
    Damaged { path: String, reason: String },
    #[error("{path} cannot be read: {reason}")]
    Unsupported { path: String, reason: String },
    #[error("{path}: {name} is not a readable tensor, but {found}")]
    Opaque { path: String, name: String, found: String },
    #[error("{path}: tensor {name} has type {found}; f64, f32, f16 and bf16 can be read as weights")]
    Type { path: String, name: String, found: String },
    #[error("{path} does not fit the model: {count} encoder tensors are missing, the first is {first}")]
    Missing { path: String, count: usize, first: String },
    #[error("{path}: tensor {name} has shape {found:?}, the model needs {expected:?}")]
    Shape { path: String, name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("{path}: tensor {name} holds a value that is not finite")]
    NotFinite { path: String, name: String },
}

impl CheckpointError {
    /// What kind of failure it is for a run.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Read { source, .. } => {
                FailureKind::of_machine(source).unwrap_or(FailureKind::BadCheckpoint)
            }
            Self::TooLarge { .. }
            | Self::Damaged { .. }
            | Self::Unsupported { .. }
            | Self::Opaque { .. }
            | Self::Type { .. }
            | Self::Missing { .. }
            | Self::Shape { .. }
            | Self::NotFinite { .. } => FailureKind::BadCheckpoint,
        }
    }
}

/// What is wrong inside a file, before its name is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file contradicts itself or its format.
    #[error("{0}")]
    Damaged(String),
    /// The file is sound, but of a kind that is not read.
    #[error("{0}")]
    Unsupported(String),
}

impl Fault {
    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged(reason.into())
    }

    /// The error to show for the file at `path`.
    pub(crate) fn at(self, path: &str) -> CheckpointError {
        let path = path.to_owned();
        match self {
            Fault::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                CheckpointError::Damaged { path, reason: "it ends too early".into() }
            }
            Fault::Io(source) => CheckpointError::Read { path, source },
            Fault::Damaged(reason) => CheckpointError::Damaged { path, reason },
            Fault::Unsupported(reason) => CheckpointError::Unsupported { path, reason },
        }
    }
}
