//! What is in a folder that is to become a data set.

use std::{collections::BTreeMap, path::Path};

use super::{case_files::CaseFiles, case_folder, layouts, picai};
use crate::data::DataError;

/// A folder with more cases is refused.
pub const MAX_CASES: usize = 100_000;

/// One examination that was found, not read yet.
#[derive(Debug)]
pub struct Examination {
    pub case_id: String,
    /// The patient, where the layout says who it is.
    pub patient_id: Option<String>,
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
/// When the folder cannot be listed or holds too many, it has a layout that is not read, or a table beside the
/// images is damaged.
pub fn find(folder: &Path) -> Result<Vec<Examination>, DataError> {
    if let Some(what) = layouts::named(folder)? {
        return Err(DataError::refused(folder, what));
    }
    match picai::find(folder)? {
        Some(found) => Ok(found),
        None => case_folder::find(folder),
    }
}

/// What a folder holds; hidden names are passed over.
#[derive(Debug, Default)]
pub struct Names {
    /// Sorted, by whether they are folders.
    pub found: BTreeMap<String, bool>,
    /// Names that are no Unicode, as far as they can be written, by whether they are folders.
    pub unreadable: BTreeMap<String, bool>,
}

/// Names in a folder.
///
/// # Errors
/// When it cannot be listed or there are too many.
pub fn names(folder: &Path) -> Result<Names, DataError> {
    let mut names = Names::default();
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        if names.found.len() + names.unreadable.len() == MAX_CASES {
            return Err(DataError::refused(folder, format!("more than {MAX_CASES} files and folders")));
        }
        let is_folder = entry.path().is_dir();
        match entry.file_name().into_string() {
            Ok(name) if name.starts_with('.') => {}
            Ok(name) => {
                names.found.insert(name, is_folder);
            }
            Err(name) => {
                names.unreadable.insert(name.to_string_lossy().into_owned(), is_folder);
            }
        }
    }
    Ok(names)
}
