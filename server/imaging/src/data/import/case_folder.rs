//! One folder a case, with images that are named by what they show.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    case_files::CaseFiles,
    source::{self, Examination},
};
use crate::data::{DataError, IMAGES, MASKS, read::ENDINGS};

/// The case folders in a folder; each is its own patient until a table says otherwise.
///
/// # Errors
/// When the folder cannot be listed or holds too many.
pub fn find(folder: &Path) -> Result<Vec<Examination>, DataError> {
    let names = source::names(folder)?;
    let cases = names.into_iter().filter(|(_, is_folder)| *is_folder).map(|(name, _)| name);
    Ok(cases
        .map(|name| Examination {
            files: channels(&folder.join(&name)),
            patient_id: name.clone(),
            case_id: name,
            cspca: None,
            fold: None,
        })
        .collect())
}

/// Looks for the channels of a case.
fn channels(folder: &Path) -> Result<CaseFiles, DataError> {
    let mut files = BTreeMap::new();
    for channel in IMAGES.into_iter().chain(MASKS) {
        let mut candidates: Vec<PathBuf> =
            ENDINGS.iter().map(|e| folder.join(format!("{channel}{e}"))).filter(|p| p.is_file()).collect();
        candidates.extend(Some(folder.join(channel)).filter(|p| p.is_dir()));
        if candidates.len() > 1 {
            let names = candidates
                .iter()
                .filter_map(|p| p.file_name())
                .map(|n| n.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" and ");
            let reason = format!("{channel} is there more than once: {names}");
            return Err(DataError::refused(folder, reason));
        }
        if let Some(path) = candidates.pop() {
            files.insert(channel, path);
        }
    }
    CaseFiles::new(folder, files)
}
