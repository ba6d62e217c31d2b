//! What can go wrong with data, each with the file and the reason.

use std::path::{Path, PathBuf};

use transferscope_domain::{FailureKind, dataset::LeftOut};

/// Why data could not be read, trusted or stored.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// A file that is there but cannot be used as what it claims to be.
    #[error("{}: {reason}", path.display())]
    Refused { path: PathBuf, reason: String },
    /// A data set under this name exists and holds something else.
    #[error("a data set named {name:?} exists already and holds other content: choose another name or remove {}", path.display())]
    Exists { name: String, path: PathBuf },
    /// Not a name that can be a folder, a URL part and a column everywhere.
    #[error(
        "{0:?} cannot be the name of a data set: use 1 to 64 characters from a-z, 0-9, '-', '_' and '.', starting with a letter or digit"
    )]
    BadName(String),
    /// Nothing in the folder can be used.
    #[error("{}: no usable case: {}", folder.display(), describe(refused))]
    NoUsableCase { folder: PathBuf, refused: Vec<LeftOut> },
    /// Options that make no data set.
    #[error("{0}")]
    Options(String),
}

/// The first few refusals in words; the rest is counted.
fn describe(refused: &[LeftOut]) -> String {
    const SHOWN: usize = 5;
    if refused.is_empty() {
        return "it holds no case folder (a folder with t2w.nii, t2w.nii.gz, t2w.mha or t2w/ with DICOM files)".into();
    }
    let mut text = refused
        .iter()
        .take(SHOWN)
        .map(|r| format!("{}: {}", r.case_id, r.reason))
        .collect::<Vec<_>>()
        .join("; ");
    if refused.len() > SHOWN {
        text.push_str(&format!("; and {} more", refused.len() - SHOWN));
    }
    text
}

impl DataError {
    /// What kind of failure it is for a run.
    pub fn kind(&self) -> FailureKind {
        match self {
            DataError::Io { source, .. } => FailureKind::of_machine(source).unwrap_or(FailureKind::BadData),
            DataError::Refused { .. } | DataError::NoUsableCase { .. } => FailureKind::BadData,
            DataError::Exists { .. } | DataError::BadName(_) | DataError::Options(_) => {
                FailureKind::BadSettings
            }
        }
    }

    /// For `map_err` on file operations.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> DataError {
        let path = path.as_ref().to_owned();
        move |source| DataError::Io { path, source }
    }

    /// A file that is refused for `reason`.
    pub fn refused(path: impl AsRef<Path>, reason: impl Into<String>) -> DataError {
        DataError::Refused { path: path.as_ref().to_owned(), reason: reason.into() }
    }
}
