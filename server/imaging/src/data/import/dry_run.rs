//! How a folder would be read: everything that can be told without reading all of it, and its first cases read to see.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use transferscope_domain::{
    Name,
    dataset::{
        CaseEntry, DryRun, LeftOut,
        dry_run::{FoundImage, FoundLabel, FoundMaskView, TriedCase},
    },
    metric::Split,
};

use super::{
    AddOptions, Looked, case_files,
    case_files::{CaseFiles, Loaded, Reading},
    classes, contents_of, dicom_tree,
    examination::Examination,
    layout::Layout,
    look,
    patients::{self, Known},
    relative,
};
use crate::data::{DataError, Volume, case::Case, store};

/// Cases that are read to see.
const TRIED: usize = 3;

/// What adding `folder` would make of it, and the first cases as they would be, for pictures of them.
///
/// # Errors
/// As [`super::add_with`], as far as it can be told: the folder cannot be listed, has no layout that is read, or its table
/// is damaged.
pub fn dry_run(folder: &Path, options: &AddOptions) -> Result<(DryRun, Vec<Case>), DataError> {
    let Looked { whole, name, found, rows, from_table, refused, mut notes } = look(folder, options)?;
    let contents = contents_of(&found);
    let reading = Reading {
        contents: &contents,
        masks: &found.masks,
        spacing_mm: options.spacing_mm,
        fill: options.fill_label,
    };
    let mut left_out = refused;
    let (mut tried, mut cases, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let mut known = Vec::new();
    let mut bytes = 0;
    for examination in &found.examinations {
        let files = match &examination.files {
            Ok(files) => files,
            Err(error) => {
                let reason = relative(&error.to_string(), &whole);
                left_out.push(LeftOut { case_id: examination.case_id.clone(), reason });
                continue;
            }
        };
        bytes += files.bytes();
        let of_table = rows.get(&examination.case_id).map(|row| (row.patient_id.clone(), from_table.clone()));
        let of_layout = examination.patient_id.clone().map(|patient| (patient, "file names".to_owned()));
        let mut own = Known {
            case_id: examination.case_id.clone(),
            told: of_table.or(of_layout),
            identifiers: examination.identifiers.clone(),
            images: Vec::new(),
        };
        if tried.len() < TRIED {
            match files.load(reading) {
                Ok(loaded) => {
                    own.identifiers.clone_from(&loaded.identifiers);
                    entries.push(seen(examination, &loaded, &contents));
                    tried.push((examination.case_id.clone(), loaded.notes.clone()));
                    cases.push(of(examination, loaded));
                }
                Err(error) => {
                    let reason = relative(&error.to_string(), &whole);
                    left_out.push(LeftOut { case_id: examination.case_id.clone(), reason });
                    continue;
                }
            }
        }
        known.push(own);
    }
    if known.is_empty() {
        let unread = found.layout != Layout::Dicom;
        return Err(match unread.then(|| dicom_tree::described(&whole)).flatten() {
            Some(what) => DataError::refused(folder, what),
            None => DataError::NoUsableCase { folder: folder.to_owned(), refused: left_out },
        });
    }
    let (patients, about_all) = patients::of(&known);
    notes.extend(about_all);
    let mut patient_sources: BTreeMap<String, usize> = BTreeMap::new();
    patients.iter().for_each(|patient| *patient_sources.entry(patient.source.clone()).or_default() += 1);
    let tried_cases = tried.into_iter().zip(&cases).map(|((case_id, notes), case)| {
        let patient = known.iter().position(|k| k.case_id == case_id).map(|at| patients[at].id.clone());
        TriedCase {
            patient_id: patient.unwrap_or_default(),
            case_id,
            shape: case.shape,
            spacing_mm: case.spacing_mm,
            channels: contents.channels().filter(|c| case.volumes.contains_key(c.as_str())).collect(),
            notes,
        }
    });
    let usable: Vec<(&Examination, &CaseFiles)> =
        found.examinations.iter().filter_map(|e| Some((e, e.files.as_ref().ok()?))).collect();
    let example = |name: Name| {
        let mut sources = usable.iter().filter_map(|(_, files)| files.source(&name));
        let first = sources.next();
        let path = first.map(|source| source.path().strip_prefix(&whole).unwrap_or(source.path()));
        (
            usize::from(first.is_some()) + sources.count(),
            path.map(|p| p.display().to_string()).unwrap_or_default(),
        )
    };
    let images = contents.images.iter().map(|info| {
        let (cases, example) = example(info.name);
        FoundImage { info: info.clone(), cases, example }
    });
    let masks = contents.masks.iter().map(|info| {
        let (cases, example) = example(info.name);
        let seen: BTreeSet<u8> =
            entries.iter().filter_map(|e| e.mask_labels.get(info.name.as_str())).flatten().copied().collect();
        let told = classes::mask(info, &entries);
        FoundMaskView { info: told, cases, example, values: seen.into_iter().collect() }
    });
    let labels = contents.labels.iter().filter_map(|info| {
        let mut cases: BTreeMap<String, usize> = BTreeMap::new();
        usable
            .iter()
            .filter_map(|(e, _)| e.labels.get(&info.name))
            .for_each(|class| *cases.entry(class.clone()).or_default() += 1);
        let mut info = info.clone();
        if info.classes.is_empty() {
            info.classes = cases.keys().cloned().collect();
        }
        (!cases.is_empty()).then_some(FoundLabel { info, cases })
    });
    let mut stored_splits: BTreeMap<String, usize> = BTreeMap::new();
    for (examination, _) in &usable {
        let row = rows.get(&examination.case_id);
        if let Some(split) = row.and_then(|row| row.split).or(examination.split) {
            *stored_splits.entry(split.to_string()).or_default() += 1;
        }
        if let Some(fold) = row.and_then(|row| row.fold).or(examination.fold) {
            *stored_splits.entry(format!("fold {fold}")).or_default() += 1;
        }
    }
    let report = DryRun {
        name,
        layout: found.layout.as_str().to_owned(),
        layout_label: found.layout.label().to_owned(),
        images: images.filter(|i| i.cases > 0).collect(),
        masks: masks.filter(|m| m.cases > 0).collect(),
        labels: labels.collect(),
        cases: known.len(),
        patients: patients.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len(),
        patient_sources,
        stored_splits,
        tried: tried_cases.collect(),
        left_out,
        notes,
        bytes,
    };
    Ok((report, cases))
}

/// A case that was read, as pages show cases.
fn of(examination: &Examination, loaded: case_files::Loaded) -> Case {
    let shape = loaded.volumes.values().next().map_or([0; 3], |volume: &Volume| volume.shape);
    Case {
        id: examination.case_id.clone(),
        shape,
        spacing_mm: loaded.geometry.spacing_mm(),
        geometry: loaded.geometry,
        volumes: loaded.volumes,
    }
}

/// What is noted of a case that is not stored.
fn seen(
    examination: &Examination,
    loaded: &Loaded,
    contents: &transferscope_domain::dataset::Contents,
) -> CaseEntry {
    CaseEntry {
        case_id: examination.case_id.clone(),
        patient_id: String::new(),
        split: Split::Train,
        shape: [0; 3],
        spacing_mm: loaded.geometry.spacing_mm(),
        channels: loaded.volumes.keys().cloned().collect(),
        prepared: String::new(),
        hash: String::new(),
        cspca: None,
        labels: BTreeMap::new(),
        fold: None,
        mask_sources: BTreeMap::new(),
        notes: Vec::new(),
        mask_labels: store::mask_labels(&loaded.volumes, contents),
    }
}
