//! Data sets: the manifest that `dataset.json` holds, the report of a check, and what pages show of them.

pub mod aim;
pub mod check;
pub mod contents;
pub mod description;
pub mod dry_run;
pub mod plan;
pub mod sheet;
pub mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::contents::CSPCA;
pub use self::{
    aim::{Aim, Goal, Wish},
    contents::{ClassInfo, Contents, ImageInfo, LabelInfo, MaskInfo, Modality},
    description::Description,
    dry_run::DryRun,
    plan::{Normalisation, Plan},
};
use crate::{metric::Split, name::Name};

/// `DATA/datasets/<name>/dataset.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetManifest {
    pub schema: u32,
    pub name: String,
    /// Where it came from: the folder that was added, or `phantom generator, seed 0`.
    pub source: String,
    /// Whether the images are computed phantoms; every page says so.
    pub synthetic: bool,
    /// BLAKE3 over the cases' hashes, ids and splits.
    pub hash: String,
    pub cases: Vec<CaseEntry>,
    /// Cases that could not be read or trusted, with the reason.
    pub refused: Vec<LeftOut>,
    /// How the split was drawn.
    pub split_seed: u64,
    /// BLAKE3 over which patient is in which split, whatever the images: results that carry the same
    /// one were trained and tested on the same patients. Empty in manifests written before there was one.
    #[serde(default)]
    pub split_hash: String,
    /// The cross-validation that the splits are one round of; none for a single split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<Folds>,
    /// Cases by what told their patient: a table, file names, the images themselves, or nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patient_sources: BTreeMap<String, usize>,
    /// What was noticed about the set as a whole when it was added, and stays worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What its cases can have. Empty in manifests written before there was anything but prostate MRI:
    /// [`DatasetManifest::settle`] says so then.
    #[serde(default)]
    pub contents: Contents,
    /// How its cases are brought to a network; none for the grids of the study's networks, which are made for the
    /// prostate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

/// One round of a cross-validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Folds {
    pub count: u32,
    /// The fold that tests, from 0; the next one (after the last, the first) validates, and the others
    /// train.
    pub test: u32,
}

impl Folds {
    /// The split of the cases in `fold`.
    pub fn split(self, fold: u32) -> Split {
        if fold == self.test {
            Split::Test
        } else if fold == (self.test + 1) % self.count.max(1) {
            Split::Val
        } else {
            Split::Train
        }
    }
}

/// One examination of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaseEntry {
    pub case_id: String,
    pub patient_id: String,
    pub split: Split,
    /// Voxels, `[D, H, W]`, of the grid on which all images lie.
    pub shape: [usize; 3],
    /// Voxel size in mm, `[D, H, W]`.
    pub spacing_mm: [f64; 3],
    /// Names of the images and masks at hand.
    pub channels: Vec<String>,
    /// Prepared arrays, relative to the data set folder; the name is the content hash.
    pub prepared: String,
    pub hash: String,
    /// Whether the examination shows clinically significant cancer (ISUP grade 2 or more), as its table
    /// says: the label `cspca` as manifests wrote it when it was the only one. A lesion mask alone does not decide it:
    /// masks also show indolent lesions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cspca: Option<bool>,
    /// Classes of the whole case, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Name, String>,
    /// Which fold the case's patient is in, where there are folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Who made the masks, by channel, where the folder that was added tells: people or which program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mask_sources: BTreeMap<String, String>,
    /// What was noticed about the case when it was added, and stays worth knowing: what was decided where
    /// its files contradict one another or themselves, and what of them was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Which foreground values each mask holds, by channel: none for an empty mask. A mask that is not listed was
    /// stored before this was noted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mask_labels: BTreeMap<String, Vec<u8>>,
}

impl CaseEntry {
    pub fn has(&self, channel: &str) -> bool {
        self.channels.iter().any(|c| c == channel)
    }

    /// The class of a label; none where it is not known.
    pub fn label(&self, name: &str) -> Option<&str> {
        match (self.labels.get(name), self.cspca) {
            (Some(class), _) => Some(class),
            (None, Some(cspca)) if name == CSPCA => Some(if cspca { "yes" } else { "no" }),
            (None, _) => None,
        }
    }

    /// Whether a mask shows nothing; false where that is not known.
    pub fn is_empty_mask(&self, channel: &str) -> bool {
        self.mask_labels.get(channel).is_some_and(Vec::is_empty)
    }
}

/// A case that a task cannot use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftOut {
    pub case_id: String,
    pub reason: String,
}

impl DatasetManifest {
    /// Where it comes from, and which fold tests where it is a round of a cross-validation.
    pub fn origin(&self) -> String {
        match self.folds {
            Some(Folds { count, test }) => format!("{}, fold {test} of {count} tests", self.source),
            None => self.source.clone(),
        }
    }

    /// Says what it holds where that was not written down: prostate MRI, of which its cases have.
    pub fn settle(&mut self) {
        if !self.contents.is_empty() {
            return;
        }
        let there = |name: &str| self.cases.iter().any(|case| case.has(name));
        let mut contents = Contents::prostate();
        contents.images.retain(|image| there(&image.name));
        contents.masks.retain(|mask| there(&mask.name));
        contents.labels.retain(|label| self.cases.iter().any(|case| case.label(&label.name).is_some()));
        self.contents = contents;
    }

    /// Number of distinct patients.
    pub fn patients(&self) -> usize {
        let mut ids: Vec<_> = self.cases.iter().map(|c| c.patient_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fold_tests_once_and_validates_once() {
        for count in [3, 5] {
            for fold in 0..count {
                let splits: Vec<_> = (0..count).map(|test| Folds { count, test }.split(fold)).collect();
                let in_split = |split| splits.iter().filter(|s| **s == split).count() as u32;
                assert_eq!(Split::ALL.map(in_split), [count - 2, 1, 1]);
            }
        }
    }

    #[test]
    fn entries_written_before_there_were_labels_still_load() {
        let text = r#"{"case_id":"a","patient_id":"a","split":"train","shape":[1,1,1],"spacing_mm":[1,1,1],
            "channels":[],"prepared":"p","hash":"h"}"#;
        let entry: CaseEntry = serde_json::from_str(text).unwrap();
        assert_eq!((entry.cspca, entry.fold), (None, None));
    }
}
