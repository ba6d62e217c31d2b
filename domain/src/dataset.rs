//! Data sets: the manifest that `dataset.json` holds, the report of a check, and what pages show of them.

pub mod check;
pub mod sheet;
pub mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    metric::Split,
    recipe::{Degradation, Target},
    task::Task,
};

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
    /// Voxels, `[D, H, W]`, of the t2w grid on which all images lie.
    pub shape: [usize; 3],
    /// Voxel size in mm, `[D, H, W]`.
    pub spacing_mm: [f64; 3],
    /// Names of the images and masks at hand: t2w, adc, hbv, gland, zones, lesion.
    pub channels: Vec<String>,
    /// Prepared arrays, relative to the data set folder; the name is the content hash.
    pub prepared: String,
    pub hash: String,
    /// Whether the examination shows clinically significant cancer (ISUP grade 2 or more), as its table
    /// says. A lesion mask alone does not decide it: masks also show indolent lesions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cspca: Option<bool>,
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

/// A task, which mask it learns if it is a segmentation, and what it restores if it is a super-resolution: what a
/// case must have depends on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    pub task: Task,
    pub target: Target,
    pub degradation: Degradation,
}

/// The task with its usual target and degradation.
impl From<Task> for Aim {
    fn from(task: Task) -> Self {
        Self { task, target: Target::default(), degradation: Degradation::default() }
    }
}

impl DatasetManifest {
    /// Where it comes from, and which fold tests where it is a round of a cross-validation.
    pub fn origin(&self) -> String {
        match self.folds {
            Some(Folds { count, test }) => format!("{}, fold {test} of {count} tests", self.source),
            None => self.source.clone(),
        }
    }

    /// Number of distinct patients.
    pub fn patients(&self) -> usize {
        let mut ids: Vec<_> = self.cases.iter().map(|c| c.patient_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    }

    /// Why `case` cannot serve a task; none where it can.
    pub fn unusable(&self, case: &CaseEntry, aim: impl Into<Aim>) -> Option<String> {
        let Aim { task, target, degradation } = aim.into();
        let needs = task.images();
        let missing: Vec<_> = needs.iter().filter(|n| !case.has(n)).copied().collect();
        if !missing.is_empty() {
            return Some(format!("{task} needs {}; missing: {}", needs.join(", "), missing.join(", ")));
        }
        match task {
            Task::Segmentation => {
                let target = self.segmentation_target(target);
                (!case.has(target.channel())).then(|| format!("no {} mask to learn from", target.channel()))
            }
            Task::Classification => case.cspca.is_none().then(|| {
                "it is not known whether there is clinically significant cancer: cases.csv has no cspca value for it"
                    .into()
            }),
            Task::SuperResolution => {
                let (slices, factor) = (case.shape[0], degradation.slices_averaged());
                (slices < factor).then(|| format!("{slices} slices cannot be averaged {factor} by {factor}"))
            }
            Task::DistortionCorrection | Task::ModalityTranslation | Task::Pretraining => None,
        }
    }

    /// Which mask segmentation learns on this data set: zones are the whole gland where no case has any.
    pub fn segmentation_target(&self, target: Target) -> SegmentationTarget {
        match target {
            Target::Zones if self.cases.iter().any(|c| c.has("zones")) => SegmentationTarget::Zones,
            Target::Zones | Target::Gland => SegmentationTarget::Gland,
            Target::Lesion => SegmentationTarget::Lesion,
        }
    }

    /// Usable cases of a split.
    pub fn usable(&self, aim: impl Into<Aim>, split: Split) -> Vec<&CaseEntry> {
        let aim = aim.into();
        self.cases.iter().filter(|c| c.split == split && self.unusable(c, aim).is_none()).collect()
    }

    /// Says why a task cannot run on this data set; none where it can.
    pub fn task_problem(&self, aim: impl Into<Aim>) -> Option<String> {
        let aim = aim.into();
        let task = aim.task;
        let empty: Vec<_> =
            Split::ALL.into_iter().filter(|s| self.usable(aim, *s).is_empty()).map(Split::as_str).collect();
        if empty.is_empty() {
            return self.one_sided(task).or_else(|| self.empty_masks(aim));
        }
        let usable = self.cases.iter().filter(|c| self.unusable(c, aim).is_none()).count();
        let why = self
            .cases
            .iter()
            .find_map(|c| self.unusable(c, aim))
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

impl DatasetManifest {
    /// Says where a split has patients with one diagnosis only, which nothing can be learnt from or
    /// measured on; none where every split has both, and for tasks without a diagnosis.
    fn one_sided(&self, task: Task) -> Option<String> {
        if task != Task::Classification {
            return None;
        }
        let split = Split::ALL.into_iter().find(|split| {
            let cases = self.usable(task, *split);
            let positive = cases.iter().filter(|c| c.cspca == Some(true)).count();
            positive == 0 || positive == cases.len()
        })?;
        Some(format!(
            "{} needs patients with and without clinically significant cancer in each of train, val and test; {:?} has only one of the two in {split}",
            task.label(),
            self.name
        ))
    }
}

impl DatasetManifest {
    /// Says in which splits no usable case's mask shows anything: nothing could be learnt, chosen or measured.
    fn empty_masks(&self, aim: Aim) -> Option<String> {
        if aim.task != Task::Segmentation {
            return None;
        }
        let target = self.segmentation_target(aim.target);
        let channel = target.channel();
        let all_empty = |split: &Split| self.usable(aim, *split).iter().all(|c| c.is_empty_mask(channel));
        let splits: Vec<_> = Split::ALL.into_iter().filter(all_empty).map(Split::as_str).collect();
        (!splits.is_empty()).then(|| {
            format!(
                "{} segmentation needs at least one case in each of train, val and test whose {channel} mask is not empty; in {:?} all {channel} masks of {} are empty",
                match target {
                    SegmentationTarget::Zones => "Zone",
                    SegmentationTarget::Gland => "Gland",
                    SegmentationTarget::Lesion => "Lesion",
                },
                self.name,
                splits.join(" and ")
            )
        })
    }

    /// Says for which validation and test cases a measure is undefined since there is nothing to find in them;
    /// none where every case can be measured.
    pub fn unmeasured(&self, aim: impl Into<Aim>) -> Option<String> {
        let aim = aim.into();
        if aim.task != Task::Segmentation {
            return None;
        }
        let target = self.segmentation_target(aim.target);
        let channel = target.channel();
        let of_split = |split: Split| {
            let cases = self.usable(aim, split);
            let lacks = |class: usize| {
                let value = class as u8 + 1;
                // Of a gland or a lesion any value counts, of zones each its own.
                let shows = |labels: &Vec<u8>| match target {
                    SegmentationTarget::Zones => labels.contains(&value),
                    SegmentationTarget::Gland | SegmentationTarget::Lesion => !labels.is_empty(),
                };
                cases
                    .iter()
                    .filter(|c| c.mask_labels.get(channel).is_some_and(|labels| !shows(labels)))
                    .count()
            };
            let classes = target.classes().iter().enumerate();
            let missing = classes.map(move |(class, name)| (lacks(class), *name)).filter(|(n, _)| *n > 0);
            missing
                .map(|(n, name)| format!("{n} of {} {split} cases have no {name}", cases.len()))
                .collect::<Vec<_>>()
        };
        let said: Vec<String> = [Split::Val, Split::Test].into_iter().flat_map(of_split).collect();
        (!said.is_empty()).then(|| {
            format!(
                "{}: Dice and surface distances are undefined there, and means are over the others",
                said.join(", ")
            )
        })
    }
}

/// What segmentation predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentationTarget {
    /// 0 background, 1 peripheral zone, 2 transition zone.
    Zones,
    /// 0 background, 1 gland.
    Gland,
    /// 0 background, 1 lesion.
    Lesion,
}

impl SegmentationTarget {
    /// The mask's name in a case.
    pub fn channel(self) -> &'static str {
        match self {
            SegmentationTarget::Zones => "zones",
            SegmentationTarget::Gland => "gland",
            SegmentationTarget::Lesion => "lesion",
        }
    }

    /// Names of the foreground classes, class 1 first.
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            SegmentationTarget::Zones => &["peripheral", "transition"],
            SegmentationTarget::Gland => &["gland"],
            SegmentationTarget::Lesion => &["lesion"],
        }
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

    fn case(split: Split, lesion: Option<&[u8]>) -> CaseEntry {
        let labels = lesion.map(|labels| ("lesion".to_owned(), labels.to_vec()));
        CaseEntry {
            case_id: "c".into(),
            patient_id: "p".into(),
            split,
            shape: [3, 16, 16],
            spacing_mm: [1.0; 3],
            channels: ["t2w", "hbv", "adc", "lesion"].map(str::to_owned).into(),
            prepared: String::new(),
            hash: String::new(),
            cspca: None,
            fold: None,
            mask_sources: BTreeMap::new(),
            notes: Vec::new(),
            mask_labels: labels.into_iter().collect(),
        }
    }

    fn manifest(cases: Vec<CaseEntry>) -> DatasetManifest {
        DatasetManifest {
            schema: 1,
            name: "set".into(),
            source: String::new(),
            synthetic: false,
            hash: String::new(),
            cases,
            refused: Vec::new(),
            split_seed: 0,
            split_hash: String::new(),
            folds: None,
            patient_sources: Default::default(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn lesions_must_be_somewhere_in_every_split() {
        let aim = Aim { target: Target::Lesion, ..Task::Segmentation.into() };
        let [train, val, test] = Split::ALL;
        let some = Some(&[1u8][..]);
        let none = Some(&[][..]);
        let set = |labels: [Option<&[u8]>; 3]| {
            manifest([train, val, test].into_iter().zip(labels).map(|(s, l)| case(s, l)).collect())
        };
        assert_eq!(set([some, some, some]).task_problem(aim), None);
        // What older data sets do not tell is found out when a run starts.
        assert_eq!(set([None, some, None]).task_problem(aim), None);
        for (labels, where_) in [
            ([some, some, none], "of test are"),
            ([none, some, some], "of train are"),
            ([none, some, none], "of train and test are"),
            ([some, none, some], "of val are"),
        ] {
            let problem = set(labels).task_problem(aim).unwrap();
            assert!(problem.starts_with("Lesion segmentation") && problem.contains(where_), "{problem}");
        }
        // One that has something is enough, and of the others it is said.
        let mut mixed = set([some, some, some]);
        mixed.cases.push(case(test, none));
        mixed.cases.push(case(test, none));
        assert_eq!(mixed.task_problem(aim), None);
        let said = mixed.unmeasured(aim).unwrap();
        assert!(said.contains("2 of 3 test cases have no lesion"), "{said}");
        assert_eq!(set([none, some, some]).unmeasured(aim), None);
        assert_eq!(mixed.unmeasured(Task::Classification), None);
    }

    #[test]
    fn too_few_slices_are_left_out_of_a_thick_super_resolution() {
        let set = manifest(Split::ALL.map(|split| case(split, None)).into());
        let aim = |degradation| Aim { degradation, ..Task::SuperResolution.into() };
        assert_eq!(set.task_problem(aim(Degradation::Thick2)), None);
        assert_eq!(set.task_problem(Task::SuperResolution), None);
        let problem = set.task_problem(aim(Degradation::Thick4)).unwrap();
        assert!(problem.contains("3 slices cannot be averaged 4 by 4"), "{problem}");
    }

    #[test]
    fn entries_written_before_there_were_labels_still_load() {
        let text = r#"{"case_id":"a","patient_id":"a","split":"train","shape":[1,1,1],"spacing_mm":[1,1,1],
            "channels":[],"prepared":"p","hash":"h"}"#;
        let entry: CaseEntry = serde_json::from_str(text).unwrap();
        assert_eq!((entry.cspca, entry.fold), (None, None));
    }
}
