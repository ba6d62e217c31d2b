//! `request.json` in a run directory: what was asked for, written once before the run is queued.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde_json::Value;
use transferscope_domain::{ExperimentId, RunRequest, run::REQUEST_SCHEMA};

/// Its name.
pub const FILE: &str = "request.json";
/// Largest request that is read, in bytes; those that are written have some thousand.
const BYTES_MAX: u64 = 1 << 20;

/// Why a request cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("{FILE} cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("{FILE} is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("{FILE} has schema {found}; this program ({}) knows schema {REQUEST_SCHEMA}", env!("CARGO_PKG_VERSION"))]
    Schema { found: String },
    #[error("{FILE} is not a run request: {0}")]
    NotARequest(serde_json::Error),
}

/// The request of a run directory.
///
/// # Errors
/// When it is not there, cannot be read, or is not one that this program knows.
pub fn read(run_dir: &Path) -> Result<RunRequest, RequestError> {
    let value = read_value(run_dir)?;
    match value.get("schema") {
        Some(schema) if schema.as_u64() == Some(u64::from(REQUEST_SCHEMA)) => {}
        other => {
            let found = other.map_or_else(|| "none".to_owned(), Value::to_string);
            return Err(RequestError::Schema { found });
        }
    }
    serde_json::from_value(value).map_err(RequestError::NotARequest)
}

/// The experiment that a run was asked for by, as far as a request of any version says it.
pub fn experiment(run_dir: &Path) -> Option<ExperimentId> {
    read_value(run_dir).ok()?.get("experiment")?.as_str()?.parse().ok()
}

fn read_value(run_dir: &Path) -> Result<Value, RequestError> {
    let mut text = String::new();
    File::open(run_dir.join(FILE))?.take(BYTES_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(RequestError::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let says = |text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(dir.path().join(FILE), text).unwrap();
            }
            read(dir.path()).unwrap_err().to_string()
        };
        assert!(says(None).starts_with("request.json cannot be read: "));
        assert!(says(Some("{")).starts_with("request.json is not JSON: "));
        assert!(says(Some("{}")).starts_with("request.json has schema none; "));
        assert!(says(Some(r#"{"schema": 99, "experiment": "qspen2dnzv"}"#)).contains("has schema 99; "));
        assert_eq!(experiment(dir.path()).unwrap().as_str(), "qspen2dnzv");
        assert!(
            says(Some(&format!(r#"{{"schema": {REQUEST_SCHEMA}}}"#)))
                .starts_with("request.json is not a run request: ")
        );
        assert_eq!(experiment(dir.path()), None);
    }
}
