//! Trees of DICOM files are recognised and named, with what to do.

use std::{collections::BTreeMap, path::Path};

use super::listing::{self, Names};
use crate::data::read::dicom_glance;

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
