//! What is in a folder that is to become a data set.

use std::{collections::BTreeMap, path::Path};

use super::{case_files::CaseFiles, case_folder, picai};
use crate::data::DataError;

/// A folder with more cases is refused.
pub const MAX_CASES: usize = 100_000;

/// One examination that was found, not read yet.
#[derive(Debug)]
pub struct Examination {
    pub case_id: String,
    pub patient_id: String,
    /// Clinically significant cancer, where a table beside the images says so.
    pub cspca: Option<bool>,
    /// The fold that the layout puts it in.
    pub fold: Option<u32>,
    /// Where its images are, or why it cannot be used.
    pub files: Result<CaseFiles, DataError>,
}

/// The examinations in a folder, sorted by case: in the layout of the PI-CAI challenge where there is
/// such a folder, else one folder a case.
///
/// # Errors
/// When the folder cannot be listed or holds too many, or a table beside the images is damaged.
pub fn find(folder: &Path) -> Result<Vec<Examination>, DataError> {
    match picai::find(folder)? {
        Some(found) => Ok(found),
        None => case_folder::find(folder),
    }
}

/// Names in a folder, sorted, by whether they are folders; hidden ones are passed over.
///
/// # Errors
/// When it cannot be listed, a name is no Unicode or there are too many.
pub fn names(folder: &Path) -> Result<BTreeMap<String, bool>, DataError> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(DataError::refused(entry.path(), "its name is not valid Unicode"));
        };
        if name.starts_with('.') {
            continue;
        }
        if found.len() == MAX_CASES {
            return Err(DataError::refused(folder, format!("more than {MAX_CASES} files and folders")));
        }
        found.insert(name.to_owned(), entry.path().is_dir());
    }
    Ok(found)
}
