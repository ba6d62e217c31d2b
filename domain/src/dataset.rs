//! Data sets: the manifest that `dataset.json` holds, the report of a check, and what pages show of them.

pub mod check;
pub mod sheet;
pub mod view;

use serde::{Deserialize, Serialize};

use crate::{event::LeftOut, metric::Split, task::Task};

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
}

/// One examination of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaseEntry {
    pub case_id: String,
    pub patient_id: String,
    pub split: Split,
    /// Voxels, `[D, H, W]`, of the t2w grid on which all images lie.
    pub shape: [usize; 3],
    /// Voxel size in mm, `[D, H, W]`.
    pub spacing_mm: [f64; 3],
    /// Names of the images and masks at hand: t2w, adc, hbv, gland, zones, lesion.
    pub channels: Vec<String>,
    /// Prepared arrays, relative to the data set folder; the name is the content hash.
    pub prepared: String,
    pub hash: String,
}

impl CaseEntry {
    pub fn has(&self, channel: &str) -> bool {
        self.channels.iter().any(|c| c == channel)
    }
}

impl DatasetManifest {
    /// Number of distinct patients.
    pub fn patients(&self) -> usize {
        let mut ids: Vec<_> = self.cases.iter().map(|c| c.patient_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    }

    /// Why `case` cannot serve `task`; none where it can.
    pub fn unusable(&self, case: &CaseEntry, task: Task) -> Option<String> {
        let needs: &[&str] = match task {
            Task::Segmentation => &["t2w", "hbv", "adc"],
            Task::SuperResolution => &["t2w"],
            Task::Pretraining => &["t2w", "hbv", "adc"],
        };
        let missing: Vec<_> = needs.iter().filter(|n| !case.has(n)).copied().collect();
        if !missing.is_empty() {
            return Some(format!("{task} needs {}; not at hand: {}", needs.join(", "), missing.join(", ")));
        }
        match task {
            Task::Segmentation => {
                let target = self.segmentation_target();
                (!case.has(target.channel())).then(|| format!("no {} mask to learn from", target.channel()))
            }
            Task::SuperResolution | Task::Pretraining => None,
        }
    }

    /// Which mask segmentation learns on this data set: zones where any case has them, else the
    /// whole gland.
    pub fn segmentation_target(&self) -> SegmentationTarget {
        if self.cases.iter().any(|c| c.has("zones")) {
            SegmentationTarget::Zones
        } else {
            SegmentationTarget::Gland
        }
    }

    /// Usable cases of a split.
    pub fn usable(&self, task: Task, split: Split) -> Vec<&CaseEntry> {
        self.cases.iter().filter(|c| c.split == split && self.unusable(c, task).is_none()).collect()
    }

    /// Says why `task` cannot run on this data set; none where it can.
    pub fn task_problem(&self, task: Task) -> Option<String> {
        let empty: Vec<_> =
            Split::ALL.into_iter().filter(|s| self.usable(task, *s).is_empty()).map(Split::as_str).collect();
        if empty.is_empty() {
            return None;
        }
        let usable = self.cases.iter().filter(|c| self.unusable(c, task).is_none()).count();
        let why = self
            .cases
            .iter()
            .find_map(|c| self.unusable(c, task))
            .map(|r| format!(" ({r})"))
            .unwrap_or_default();
        Some(format!(
            "{} needs at least one usable patient in each of train, val and test; {:?} has {usable} usable of {} cases{why} and none in {}",
            task.label(),
            self.name,
            self.cases.len(),
            empty.join(" and ")
        ))
    }
}

/// What segmentation predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentationTarget {
    /// 0 background, 1 peripheral zone, 2 transition zone.
    Zones,
    /// 0 background, 1 gland.
    Gland,
}

impl SegmentationTarget {
    /// The mask's name in a case.
    pub fn channel(self) -> &'static str {
        match self {
            SegmentationTarget::Zones => "zones",
            SegmentationTarget::Gland => "gland",
        }
    }

    /// Names of the foreground classes, class 1 first.
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            SegmentationTarget::Zones => &["peripheral", "transition"],
            SegmentationTarget::Gland => &["gland"],
        }
    }
}
