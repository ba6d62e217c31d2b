//! What every run takes from its directory and leaves there, a pre-training too.

use std::{fs, path::Path};

use transferscope_domain::{RunRequest, dataset::DatasetManifest, report::RunReport};

use crate::{
    checkpoint::write_atomically,
    data::manifest,
    observer::{Observer, written},
    outcome::RunError,
};

/// Version of `report.json` written now.
pub(crate) const REPORT_SCHEMA: u32 = 1;
/// The manifest of the data set that a request names.
///
/// # Errors
/// When it cannot be read or is of other content than when the run was asked for.
pub(crate) fn load_manifest(request: &RunRequest, run_dir: &Path) -> Result<DatasetManifest, RunError> {
    let dir = run_dir.join(&request.dataset_dir);
    let manifest = manifest::load(&dir)?;
    if manifest.hash == request.dataset_hash {
        return Ok(manifest);
    }
    Err(RunError::Unserved(format!(
        "the data set {:?} has changed since the run was submitted (hash {} then, {} now)",
        request.dataset, request.dataset_hash, manifest.hash
    )))
}

/// Writes `report.json`; waits for room where the disk is full.
pub(crate) fn write_report(
    run_dir: &Path,
    report: &RunReport,
    observer: &dyn Observer,
) -> Result<(), RunError> {
    let what = "report.json";
    let bytes = serde_json::to_vec_pretty(report)
        .map_err(|e| RunError::Internal(format!("{what} could not be made: {e}")))?;
    written(observer, what, || write_atomically(&run_dir.join(what), &bytes))
}

/// Most memory that this process has held, in bytes; 0 where the system does not say.
pub fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
