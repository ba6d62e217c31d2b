//! How a folder of images is arranged: recognised by itself, or said.

use std::{fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};
use transferscope_domain::dataset::Description;

use super::{bids, case_folder, dicom_tree, examination::Found, listing, msd, nnunet, picai, pictures};
use crate::data::DataError;

/// How a folder of images is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A folder a case, an image a file or a folder of DICOM files.
    Cases,
    /// nnU-Net: `imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`, `dataset.json`.
    Nnunet,
    /// Medical Segmentation Decathlon: as nnU-Net, all images of a case in one file of four dimensions.
    Msd,
    /// Brain Imaging Data Structure: `sub-X/[ses-Y/]anat/sub-X_T1w.nii.gz`.
    Bids,
    /// The challenge PI-CAI.
    Picai,
    /// A tree of DICOM files.
    Dicom,
    /// Pictures: PNG, JPEG or TIFF, with a table of labels or with masks beside.
    Pictures,
}

impl Layout {
    pub const ALL: [Layout; 7] = [
        Layout::Cases,
        Layout::Nnunet,
        Layout::Msd,
        Layout::Bids,
        Layout::Picai,
        Layout::Dicom,
        Layout::Pictures,
    ];

    /// The name on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Cases => "cases",
            Layout::Nnunet => "nnunet",
            Layout::Msd => "msd",
            Layout::Bids => "bids",
            Layout::Picai => "picai",
            Layout::Dicom => "dicom",
            Layout::Pictures => "pictures",
        }
    }

    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Layout::Cases => "one folder per case",
            Layout::Nnunet => "nnU-Net",
            Layout::Msd => "Medical Segmentation Decathlon",
            Layout::Bids => "BIDS",
            Layout::Picai => "PI-CAI",
            Layout::Dicom => "tree of DICOM files",
            Layout::Pictures => "folder of pictures",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Layout {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|layout| layout.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown layout {text:?}: use one of {known}")
        })
    }
}

/// What is in a folder: in the layout that is said, or in the one that it looks like.
///
/// # Errors
/// When the folder cannot be listed or holds too many, it does not have the layout that was said, or a table or
/// description beside the images is damaged.
pub fn find(folder: &Path, layout: Option<Layout>, said: &Description) -> Result<Found, DataError> {
    let layout = match layout {
        Some(layout) => layout,
        // Only a tree has series to choose from.
        None if !said.series.is_empty() => Layout::Dicom,
        None => recognised(folder)?,
    };
    match layout {
        Layout::Cases => case_folder::find(folder),
        Layout::Picai => match picai::find(folder)? {
            Some(found) => Ok(Found::prostate(layout, found)),
            None => Err(not(folder, layout, "no PATIENT/PATIENT_STUDY_t2w.mha is below it")),
        },
        Layout::Nnunet => nnunet::find(folder),
        Layout::Msd => msd::find(folder),
        Layout::Bids => bids::find(folder),
        Layout::Dicom => dicom_tree::find(folder, said),
        Layout::Pictures => pictures::find(folder),
    }
}

/// The layout that a folder has by the names in it: what is told by few names first, a folder a case last.
fn recognised(folder: &Path) -> Result<Layout, DataError> {
    let names = listing::names(folder)?;
    let looks = [
        (Layout::Msd, msd::looks_like(folder, &names)),
        (Layout::Nnunet, nnunet::looks_like(folder, &names)),
        (Layout::Bids, bids::looks_like(folder, &names)),
        (Layout::Pictures, pictures::looks_like(folder, &names)),
    ];
    if let Some((layout, _)) = looks.into_iter().find(|(_, looks)| *looks) {
        return Ok(layout);
    }
    if picai::find(folder)?.is_some() {
        return Ok(Layout::Picai);
    }
    Ok(if dicom_tree::looks_like(folder, &names) { Layout::Dicom } else { Layout::Cases })
}

/// A folder that was said to have a layout and does not.
pub fn not(folder: &Path, layout: Layout, why: &str) -> DataError {
    DataError::refused(folder, format!("it is no folder of the layout {layout} ({}): {why}", layout.label()))
}
