//! One examination of a folder that is to become a data set.

use super::case_files::CaseFiles;
use crate::data::DataError;

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
