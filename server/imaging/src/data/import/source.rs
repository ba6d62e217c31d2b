//! What is in a folder that is to become a data set.

use std::path::Path;

use super::{case_folder, examination::Examination, layouts, picai};
use crate::data::DataError;

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
