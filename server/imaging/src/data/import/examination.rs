//! What a layout finds in a folder: its cases, and what all of them can have.

use std::collections::BTreeMap;

use transferscope_domain::{
    Name,
    dataset::{Contents, ImageInfo, LabelInfo, LeftOut, MaskInfo},
    metric::Split,
};

use super::{case_files::CaseFiles, layout::Layout};
use crate::data::DataError;

/// One examination that was found, not read yet.
#[derive(Debug)]
pub struct Examination {
    pub case_id: String,
    /// The patient, where the layout says who it is.
    pub patient_id: Option<String>,
    /// Identifiers of the patient that the headers of its images have, where they were looked at already.
    pub identifiers: Vec<String>,
    /// Classes of the whole case by label, where a table of the layout says so.
    pub labels: BTreeMap<Name, String>,
    /// The fold that the layout puts it in.
    pub fold: Option<u32>,
    /// The split that the layout puts it in.
    pub split: Option<Split>,
    /// Where its images are, or why it cannot be used.
    pub files: Result<CaseFiles, DataError>,
}

impl Examination {
    /// One of which nothing is known beside its files.
    pub fn new(case_id: String, files: Result<CaseFiles, DataError>) -> Self {
        let (identifiers, labels) = (Vec::new(), BTreeMap::new());
        Self { case_id, patient_id: None, identifiers, labels, fold: None, split: None, files }
    }
}

/// A mask that cases of a folder have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundMask {
    /// Without classes where the layout does not name them: they are told from the values that occur.
    pub info: MaskInfo,
    /// Whether every value above 0 is its one class, as in masks that number their lesions.
    pub any_value: bool,
}

impl FoundMask {
    /// A mask whose classes are told from the values that occur.
    pub fn untold(name: Name) -> Self {
        Self { info: MaskInfo { name, classes: Vec::new(), ignore: None }, any_value: false }
    }
}

impl From<MaskInfo> for FoundMask {
    fn from(info: MaskInfo) -> Self {
        Self { info, any_value: false }
    }
}

/// What a folder that is to become a data set holds.
#[derive(Debug)]
pub struct Found {
    pub layout: Layout,
    /// In the order of the network's input; the first one decides the grid of a case.
    pub images: Vec<ImageInfo>,
    pub masks: Vec<FoundMask>,
    /// Without classes where the layout does not name them: they are told from the values that occur.
    pub labels: Vec<LabelInfo>,
    /// Sorted by case.
    pub examinations: Vec<Examination>,
    /// What is in the folder and is no case.
    pub left_out: Vec<LeftOut>,
    pub notes: Vec<String>,
}

impl Found {
    /// Cases of prostate MRI, as data sets were before they said what they hold.
    pub fn prostate(layout: Layout, examinations: Vec<Examination>) -> Self {
        let Contents { images, masks, labels } = Contents::prostate();
        let masks = masks.into_iter().map(|info| FoundMask { any_value: info.name != "zones", info });
        Self {
            layout,
            images,
            masks: masks.collect(),
            labels,
            examinations,
            left_out: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The image whose grid is a case's.
    pub fn reference(&self) -> Option<Name> {
        self.images.first().map(|image| image.name)
    }

    pub fn mask(&self, name: &str) -> Option<&FoundMask> {
        self.masks.iter().find(|mask| mask.info.name == name)
    }
}
