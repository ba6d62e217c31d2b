//! The last check of a data set, kept beside its manifest: a check reads every case, which takes long.
//!
//! `DATA/datasets/<name>/check.json` may be deleted at any time; it is made again when it is asked for.

use std::{io::Read, path::Path};

use serde::{Deserialize, Serialize};
use transferscope_domain::dataset::{DatasetManifest, check::CheckReport};

use super::{DataError, check, manifest, store::write_whole};

/// The file's name.
const FILE: &str = "check.json";

/// Raised whenever a check says something else about the same data: older files are not believed.
const REVISION: u32 = 3;

/// Larger files are not read: they are not ours.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A check that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptCheck {
    revision: u32,
    /// Of the manifest that was checked, see [`key`].
    key: String,
    /// When it was done, in ms since 1970.
    pub checked_ms: i64,
    pub report: CheckReport,
}

/// A hash of everything that a manifest says.
pub fn key(manifest: &DatasetManifest) -> String {
    let text = serde_json::to_vec(manifest).unwrap_or_default();
    blake3::hash(&text).to_hex().to_string()
}

/// The check of this manifest that was kept in its folder; none where there is none of this revision.
pub fn read(dataset_dir: &Path, manifest: &DatasetManifest) -> Option<KeptCheck> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(dataset_dir.join(FILE)).ok()?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let kept: KeptCheck = serde_json::from_slice(&bytes).ok()?;
    (kept.revision == REVISION && kept.key == key(manifest)).then_some(kept)
}

/// Checks a data set at `now_ms` and keeps what was found. Where it cannot be written, the check stands
/// all the same.
///
/// # Errors
/// When the manifest cannot be read.
pub fn make(dataset_dir: &Path, now_ms: i64) -> Result<KeptCheck, DataError> {
    // Read before the check, so that a manifest that changes meanwhile makes the file worthless.
    let key = key(&manifest::load(dataset_dir)?);
    let kept = KeptCheck { revision: REVISION, key, checked_ms: now_ms, report: check::check(dataset_dir)? };
    let path = dataset_dir.join(FILE);
    let written = serde_json::to_vec(&kept)
        .map_err(|e| DataError::refused(&path, format!("cannot be written: {e}")))
        .and_then(|text| write_whole(&path, &text));
    if let Err(error) = written {
        tracing::warn!(dataset.id = kept.report.name, "the check is not kept: {error}");
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synth::{SynthOptions, generate};

    #[test]
    fn a_check_is_kept_until_the_manifest_changes() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SynthOptions { name: "x".into(), patients: 3, test_only: 0, seed: 1, size: [4, 16, 16] };
        let mut manifest = generate(folder.path(), &options, &|_, _| ()).unwrap();
        let dir = folder.path().join("x");
        assert_eq!(read(&dir, &manifest), None);
        let kept = make(&dir, 17).unwrap();
        assert!(kept.report.is_sound() && kept.checked_ms == 17, "{kept:?}");
        assert_eq!(read(&dir, &manifest), Some(kept));
        manifest.cases[0].spacing_mm[0] = 9.0;
        assert_eq!(read(&dir, &manifest), None);
        std::fs::write(dir.join(FILE), "{\"revision\":").unwrap();
        assert_eq!(read(&dir, &manifest), None);
    }
}
