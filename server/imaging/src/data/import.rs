//! Adding a folder of cases as a data set.

mod case_files;
mod case_folder;
mod csv_file;
mod examination;
mod geometry;
mod image_names;
mod labels;
mod layouts;
mod listing;
mod patients;
mod picai;
mod rows;
mod source;
mod table;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use transferscope_domain::{
    dataset::{CaseEntry, DatasetManifest, LeftOut},
    metric::Split,
};

pub use self::labels::{FillLabel, FillWith};
use self::{
    case_files::{Loaded, Reading},
    examination::Examination,
    patients::{Known, Patient},
    table::Row,
};
use super::{
    DataError, IMAGES, manifest,
    split::{self, SplitPlan, Stratum},
    store::Staging,
};

/// Seed of the patient split of every data set that is added.
pub const SPLIT_SEED: u64 = 0;

/// What can be chosen when a folder is added.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// By default the folder's own name.
    pub name: Option<String>,
    pub split: SplitPlan,
    /// Voxel size in mm, `[D, H, W]`, that every case gets; by default each keeps its t2w image's.
    pub spacing_mm: Option<[f64; 3]>,
    /// A value of masks that is not to be learnt, and what becomes of its voxels.
    pub fill_label: Option<FillLabel>,
}

/// [`add_with`] with a name and everything else as usual.
///
/// # Errors
/// As there.
pub fn add(
    datasets_dir: &Path,
    folder: &Path,
    name: Option<&str>,
    progress: &dyn Fn(usize, usize),
) -> Result<DatasetManifest, DataError> {
    let options = AddOptions { name: name.map(str::to_owned), ..AddOptions::default() };
    add_with(datasets_dir, folder, &options, progress)
}

/// Adds the cases in `folder` as a data set under `datasets_dir`; `progress` hears (done, total) cases.
///
/// The layout is recognised: that of the PI-CAI challenge, or one folder a case with `t2w` and where
/// there are any `adc`, `hbv`, `gland`, `zones`, `lesion`, as `.nii`, `.nii.gz`, `.mha`, `.mhd`, `.hdr` with
/// `.img`, or a folder of DICOM files. `cases.csv` in it may name patients, labels, splits and folds; without
/// it examinations with one PatientID or one and the same image are one patient's. Images and masks are
/// resampled onto the t2w grid. A case that cannot be trusted is left out and named in the manifest with
/// the reason; what is odd about those that can stays with the data set as a note. Adding the same content
/// again changes nothing.
///
/// # Errors
/// When no case is usable, the layout is one that is not read, another data set has the name, a table is
/// damaged or about none of the cases, the splits cannot be as chosen, or writing fails; nothing is left behind
/// then.
pub fn add_with(
    datasets_dir: &Path,
    folder: &Path,
    options: &AddOptions,
    progress: &dyn Fn(usize, usize),
) -> Result<DatasetManifest, DataError> {
    let whole = folder.canonicalize().map_err(DataError::io(folder))?;
    let name = options.name.clone().unwrap_or_else(|| name_of(&whole));
    let table = table::read(&whole)?;
    let from_table = table.name.clone().unwrap_or_default();
    let found = source::find(&whole)?;
    let ids: Vec<&str> = found.iter().map(|e| e.case_id.as_str()).collect();
    let rows::Matched { rows, left_out: mut refused, mut notes } = rows::matched(&whole, table, &ids)?;
    let staging = Staging::begin(datasets_dir, &name)?;
    let mut cases = Vec::new();
    let reading = Reading { spacing_mm: options.spacing_mm, fill: options.fill_label };
    let total = found.len();
    let without_images = found.iter().all(|examination| examination.files.is_err());
    progress(0, total);
    for (done, examination) in found.into_iter().enumerate() {
        let case_id = examination.case_id.clone();
        match prepare(&staging, examination, rows.get(&case_id), &from_table, reading) {
            Ok(case) => cases.push(case),
            // The disk is not the case's fault.
            Err(error @ DataError::Io { .. }) if written_by_us(&error, &staging) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                refused.push(LeftOut { case_id, reason: relative(&reason, &whole) });
            }
        }
        progress(done + 1, total);
    }
    if cases.is_empty() {
        return Err(match without_images.then(|| layouts::dicom_tree(&whole)).flatten() {
            Some(what) => DataError::refused(folder, what),
            None => DataError::NoUsableCase { folder: folder.to_owned(), refused },
        });
    }
    if let Some(fill) = options.fill_label
        && !cases.iter().any(|case| case.entry.notes.iter().any(|note| note.contains("--fill-label")))
    {
        notes.push(format!("--fill-label: no mask has voxels of the value {}", fill.value));
    }
    let patient_sources = settle(&mut cases, &mut notes);
    let images: Vec<_> = cases.iter().map(|case| case.known.images.clone()).collect();
    let mut strata: BTreeMap<String, Stratum> = BTreeMap::new();
    let mut splits: BTreeMap<String, Split> = BTreeMap::new();
    for Prepared { entry, stratum, .. } in &cases {
        let patient = strata.entry(entry.patient_id.clone()).or_default();
        *patient = patient.and(*stratum);
        splits.extend(rows.get(&entry.case_id).and_then(|r| r.split).map(|s| (entry.case_id.clone(), s)));
    }
    let mut cases: Vec<CaseEntry> = cases.into_iter().map(|case| case.entry).collect();
    let folds = split::assign(&mut cases, &strata, &splits, options.split, SPLIT_SEED)?;
    notes.extend(in_several_splits(&cases, &images));
    staging.publish(DatasetManifest {
        schema: manifest::SCHEMA,
        name,
        source: whole
            .file_name()
            .map_or_else(|| "a folder".into(), |n| format!("folder {}", n.to_string_lossy())),
        synthetic: false,
        hash: manifest::content_hash(&cases),
        split_hash: manifest::split_hash(&cases),
        cases,
        refused,
        split_seed: SPLIT_SEED,
        folds,
        patient_sources,
        notes,
    })
}

/// A case that is stored, with what all of them together decide by.
struct Prepared {
    entry: CaseEntry,
    stratum: Stratum,
    known: Known,
    right_handed: bool,
}

/// Reads and stores one examination, with what its table says of it. Whose it is, is decided later.
fn prepare(
    staging: &Staging,
    examination: Examination,
    row: Option<&Row>,
    from_table: &str,
    reading: Reading,
) -> Result<Prepared, DataError> {
    let files = examination.files?;
    let Loaded { geometry, volumes, notes, identifiers, right_handed } = files.load(reading)?;
    let case_id = examination.case_id;
    let mut entry = staging.add_case(&case_id, &case_id, &geometry, &volumes)?;
    entry.cspca = row.and_then(|row| row.cspca).or(examination.cspca);
    entry.fold = row.and_then(|row| row.fold).or(examination.fold);
    entry.mask_sources = files.sources().clone();
    entry.notes = notes;
    let lesion = volumes.get("lesion").map(|mask| mask.data.iter().any(|v| *v > 0.0));
    let stratum = Stratum { cspca: entry.cspca, lesion };
    let of_table = row.map(|row| (row.patient_id.clone(), from_table.to_owned()));
    let of_layout = examination.patient_id.map(|patient| (patient, "file names".to_owned()));
    let images =
        IMAGES.iter().filter_map(|name| Some(((*name).to_owned(), volumes.get(*name)?.content_hash())));
    let known = Known { case_id, told: of_table.or(of_layout), identifiers, images: images.collect() };
    Ok(Prepared { entry, stratum, known, right_handed })
}

/// An image's name and a hash of its voxels.
type Image = (String, [u8; 32]);

/// Names the cases that share an image with a case of another split, which makes every later result too good. `images`
/// are those of each case, by their content.
fn in_several_splits(cases: &[CaseEntry], images: &[Vec<Image>]) -> Option<String> {
    let mut splits: BTreeMap<&Image, BTreeSet<Split>> = BTreeMap::new();
    for (case, image) in cases.iter().zip(images).flat_map(|(case, all)| all.iter().map(move |i| (case, i))) {
        splits.entry(image).or_default().insert(case.split);
    }
    let leaks = |images: &Vec<Image>| images.iter().any(|image| splits[image].len() > 1);
    let found = cases.iter().zip(images).filter(|(_, images)| leaks(images));
    let names: Vec<&str> = found.map(|(case, _)| case.case_id.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} share an image with a case of another split, so that results will be too good: give them one patient_id in cases.csv and add the folder under another name",
            names.join(", ")
        )
    })
}

/// Decides what only all cases together tell: whose each is, and which are stored unlike the others. Gives the
/// number of cases by what told their patient.
fn settle(cases: &mut [Prepared], notes: &mut Vec<String>) -> BTreeMap<String, usize> {
    let known: Vec<Known> = cases.iter().map(|case| case.known.clone()).collect();
    let (patients, about_all) = patients::of(&known);
    notes.extend(about_all);
    let mirrored = geometry::mirrored(&cases.iter().map(|case| case.right_handed).collect::<Vec<_>>());
    let mut sources = BTreeMap::new();
    for ((case, Patient { id, source, notes }), mirrored) in cases.iter_mut().zip(patients).zip(mirrored) {
        case.entry.patient_id = id;
        case.entry.notes.extend(notes.into_iter().chain(mirrored));
        *sources.entry(source).or_default() += 1;
    }
    sources
}

/// Whether an error comes from the data set that is being written.
fn written_by_us(error: &DataError, staging: &Staging) -> bool {
    matches!(error, DataError::Io { path, .. } if path.starts_with(staging.folder()))
}

/// Reasons name files within the folder that was added or beside it, not where it lies on this machine.
fn relative(reason: &str, folder: &Path) -> String {
    let within = reason.replace(&format!("{}/", folder.display()), "");
    match folder.parent().filter(|up| up.parent().is_some()) {
        Some(up) => within.replace(&format!("{}/", up.display()), "../"),
        None => within,
    }
}

/// A data set name from a folder's name.
fn name_of(folder: &Path) -> String {
    let text = folder.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .take(64)
        .collect();
    name.trim_start_matches(['-', '_', '.']).to_owned()
}

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod field;
#[cfg(test)]
mod orientation;
#[cfg(test)]
mod tests;
