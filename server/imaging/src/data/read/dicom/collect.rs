//! The files of a folder that may hold a series, and those of them that do.

use std::path::{Path, PathBuf};

use super::{
    bare, bounded,
    header::{self, Header, Refusal, What},
};
use crate::data::DataError;

/// A folder with more files is refused.
const MAX_FILES: usize = 4096;

/// A file with more bytes is refused.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// Folders within the folder are looked into this deep: archives write a folder a patient, a study and a
/// series.
const MAX_DEPTH: usize = 8;

/// Endings that only a DICOM file has: one that is none is a slice that was damaged.
const ENDINGS: [&str; 3] = ["dcm", "dicom", "ima"];

/// What is in a folder.
#[derive(Debug, Default)]
pub struct Collected {
    pub headers: Vec<Header>,
    /// Files that hold an image which cannot be a slice, and why.
    pub refusals: Vec<(PathBuf, Refusal)>,
    /// Files that are no image, by their names and with what they are.
    pub passed_over: Vec<String>,
    /// Copies, each with the name of the file that was kept.
    pub copies: Vec<String>,
}

/// Reads the headers of all files of a folder; hidden ones and the index of a DICOM medium are left alone.
///
/// # Errors
/// When the folder cannot be read or holds too many files, or a file that says to be DICOM is none.
pub fn collect(folder: &Path) -> Result<Collected, DataError> {
    let mut files = Vec::new();
    list(folder, 0, &mut files)?;
    of(folder, files)
}

/// Reads the headers of these files, which lie in the folder or in the folders in it.
///
/// # Errors
/// When there are too many, one cannot be read, or one that says to be DICOM is none.
pub fn of(folder: &Path, mut files: Vec<PathBuf>) -> Result<Collected, DataError> {
    if files.len() > MAX_FILES {
        return Err(DataError::refused(folder, format!("more than {MAX_FILES} files")));
    }
    // The shortest name of copies is the original's: `004.dcm` before `004 (1).dcm`.
    files.sort_by_cached_key(|path| (path.as_os_str().len(), path.clone()));
    let mut collected = Collected::default();
    let mut seen = std::collections::BTreeMap::new();
    for path in files {
        let content = bytes(&path)?;
        let name = name_in(folder, &path);
        if let Some(first) = seen.get(blake3::hash(&content).as_bytes()) {
            collected.copies.push(format!("{name} (of {first})"));
            continue;
        }
        seen.insert(*blake3::hash(&content).as_bytes(), name.clone());
        let Some(whole) = bare::whole(&content) else {
            let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
            if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
                return Err(DataError::refused(
                    &path,
                    "not a DICOM file: no DICM at byte 128, and no data set that begins without it",
                ));
            }
            collected.passed_over.push(format!("{name} (no DICOM)"));
            continue;
        };
        match header::read(&whole, &path, &name) {
            Ok(What::Image(header)) => collected.headers.push(*header),
            Ok(What::Other(what)) => collected.passed_over.push(format!("{name} ({what})")),
            Err(refusal) => collected.refusals.push((path, refusal)),
        }
    }
    collected.headers.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(collected)
}

/// A whole file, no larger than one may be.
///
/// # Errors
/// When it cannot be read or is too large.
pub fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = std::fs::File::open(path).map_err(DataError::io(path))?;
    let size = file.metadata().map_err(DataError::io(path))?.len();
    if size > MAX_FILE_BYTES {
        return Err(DataError::refused(path, format!("{size} bytes: at most {MAX_FILE_BYTES} are read")));
    }
    bounded::exactly(file, size as usize).map_err(|reason| DataError::refused(path, reason))
}

/// A file's name as it stands in the folder.
fn name_in(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

fn list(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_string_lossy().starts_with('.') || name.eq_ignore_ascii_case("DICOMDIR") {
            continue;
        }
        if path.is_dir() {
            if depth == MAX_DEPTH {
                return Err(DataError::refused(&path, format!("folders more than {MAX_DEPTH} deep")));
            }
            list(&path, depth + 1, found)?;
        } else if path.is_file() {
            if found.len() == MAX_FILES {
                return Err(DataError::refused(folder, format!("more than {MAX_FILES} files")));
            }
            found.push(path);
        }
    }
    Ok(())
}
