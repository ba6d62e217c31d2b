//! One folder a case, with images that are named by what they show.

use std::{collections::BTreeMap, path::Path};

use super::{
    case_files::CaseFiles,
    examination::Examination,
    image_names::{self, Meant},
    listing::{self, Names},
};
use crate::data::DataError;

/// The case folders in a folder; nothing says whose each is.
///
/// # Errors
/// When the folder cannot be listed or holds too many.
pub fn find(folder: &Path) -> Result<Vec<Examination>, DataError> {
    let Names { found, unreadable } = listing::names(folder)?;
    let examination =
        |case_id: String, files| Examination { case_id, patient_id: None, cspca: None, fold: None, files };
    let is_folder = |(_, is_folder): &(String, bool)| *is_folder;
    let cases = found.into_iter().filter(is_folder).map(|(name, _)| {
        let files = channels(&folder.join(&name));
        examination(name, files)
    });
    let unreadable = unreadable.into_iter().filter(is_folder).map(|(name, _)| {
        let reason = "the folder's name is not valid Unicode: give it another one";
        let files = Err(DataError::refused(folder.join(&name), reason));
        examination(name, files)
    });
    Ok(cases.chain(unreadable).collect())
}

/// Looks for the channels of a case, whatever the case of their names; what else looks like an image is named.
fn channels(folder: &Path) -> Result<CaseFiles, DataError> {
    let Names { found, unreadable } = listing::names(folder)?;
    let mut candidates: BTreeMap<&'static str, Vec<&String>> = BTreeMap::new();
    let mut others = Vec::new();
    for (name, is_folder) in &found {
        match image_names::meant(name, *is_folder) {
            Meant::Channel(channel) => candidates.entry(channel).or_default().push(name),
            Meant::Perhaps(channel) => others.push((name, channel)),
            Meant::NoImage => {}
        }
    }
    if let Some((channel, names)) = candidates.iter().find(|(_, names)| names.len() > 1) {
        let names = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and ");
        return Err(DataError::refused(folder, format!("{channel} is there more than once: {names}")));
    }
    let files: BTreeMap<&'static str, _> =
        candidates.iter().map(|(channel, names)| (*channel, folder.join(names[0]))).collect();
    let there = |channel: &str| candidates.get(channel).map(|names| names[0].as_str());
    let mut notes: Vec<String> =
        others.iter().map(|(name, channel)| image_names::left_out(name, *channel, there)).collect();
    notes.extend(
        unreadable.keys().map(|name| format!("{name:?} was left out: its name is not valid Unicode")),
    );
    if !files.contains_key("t2w") {
        notes.extend(deeper(folder, &found));
    }
    CaseFiles::new(folder, files, notes)
}

/// Names the t2w image that lies a folder deeper than it should; none where there is none.
fn deeper(folder: &Path, found: &BTreeMap<String, bool>) -> Option<String> {
    const LOOKED_INTO: usize = 20;
    let folders = found.iter().filter(|(_, is_folder)| **is_folder).take(LOOKED_INTO);
    folders.filter_map(|(name, _)| Some((name, listing::names(&folder.join(name)).ok()?.found))).find_map(
        |(name, inner)| {
            let t2w = inner.iter().find(|(image, is_folder)| {
                matches!(image_names::meant(image, **is_folder), Meant::Channel("t2w"))
            });
            t2w.map(|(image, _)| format!("{name}/{image} lies a folder too deep: move what is in {name} up"))
        },
    )
}
