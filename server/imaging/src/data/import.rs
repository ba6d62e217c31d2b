//! Adding a folder of cases as a data set.

mod case_files;
mod case_folder;
mod csv_file;
mod picai;
mod source;
mod table;

use std::{collections::BTreeMap, path::Path};

use transferscope_domain::{
    dataset::{CaseEntry, DatasetManifest},
    event::LeftOut,
    metric::Split,
};

use self::{source::Examination, table::Row};
use super::{
    DataError, manifest,
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
/// there are any `adc`, `hbv`, `gland`, `zones`, `lesion`, as `.nii`, `.nii.gz`, `.mha`, `.mhd` or a folder
/// of DICOM files. `cases.csv` in it may name patients, labels, splits and folds. Images and masks are
/// resampled onto the t2w grid. A case that cannot be trusted is left out and named in the manifest with
/// the reason. Adding the same content again changes nothing.
///
/// # Errors
/// When no case is usable, another data set has the name, a table is damaged, the splits cannot be as
/// chosen, or writing fails; nothing is left behind then.
pub fn add_with(
    datasets_dir: &Path,
    folder: &Path,
    options: &AddOptions,
    progress: &dyn Fn(usize, usize),
) -> Result<DatasetManifest, DataError> {
    let whole = folder.canonicalize().map_err(DataError::io(folder))?;
    let name = options.name.clone().unwrap_or_else(|| name_of(&whole));
    let rows = table::read(&whole)?;
    let found = source::find(&whole)?;
    let staging = Staging::begin(datasets_dir, &name)?;
    let mut refused = without_files(&rows, &found);
    let mut cases = Vec::new();
    let mut strata: BTreeMap<String, Stratum> = BTreeMap::new();
    let mut splits: BTreeMap<String, Split> = BTreeMap::new();
    let total = found.len();
    progress(0, total);
    for (done, examination) in found.into_iter().enumerate() {
        let case_id = examination.case_id.clone();
        let row = rows.get(&case_id);
        match prepare(&staging, examination, row, options.spacing_mm) {
            Ok((entry, stratum)) => {
                let patient = strata.entry(entry.patient_id.clone()).or_default();
                *patient = patient.and(stratum);
                splits.extend(row.and_then(|r| r.split).map(|split| (case_id, split)));
                cases.push(entry);
            }
            // The disk is not the case's fault.
            Err(error @ DataError::Io { .. }) if written_by_us(&error, &staging) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(case.id = case_id, "left out: {reason}");
                refused.push(LeftOut { case_id, reason: relative(&reason, &whole) });
            }
        }
        progress(done + 1, total);
    }
    if cases.is_empty() {
        return Err(DataError::NoUsableCase { folder: folder.to_owned(), refused });
    }
    let folds = split::assign(&mut cases, &strata, &splits, options.split, SPLIT_SEED)?;
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
    })
}

/// Reads and stores one examination, with what its table says of it.
fn prepare(
    staging: &Staging,
    examination: Examination,
    row: Option<&Row>,
    spacing_mm: Option<[f64; 3]>,
) -> Result<(CaseEntry, Stratum), DataError> {
    let files = examination.files?;
    let (geometry, volumes) = files.load(spacing_mm)?;
    let patient_id = row.map_or(&examination.patient_id, |row| &row.patient_id);
    let mut entry = staging.add_case(&examination.case_id, patient_id, &geometry, &volumes)?;
    entry.cspca = row.and_then(|row| row.cspca).or(examination.cspca);
    entry.fold = row.and_then(|row| row.fold).or(examination.fold);
    entry.mask_sources = files.sources().clone();
    let lesion = volumes.get("lesion").map(|mask| mask.data.iter().any(|v| *v > 0.0));
    let stratum = Stratum { cspca: entry.cspca, lesion };
    Ok((entry, stratum))
}

/// Cases of the table that are not in the folder.
fn without_files(rows: &BTreeMap<String, Row>, found: &[Examination]) -> Vec<LeftOut> {
    let known: std::collections::BTreeSet<&str> = found.iter().map(|e| e.case_id.as_str()).collect();
    let missing = rows.keys().filter(|case| !known.contains(case.as_str()));
    let reason = "it stands in cases.csv, and no images of this name are in the folder";
    missing.map(|case| LeftOut { case_id: case.clone(), reason: reason.into() }).collect()
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
mod orientation;
#[cfg(test)]
mod tests;
