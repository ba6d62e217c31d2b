//! Adding a folder of cases as a data set.

mod case_folder;
mod table;

use std::path::Path;

use transferscope_domain::{dataset::DatasetManifest, event::LeftOut};

use self::case_folder::CaseFolder;
use super::{DataError, manifest, split, store::Staging};

/// Seed of the patient split of every data set that is added.
pub const SPLIT_SEED: u64 = 0;

/// Adds the case folders in `folder` as data set `name` (by default the folder's own name) under
/// `datasets_dir`; `progress` hears (done, total) cases.
///
/// Each case folder holds `t2w` and where there are any `adc`, `hbv`, `gland`, `zones`, `lesion`, as
/// `.nii`, `.nii.gz`, `.mha` or a folder of DICOM files; `cases.csv` beside them may name patients.
/// Images and masks are resampled onto the t2w grid. A case that cannot be trusted is left out and named
/// in the manifest with the reason. Adding the same content again changes nothing.
///
/// # Errors
/// When no case is usable, another data set has the name, `cases.csv` is damaged, or writing fails;
/// nothing is left behind then.
pub fn add(
    datasets_dir: &Path,
    folder: &Path,
    name: Option<&str>,
    progress: &dyn Fn(usize, usize),
) -> Result<DatasetManifest, DataError> {
    let whole = folder.canonicalize().map_err(DataError::io(folder))?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => name_of(&whole),
    };
    let patients = table::patients(folder)?;
    let found = case_folder::list(folder)?;
    let staging = Staging::begin(datasets_dir, &name)?;
    let mut refused: Vec<LeftOut> = Vec::new();
    let mut cases = Vec::new();
    progress(0, found.len());
    for (done, case_id) in found.iter().enumerate() {
        let patient_id = patients.get(case_id).unwrap_or(case_id);
        match prepare(&staging, &folder.join(case_id), case_id, patient_id) {
            Ok(entry) => cases.push(entry),
            // The disk is not the case's fault.
            Err(error @ DataError::Io { .. }) if written_by_us(&error, &staging) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(case.id = case_id, "left out: {reason}");
                refused.push(LeftOut { case_id: case_id.clone(), reason: relative(&reason, folder) });
            }
        }
        progress(done + 1, found.len());
    }
    if cases.is_empty() {
        return Err(DataError::NoUsableCase { folder: folder.to_owned(), refused });
    }
    let splits = split::by_patient(cases.iter().map(|c| c.patient_id.as_str()), SPLIT_SEED);
    for case in &mut cases {
        case.split = splits[&case.patient_id];
    }
    staging.publish(DatasetManifest {
        schema: manifest::SCHEMA,
        name,
        source: whole
            .file_name()
            .map_or_else(|| "a folder".into(), |n| format!("folder {}", n.to_string_lossy())),
        synthetic: false,
        hash: manifest::content_hash(&cases),
        cases,
        refused,
        split_seed: SPLIT_SEED,
    })
}

fn prepare(
    staging: &Staging,
    folder: &Path,
    case_id: &str,
    patient_id: &str,
) -> Result<transferscope_domain::dataset::CaseEntry, DataError> {
    let case = CaseFolder::find(folder)?;
    let (geometry, volumes) = case.load()?;
    staging.add_case(case_id, patient_id, &geometry, &volumes)
}

/// Whether an error comes from the data set that is being written.
fn written_by_us(error: &DataError, staging: &Staging) -> bool {
    matches!(error, DataError::Io { path, .. } if path.starts_with(staging.folder()))
}

/// Reasons name files within the folder that was added, not where it lies on this machine.
fn relative(reason: &str, folder: &Path) -> String {
    reason.replace(&format!("{}/", folder.display()), "")
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
mod tests;
