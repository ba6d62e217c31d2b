//! Layouts of data sets that are recognised and cannot be read yet: each is named, with what to do.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use serde_json::Value;

use super::listing::{self, Names};
use crate::data::{DataError, read::dicom_glance};

/// A larger `dataset.json` is none.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a folder is to look like.
const WANTED: &str = "arrange it as one folder per case with t2w.nii.gz, adc.nii.gz, hbv.nii.gz and the masks gland.nii.gz, zones.nii.gz, lesion.nii.gz, as far as available, and a cases.csv with the columns case_id,patient_id";

/// Names the layout of a folder that cannot be read, and says how to arrange it; none where it is another.
///
/// # Errors
/// When the folder cannot be listed.
pub fn named(folder: &Path) -> Result<Option<String>, DataError> {
    let Names { found, .. } = listing::names(folder)?;
    let has = |name: &str| found.get(name).copied();
    if has("imagesTr") == Some(true) {
        return Ok(Some(training_images(folder)));
    }
    if let Some((inner, _)) =
        found.iter().find(|(name, is_folder)| **is_folder && folder.join(name).join("imagesTr").is_dir())
    {
        return Ok(Some(format!(
            "a folder of nnU-Net data sets ({inner} and others): such a layout cannot be read yet; add one of them, and for now {WANTED}"
        )));
    }
    let subjects =
        found.iter().filter(|(name, is_folder)| **is_folder && is_subject(&folder.join(name), name));
    match subjects.count() {
        0 if has("dataset_description.json").is_none() => Ok(None),
        n => Ok(Some(format!(
            "a BIDS folder ({n} subjects): such a layout cannot be read yet; {WANTED}, where patient_id is the subject (anat/*_T2w is t2w, dwi/*_adc is adc, dwi/*_dwi is hbv if it is the high-b image, masks are in derivatives)"
        ))),
    }
}

/// Whether a folder is a subject of BIDS: `sub-X` with folders of sessions or kinds of images.
fn is_subject(folder: &Path, name: &str) -> bool {
    let Ok(Names { found, .. }) = listing::names(folder) else { return false };
    let kinds = |(inner, is_folder): (&String, &bool)| {
        *is_folder
            && (inner.starts_with("ses-")
                || ["anat", "dwi", "func", "fmap", "perf"].contains(&inner.as_str()))
    };
    name.starts_with("sub-") && found.iter().any(kinds)
}

/// nnU-Net, whose images are `CASE_0000` and so on, or the Medical Segmentation Decathlon, whose images hold
/// all channels.
fn training_images(folder: &Path) -> String {
    let about = description(folder);
    let images = listing::names(&folder.join("imagesTr")).map(|names| names.found).unwrap_or_default();
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let channel = |name: &String| {
        let stem = stem(name);
        let (case, number) = stem.rsplit_once('_')?;
        let digits = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| (case.to_owned(), number.to_owned()))
    };
    let mut channels: BTreeMap<String, usize> = BTreeMap::new();
    let mut cases = std::collections::BTreeSet::new();
    for (case, number) in images.keys().filter_map(channel) {
        cases.insert(case);
        *channels.entry(number).or_default() += 1;
    }
    let names = |key: &str| about.get(key).and_then(Value::as_object);
    if channels.is_empty() {
        let n = images.len();
        let kinds = names("modality").map(|m| said(m.values())).unwrap_or_default();
        return format!(
            "a folder of the Medical Segmentation Decathlon ({n} training images{kinds}): such a layout cannot be read yet; split the channels of each image into files of their own and {WANTED}; the masks are in labelsTr"
        );
    }
    let version = if names("channel_names").is_some() { 2 } else { 1 };
    let told = names("channel_names").or(names("modality"));
    let kinds = told.map(|m| said(m.values())).unwrap_or_default();
    let labels = names("labels").map(|labels| format!("; labels {}", keys_of(labels))).unwrap_or_default();
    let numbers = channels.keys().map(|number| format!("_{number}")).collect::<Vec<_>>().join(", ");
    format!(
        "an nnU-Net folder (version {version}; {} training cases with the images {numbers}{kinds}{labels}): such a layout cannot be read yet; {WANTED}; each _0000 file is the first image of its case, and labelsTr holds the masks",
        cases.len()
    )
}

/// `dataset.json`, empty where it is not there or not readable.
fn description(folder: &Path) -> Value {
    let mut text = Vec::new();
    let file = File::open(folder.join("dataset.json"));
    let read = file.and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
    read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// The first few names in brackets; nothing where there is none.
fn said<'a>(names: impl Iterator<Item = &'a Value>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.filter_map(Value::as_str).take(SHOWN).collect();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

fn keys_of(labels: &serde_json::Map<String, Value>) -> String {
    const SHOWN: usize = 8;
    // Version 1 has the values as keys.
    let name = |(key, value): (&String, &Value)| value.as_str().map_or(key.clone(), str::to_owned);
    labels.iter().take(SHOWN).map(name).collect::<Vec<_>>().join(", ")
}

/// Says that a folder is a tree of DICOM files, and which series are in it; none where it is not.
pub fn dicom_tree(folder: &Path) -> Option<String> {
    const SHOWN: usize = 12;
    let mut tree = Tree::default();
    tree.walk(folder, 0);
    if tree.series.is_empty() {
        return None;
    }
    let mut kinds: Vec<(String, (usize, usize))> = tree.series.into_iter().collect();
    kinds.sort_by_key(|(_, (folders, _))| std::cmp::Reverse(*folders));
    let more = kinds.len().saturating_sub(SHOWN);
    let list: Vec<String> = kinds
        .iter()
        .take(SHOWN)
        .map(|(description, (folders, files))| format!("{description:?} ({folders} series, {files} files)"))
        .collect();
    let more = if more > 0 { format!(" and {more} others") } else { String::new() };
    let whole = if tree.stopped { "in its first folders " } else { "" };
    Some(format!(
        "a tree of DICOM files ({whole}{} patients): such a layout cannot be read yet; arrange it as one folder per case with the series in folders named t2w, adc and hbv. Series by description: {}{more}",
        tree.patients.len(),
        list.join(", ")
    ))
}

/// What was seen of a tree.
#[derive(Default)]
struct Tree {
    /// Folders and files by description.
    series: BTreeMap<String, (usize, usize)>,
    patients: std::collections::BTreeSet<String>,
    seen: usize,
    /// Whether there was more than is looked at.
    stopped: bool,
}

impl Tree {
    fn walk(&mut self, folder: &Path, depth: usize) {
        const MAX_DEPTH: usize = 8;
        const MAX_SEEN: usize = 20_000;
        let Ok(Names { found, .. }) = listing::names(folder) else { return };
        self.seen += found.len() + 1;
        if depth > MAX_DEPTH || self.seen > MAX_SEEN {
            self.stopped = true;
            return;
        }
        let files: Vec<&String> = found.iter().filter(|(_, f)| !**f).map(|(name, _)| name).collect();
        // A few files tell what a folder holds.
        if let Some(glance) = files.iter().take(3).find_map(|name| dicom_glance(&folder.join(name.as_str())))
        {
            let entry = self.series.entry(glance.description).or_default();
            *entry = (entry.0 + 1, entry.1 + files.len());
            self.patients.insert(glance.patient);
        }
        for (name, _) in found.iter().filter(|(_, is_folder)| **is_folder) {
            self.walk(&folder.join(name), depth + 1);
        }
    }
}
