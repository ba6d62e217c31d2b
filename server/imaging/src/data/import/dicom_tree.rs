//! Trees of DICOM files of any depth, as archives and exports give them: names of folders and files say nothing.
//!
//! StudyInstanceUID makes a case, PatientID the patient. Which series is which image is said by patterns of descriptions,
//! or is plain where all examinations are alike. Segmentation objects are masks.

mod choose;
mod listing;
mod masks;
mod pattern;
mod recognise;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use transferscope_domain::{
    Name,
    dataset::{Description, LeftOut},
};

pub use self::recognise::looks_like;
use self::{
    choose::{Picked, Wanted},
    masks::Masks,
    tree::{Series, Study, StudyKey, Tree},
};
use super::{
    case_files::CaseFiles,
    examination::{Examination, Found},
    layout::{self, Layout},
};
use crate::data::{
    DataError,
    read::{Source, skim::Content},
};

/// What contours are to be turned into.
const STRUCTURES: &str = "RTSTRUCT, contours, which are not read yet: convert them to DICOM SEG or NIfTI, for example with plastimatch or dcmrtstruct2nii";

/// The examinations in a tree of DICOM files.
///
/// # Errors
/// When it cannot be looked through or holds no image, or nothing tells which of its series is which image; then with
/// all series that are there.
pub fn find(folder: &Path, said: &Description) -> Result<Found, DataError> {
    let tree = Tree::of(folder)?;
    if !tree.studies.values().flat_map(|study| study.series.values()).any(Series::is_image) {
        let what = listing::passed_over(&tree).join("; ");
        let what = if what.is_empty() { "it holds no file".into() } else { what };
        return Err(layout::not(folder, Layout::Dicom, &format!("no DICOM image is below it ({what})")));
    }
    let choice = choose::choice(&tree, said).map_err(|why| DataError::refused(folder, why))?;
    let ids = case_ids(&tree);
    let masks = Masks::of(&tree, &choice);
    let mut examinations = Vec::new();
    let mut left_out = Vec::new();
    for (key, study) in &tree.studies {
        let case_id = ids.get(key).cloned().unwrap_or_default();
        if !study.series.values().any(Series::is_image) {
            if !masks.moved(key) {
                let reason = format!("no image in it, only {}", listing::without_images(study));
                left_out.push(LeftOut { case_id, reason });
            }
            continue;
        }
        let files = files(&tree, key, study, &choice.images, &masks);
        let mut examination = Examination::new(case_id, files);
        examination.identifiers.extend(Some(key.patient.clone()).filter(|id| !id.is_empty()));
        examinations.push(examination);
    }
    examinations.sort_by(|a, b| a.case_id.cmp(&b.case_id));
    left_out.sort_by(|a, b| a.case_id.cmp(&b.case_id));
    let mut notes = vec![listing::found(&tree, &choice.images)];
    notes.extend(choice.notes);
    notes.extend(listing::passed_over(&tree));
    let (found_masks, about_masks) = masks.found();
    notes.extend(about_masks);
    let images = choice.images.into_iter().map(|wanted| wanted.info).collect();
    Ok(Found {
        layout: Layout::Dicom,
        images,
        masks: found_masks,
        labels: Vec::new(),
        examinations,
        left_out,
        notes,
    })
}

/// Says that a folder is a tree of DICOM files, and which series are in it; none where it is not.
pub fn described(folder: &Path) -> Option<String> {
    let tree = Tree::of(folder).ok()?;
    let any = tree.studies.values().flat_map(|study| study.series.values()).any(Series::is_image);
    any.then(|| {
        format!(
            "{}; with the layout dicom it can be read as such; {}",
            listing::tree(&tree),
            choose::how(&tree)
        )
    })
}

/// The images and masks of an examination.
fn files(
    tree: &Tree,
    key: &StudyKey,
    study: &Study,
    wanted: &[Wanted],
    masks: &Masks,
) -> Result<CaseFiles, DataError> {
    let mut notes = Vec::new();
    let mut chosen: Vec<(Name, &Series)> = Vec::new();
    let place = place_of(tree, study);
    let refused = |why: String| DataError::refused(tree.root.join(&place), why);
    for wanted in wanted {
        match wanted.pick(study) {
            Picked::One(series, note) => {
                chosen.push((wanted.info.name, series));
                notes.extend(note);
            }
            Picked::Nothing if chosen.is_empty() => {
                let there = listing::series_of(study);
                return Err(refused(format!("no series is its {}; there are {there}", wanted.words())));
            }
            Picked::Nothing => {}
            Picked::Doubt(why) => return Err(refused(why)),
        }
    }
    let Some((reference, _)) = chosen.first().copied() else {
        return Err(refused("no image is asked for".into()));
    };
    let uids: Vec<&str> = chosen.iter().map(|(_, series)| series.uid.as_str()).collect();
    let (masks, about_masks) = masks.sources(key, &uids);
    notes.extend(about_masks);
    if study.structures > 0 {
        notes.push(format!("{} {STRUCTURES}", study.structures));
    }
    let mut used: BTreeSet<&str> = BTreeSet::new();
    if let Some((name, series)) = chosen.iter().find(|(_, series)| !used.insert(&series.uid)) {
        return Err(refused(format!("{} would be {name} and another image as well", series.words())));
    }
    let images = chosen.iter().map(|(name, series)| (*name, source(tree, series))).collect();
    CaseFiles::new(&tree.root.join(&place), reference, images, masks, notes)
}

/// Where the files of a series lie.
fn source(tree: &Tree, series: &Series) -> Source {
    let files: Vec<PathBuf> = tree.files_of(series).collect();
    let common = common_folder(&files);
    let files = files.iter().map(|file| file.strip_prefix(&common).unwrap_or(file).to_owned()).collect();
    let name = if series.description.is_empty() { "series".into() } else { series.description.clone() };
    Source::Series { folder: tree.root.join(common), name, files }
}

/// The folder that all images of an examination lie in, within the tree.
fn place_of(tree: &Tree, study: &Study) -> PathBuf {
    let files = study.series.values().filter(|series| series.content == Content::Image);
    // All files of a series are mostly in one folder.
    let files: Vec<PathBuf> = files.filter_map(|series| tree.files_of(series).next()).collect();
    common_folder(&files)
}

fn common_folder(files: &[PathBuf]) -> PathBuf {
    let mut folders = files.iter().map(|file| file.parent().unwrap_or(Path::new("")));
    let mut common = folders.next().unwrap_or(Path::new(""));
    for folder in folders {
        while !folder.starts_with(common) {
            common = common.parent().unwrap_or(Path::new(""));
        }
    }
    common.to_owned()
}

/// A readable name for every examination: its patient and its date, and a number where that is not enough.
fn case_ids(tree: &Tree) -> BTreeMap<StudyKey, String> {
    const LONGEST: usize = 64;
    let safe = |text: &str| -> String {
        let of = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let text: String = text.chars().map(of).take(LONGEST).collect();
        text.trim_matches(['.', '_']).to_owned()
    };
    let base = |key: &StudyKey, study: &Study| {
        let parts = [safe(&key.patient), safe(&study.date)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { "study".to_owned() } else { parts.join("_") }
    };
    let mut taken = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for (key, study) in &tree.studies {
        let base = base(key, study);
        let mut id = base.clone();
        let mut number = 1;
        while !taken.insert(id.clone()) {
            number += 1;
            id = format!("{base}_{number}");
        }
        ids.insert(key.clone(), id);
    }
    ids
}
