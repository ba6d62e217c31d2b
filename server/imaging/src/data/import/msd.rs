//! The Medical Segmentation Decathlon.

use std::path::Path;

use super::{examination::Found, layout, layout::Layout, listing::Names};
use crate::data::DataError;

/// Whether a folder looks like one.
pub fn looks_like(_folder: &Path, _names: &Names) -> bool {
    false
}

/// What is in it.
pub fn find(folder: &Path) -> Result<Found, DataError> {
    Err(layout::not(folder, Layout::Msd, "it cannot be read yet"))
}
