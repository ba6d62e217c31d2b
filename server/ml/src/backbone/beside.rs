//! What lies beside a checkpoint file: a `config.json`, and a folder whose name says more than the file's.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::checkpoint::{CheckpointFile, architecture::Hints};

/// Largest `config.json` that is looked at.
const CONFIG_LIMIT: u64 = 1 << 20;
/// Beginnings of the names that every download of a model has.
const EVERYDAY: [&str; 2] = ["model", "pytorch_model"];

#[derive(Deserialize)]
struct Config {
    num_attention_heads: Option<usize>,
}

/// What is told, and the number of attention heads by the `config.json` beside the file where none is told.
/// A file that is none of that kind tells nothing.
pub(super) fn hints(file: &CheckpointFile, told: Hints) -> Hints {
    let config = || -> Option<Config> {
        let path = file.files().first()?.with_file_name("config.json");
        let size = fs::metadata(&path).ok()?.len();
        (size <= CONFIG_LIMIT).then(|| serde_json::from_slice(&fs::read(&path).ok()?).ok())?
    };
    Hints { heads: told.heads.or_else(|| config()?.num_attention_heads), ..told }
}

/// The name that a backbone is called after: the file's, or the folder's where the file is called as all are.
pub(super) fn telling_name(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let own = name(&path);
    let everyday = EVERYDAY.iter().any(|start| {
        own.strip_prefix(start).is_some_and(|rest| rest.starts_with(['.', '-'])) && !path.is_dir()
    });
    match path.parent() {
        Some(folder) if everyday && !name(folder).is_empty() => name(folder),
        _ => own,
    }
}
