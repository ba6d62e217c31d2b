//! The layout of the PI-CAI challenge's public data, recognised by its file names.
//!
//! Images are `PATIENT/PATIENT_STUDY_{t2w,adc,hbv,cor,sag}.mha`, in the folder itself or in folders below
//! it such as `public_training_images_fold0`, whose number is the case's fold. Labels and the marksheet
//! are the repository `picai_labels`, in the folder or beside it. The coronal and sagittal series are
//! passed over: no task sees them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use transferscope_domain::{Name, dataset::contents::CSPCA};

use super::{
    case_files::CaseFiles,
    csv_file::CsvFile,
    examination::Examination,
    listing::{self, MAX_CASES},
};
use crate::data::{
    DataError,
    read::{ENDINGS, Source},
};

/// Images that are read.
const IMAGES: [&str; 3] = ["t2w", "adc", "hbv"];

/// How deep below the folder patients are looked for.
const MAX_DEPTH: usize = 3;

/// Names of the folder with the labels, unless they are in the folder itself.
const LABEL_FOLDERS: [&str; 3] = ["picai_labels", "picai_labels-main", "labels"];

/// Where masks lie within it, the first that has a case's is used: people's before computed ones, and
/// computed ones whose values are ours (1 peripheral, 2 transition zone) before others.
const MASK_FOLDERS: [(&str, &[&str]); 3] = [
    (
        "lesion",
        &[
            "csPCa_lesion_delineations/human_expert/resampled",
            "csPCa_lesion_delineations/human_expert/Pooch25",
            "csPCa_lesion_delineations/human_expert/original",
            "csPCa_lesion_delineations/AI/Bosma22a",
        ],
    ),
    (
        "gland",
        &[
            "anatomical_delineations/whole_gland/AI/Bosma22b",
            "anatomical_delineations/whole_gland/AI/Guerbet23",
            "anatomical_delineations/whole_gland/AI",
        ],
    ),
    (
        "zones",
        &[
            "anatomical_delineations/zonal_pz_tz/AI/HeviAI23",
            "anatomical_delineations/zonal_pz_tz/AI/Yuan23",
            "anatomical_delineations/zonal_pz_tz/AI/BDay23",
        ],
    ),
];

const MARKSHEETS: [&str; 2] = ["marksheet.csv", "clinical_information/marksheet.csv"];

/// The examinations below a folder in this layout; none where it has another.
///
/// # Errors
/// When a folder cannot be listed, or the marksheet is damaged.
pub fn find(folder: &Path) -> Result<Option<Vec<Examination>>, DataError> {
    let mut found = BTreeMap::new();
    patients(folder, None, 0, &mut found)?;
    if found.is_empty() {
        return Ok(None);
    }
    let labels = label_folders(folder);
    let outcomes = outcomes(&labels)?;
    let examinations = found.into_iter().map(|((patient_id, number), study)| {
        let case_id = format!("{patient_id}_{number}");
        let outcome = outcomes.get(&case_id).copied().flatten();
        let cspca = Name::new(CSPCA).ok().zip(outcome.map(|yes| if yes { "yes" } else { "no" }.to_owned()));
        Examination {
            patient_id: Some(patient_id),
            labels: cspca.into_iter().collect(),
            fold: study.fold,
            ..Examination::new(case_id.clone(), files(&case_id, &study, &labels))
        }
    });
    Ok(Some(examinations.collect()))
}

/// A study's images by what they show, in the order found.
struct Study {
    /// The patient's.
    folder: PathBuf,
    /// Of the folder that the patient's is in.
    fold: Option<u32>,
    images: Vec<(Name, PathBuf)>,
}

/// Collects studies by patient and number from the patient folders below `folder`.
fn patients(
    folder: &Path,
    fold: Option<u32>,
    depth: usize,
    found: &mut BTreeMap<(String, String), Study>,
) -> Result<(), DataError> {
    for (name, _) in listing::names(folder)?.found.into_iter().filter(|(_, is_folder)| *is_folder) {
        let path = folder.join(&name);
        let is_patient = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        if is_patient {
            studies(&path, &name, fold, found)?;
        } else if depth + 1 < MAX_DEPTH {
            patients(&path, fold_number(&name).or(fold), depth + 1, found)?;
        }
        if found.len() > MAX_CASES {
            return Err(DataError::refused(folder, format!("more than {MAX_CASES} studies")));
        }
    }
    Ok(())
}

/// The number behind the word `fold` at the end of a name.
fn fold_number(name: &str) -> Option<u32> {
    name.rsplit_once("fold").and_then(|(_, number)| number.parse().ok())
}

fn studies(
    folder: &Path,
    patient: &str,
    fold: Option<u32>,
    found: &mut BTreeMap<(String, String), Study>,
) -> Result<(), DataError> {
    for (name, _) in listing::names(folder)?.found.into_iter().filter(|(_, is_folder)| !is_folder) {
        let Some((study, channel)) = parts(&name, patient) else { continue };
        let study = found.entry((patient.to_owned(), study.to_owned())).or_insert_with(|| Study {
            folder: folder.to_owned(),
            fold,
            images: Vec::new(),
        });
        if let Some(channel) = IMAGES.into_iter().find(|c| *c == channel).and_then(|c| Name::new(c).ok()) {
            study.images.push((channel, folder.join(&name)));
        }
    }
    Ok(())
}

/// Study and channel of `PATIENT_STUDY_CHANNEL.ENDING`; none where a name is of another form.
fn parts<'a>(name: &'a str, patient: &str) -> Option<(&'a str, &'a str)> {
    const CHANNELS: [&str; 5] = ["t2w", "adc", "hbv", "cor", "sag"];
    let lower = name.to_ascii_lowercase();
    let stem =
        ENDINGS.iter().find_map(|ending| lower.strip_suffix(ending)).map(|stem| &name[..stem.len()])?;
    let (study, channel) = stem.strip_prefix(patient)?.strip_prefix('_')?.split_once('_')?;
    let number = !study.is_empty() && study.bytes().all(|b| b.is_ascii_digit());
    let channel = CHANNELS.into_iter().find(|known| known.eq_ignore_ascii_case(channel));
    channel.filter(|_| number).map(|channel| (study, channel))
}

/// The folders in `folder` and beside it that may hold labels.
fn label_folders(folder: &Path) -> Vec<PathBuf> {
    let places = [Some(folder), folder.parent()];
    let named = places.into_iter().flatten().flat_map(|at| LABEL_FOLDERS.map(|name| at.join(name)));
    std::iter::once(folder.to_owned()).chain(named.filter(|path| path.is_dir())).collect()
}

/// The files of one study: its images, and the masks that the label folders have for it.
fn files(case_id: &str, study: &Study, labels: &[PathBuf]) -> Result<CaseFiles, DataError> {
    let (mut images, mut masks) = (BTreeMap::new(), BTreeMap::new());
    for (channel, path) in &study.images {
        if let Some(other) = images.insert(*channel, Source::Path(path.clone())) {
            let other = other.path().display();
            let reason = format!("the {channel} image of {case_id} is there more than once: {other}");
            return Err(DataError::refused(path, reason));
        }
    }
    let mut sources = BTreeMap::new();
    for (channel, folders) in MASK_FOLDERS {
        let mut places =
            folders.iter().flat_map(|place| labels.iter().map(move |root| (*place, root.join(place))));
        let found = places.find_map(|(place, folder)| {
            let mut paths = ENDINGS.iter().map(|ending| folder.join(format!("{case_id}{ending}")));
            paths.find(|path| path.is_file()).map(|path| (place, path))
        });
        if let (Some((place, path)), Ok(name)) = (found, Name::new(channel)) {
            masks.insert(name, Source::Path(path));
            sources.insert(channel.to_owned(), place.to_owned());
        }
    }
    let t2w = Name::new("t2w").map_err(DataError::Options)?;
    Ok(CaseFiles::new(&study.folder, t2w, images, masks, Vec::new())?.with_sources(sources))
}

/// Clinically significant cancer by case from the marksheet, empty where there is none: `case_csPCa`
/// where the column is there, else an ISUP grade (`case_ISUP`) of 2 or more.
fn outcomes(labels: &[PathBuf]) -> Result<BTreeMap<String, Option<bool>>, DataError> {
    let mut outcomes = BTreeMap::new();
    let places = labels.iter().flat_map(|root| MARKSHEETS.map(|name| root.join(name)));
    let Some(path) = places.into_iter().find(|path| path.is_file()) else { return Ok(outcomes) };
    let Some(mut file) = CsvFile::open(&path, "patient_id")? else { return Ok(outcomes) };
    let (patient, study) = (file.require("patient_id")?, file.require("study_id")?);
    let (cancer, grade) = (file.column("case_csPCa")?, file.column("case_ISUP")?);
    while let Some(record) = file.next()? {
        let case = format!("{}_{}", record.cell(patient), record.cell(study));
        let outcome = match (cancer, grade) {
            (Some(column), _) => record.yes_or_no(column)?,
            (None, Some(column)) => match (record.cell(column), record.number(column)) {
                ("" | "N/A", _) => None,
                (_, Some(grade)) if (0.0..=5.0).contains(&grade) => Some(grade >= 2.0),
                (text, _) => {
                    return Err(record.refused(format!("case_ISUP {text:?}: 0 to 5 was expected")));
                }
            },
            (None, None) => None,
        };
        if outcomes.insert(case.clone(), outcome).is_some() {
            return Err(record.refused(format!("case {case} is listed twice")));
        }
    }
    Ok(outcomes)
}
