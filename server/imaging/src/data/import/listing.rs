//! The names in a folder.

use std::{collections::BTreeMap, path::Path};

use crate::data::DataError;

/// A folder with more cases is refused.
pub const MAX_CASES: usize = 100_000;

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
