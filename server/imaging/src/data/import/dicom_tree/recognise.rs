//! Whether a folder is a tree of DICOM files, or has a folder for each case and in it a folder for each image.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use transferscope_domain::Name;

use super::super::{
    channel_kind,
    image_names::{self, Meant},
    listing::{self, Names},
};
use crate::data::read::skim::{self, Content};

/// Folders that are looked into of every folder, and files that are read to see.
const FOLDERS: usize = 12;
const FILES: usize = 3;

/// Deeper folders are not looked into, and no more than so many in all.
const DEPTH: usize = 8;
const MOST: usize = 1000;

/// Whether a folder looks like a tree of DICOM files: some are below it, and no folder of a case has the images of one by
/// their names.
pub fn looks_like(folder: &Path, names: &Names) -> bool {
    let dicom = |folder: &Path, names: &Names| !series_in(folder, names).is_empty();
    if dicom(folder, names) {
        return true;
    }
    let folders = |names: &Names| -> Vec<String> {
        names
            .found
            .iter()
            .filter(|(_, is_folder)| **is_folder)
            .map(|(name, _)| name.clone())
            .take(FOLDERS)
            .collect()
    };
    let mut found = false;
    // Names that can be images of folders within those of cases: in how many cases, and whether each has one series.
    let mut within: BTreeMap<Name, (usize, bool)> = BTreeMap::new();
    let cases = folders(names);
    let mut left = MOST;
    for case in &cases {
        let case = folder.join(case);
        let Ok(names) = listing::names(&case) else { continue };
        let is_image = |(name, is_folder): (&String, &bool)| {
            (!*is_folder && image_names::is_read(name, false))
                || matches!(image_names::meant(name, *is_folder), Meant::Channel(_))
        };
        if names.found.iter().any(is_image) {
            return false;
        }
        if dicom(&case, &names) {
            return true;
        }
        for inner in folders(&names) {
            let mut series = BTreeSet::new();
            below(&case.join(&inner), 0, &mut left, &mut series);
            found |= !series.is_empty();
            let name = Name::like(&inner).filter(|name| channel_kind::by_name(name).is_some());
            if let Some(name) = name.filter(|_| !series.is_empty()) {
                let known = within.entry(name).or_insert((0, true));
                *known = (known.0 + 1, known.1 && series.len() == 1);
            }
        }
    }
    // An examination's folder may have such a name as well, but not every patient's.
    let image = |(n, one): &(usize, bool)| *one && 2 * n >= cases.len() && *n >= cases.len().min(2);
    found && !within.values().any(image)
}

/// Series of the first images in a folder, localizers aside.
fn series_in(folder: &Path, names: &Names) -> BTreeSet<String> {
    let files: Vec<&String> = names.found.iter().filter(|(_, f)| !**f).map(|(name, _)| name).collect();
    // Names in a folder of several series mostly begin with the series.
    let step = files.len().div_ceil(FILES).max(1);
    let seen = files.iter().take(FILES).chain(files.iter().step_by(step)).chain(files.last());
    let images = seen.filter_map(|name| skim::skim(&folder.join(name.as_str())).ok().flatten());
    let images = images.filter(|skim| skim.content != Content::Image || !skim.localizer);
    images.map(|skim| skim.series).collect()
}

/// Adds the series below a folder, up to the second.
fn below(folder: &Path, depth: usize, left: &mut usize, series: &mut BTreeSet<String>) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    let Ok(names) = listing::names(folder) else { return };
    series.extend(series_in(folder, &names));
    if depth < DEPTH && series.len() < 2 {
        let folders = names.found.iter().filter(|(_, is_folder)| **is_folder).take(FOLDERS);
        for (name, _) in folders {
            below(&folder.join(name), depth + 1, left, series);
            if series.len() > 1 {
                break;
            }
        }
    }
}
