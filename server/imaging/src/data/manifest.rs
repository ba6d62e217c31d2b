//! `dataset.json`: reading, listing, hashing.

use std::{
    io::Read,
    path::{Component, Path},
};

use transferscope_domain::dataset::{CaseEntry, DatasetManifest, contents::CSPCA};

use super::DataError;

/// The version of `dataset.json` written now.
pub const SCHEMA: u32 = 1;

/// The manifest's file name.
pub const FILE: &str = "dataset.json";

/// Larger manifests are refused before they are read: some 200,000 cases fit.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// Whether `name` can be a data set's name, which is also its folder.
pub fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && name.as_bytes()[0].is_ascii_alphanumeric()
}

/// BLAKE3 over the cases' hashes, ids, patients, splits and, where they are known, labels, in the
/// manifest's order.
pub fn content_hash(cases: &[CaseEntry]) -> String {
    let mut hasher = blake3::Hasher::new();
    for case in cases {
        for part in [&case.case_id, &case.patient_id, case.split.as_str(), &case.hash] {
            add(&mut hasher, part);
        }
        if let Some(cspca) = case.cspca {
            add(&mut hasher, if cspca { "cspca" } else { "no cspca" });
        }
        for (label, class) in case.labels.iter().filter(|(label, _)| **label != CSPCA) {
            add(&mut hasher, label);
            add(&mut hasher, class);
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// BLAKE3 over which case of which patient is in which split, in the order of the ids.
pub fn split_hash(cases: &[CaseEntry]) -> String {
    let mut rows: Vec<[&str; 3]> =
        cases.iter().map(|c| [c.case_id.as_str(), c.patient_id.as_str(), c.split.as_str()]).collect();
    rows.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    rows.iter().flatten().for_each(|part| add(&mut hasher, part));
    hasher.finalize().to_hex().to_string()
}

/// With its length, so that parts cannot run into one another.
fn add(hasher: &mut blake3::Hasher, part: &str) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part.as_bytes());
}

/// Reads the manifest of a data set folder. One written before there was a split hash gets it.
///
/// # Errors
/// When there is none, it is no manifest, its version is unknown, or a path in it leaves the folder.
pub fn load(dataset_dir: &Path) -> Result<DatasetManifest, DataError> {
    let path = dataset_dir.join(FILE);
    let file = std::fs::File::open(&path).map_err(DataError::io(&path))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(DataError::io(&path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(DataError::refused(&path, format!("larger than {MAX_BYTES} bytes")));
    }
    let mut manifest: DatasetManifest = serde_json::from_slice(&bytes)
        .map_err(|e| DataError::refused(&path, format!("not a data set manifest: {e}")))?;
    if manifest.schema != SCHEMA {
        let reason =
            format!("version {} of the manifest; this program reads version {SCHEMA}", manifest.schema);
        return Err(DataError::refused(&path, reason));
    }
    for case in &manifest.cases {
        let inside = Path::new(&case.prepared).components().all(|c| matches!(c, Component::Normal(_)));
        if !inside || case.prepared.is_empty() {
            let reason =
                format!("case {:?}: {:?} is not a path inside the data set", case.case_id, case.prepared);
            return Err(DataError::refused(&path, reason));
        }
    }
    manifest.settle();
    if let Some(problem) = manifest.contents.problem() {
        return Err(DataError::refused(&path, problem));
    }
    if manifest.split_hash.is_empty() {
        manifest.split_hash = split_hash(&manifest.cases);
    }
    Ok(manifest)
}

/// The manifests of all data sets, sorted by name; a folder whose manifest cannot be read is logged
/// and left out.
///
/// # Errors
/// When the folder is there and cannot be listed. No folder means no data sets.
pub fn list(datasets_dir: &Path) -> Result<Vec<DatasetManifest>, DataError> {
    let entries = match std::fs::read_dir(datasets_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(DataError::Io { path: datasets_dir.to_owned(), source }),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(DataError::io(datasets_dir))?;
        let folder = entry.path();
        let Some(name) = entry.file_name().to_str().filter(|n| is_name(n)).map(str::to_owned) else {
            continue;
        };
        if !folder.join(FILE).is_file() {
            continue;
        }
        match load(&folder) {
            Ok(manifest) if manifest.name == name => found.push(manifest),
            Ok(manifest) => {
                tracing::warn!(dataset.id = name, "left out: its manifest names it {:?}", manifest.name);
            }
            Err(error) => tracing::warn!(dataset.id = name, "left out: {error}"),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for bad in ["", ".", "..", "../x", "a/b", "A", "a b", ".hidden", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("phantom") && is_name("pi-cai_v1.2"));
    }

    #[test]
    fn broken_manifests_are_refused_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path()), Err(DataError::Io { .. })));
        let path = folder.path().join(FILE);
        std::fs::write(&path, "{}").unwrap();
        assert!(
            load(folder.path()).unwrap_err().to_string().contains("dataset.json: not a data set manifest")
        );
        let text = r#"{"schema":1,"name":"x","source":"s","synthetic":false,"hash":"","refused":[],"split_seed":0,
            "cases":[{"case_id":"a","patient_id":"a","split":"train","shape":[1,1,1],"spacing_mm":[1,1,1],
                      "channels":[],"prepared":"../../etc/passwd","hash":""}]}"#;
        std::fs::write(&path, text).unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("inside the data set"));
        std::fs::write(&path, text.replace("../../etc/passwd", "prepared/a.safetensors")).unwrap();
        let old = load(folder.path()).unwrap();
        assert_eq!(old.split_hash, split_hash(&old.cases), "manifests without a split hash still load");
        std::fs::write(&path, text.replace("\"schema\":1", "\"schema\":9")).unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("version 9"));
    }
}
