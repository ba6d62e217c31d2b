//! `cases.csv`: which case belongs to which patient.

use std::{collections::BTreeMap, path::Path};

use crate::data::DataError;

const FILE: &str = "cases.csv";

/// A table with more bytes is refused.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Patient by case, empty where there is no table. Columns `case_id` and `patient_id` are read, others
/// are left alone.
///
/// # Errors
/// When the table cannot be read, a column is missing, an id is empty, or a case stands twice.
pub fn patients(folder: &Path) -> Result<BTreeMap<String, String>, DataError> {
    let path = folder.join(FILE);
    let size = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(DataError::io(&path)(e)),
    };
    if size > MAX_BYTES {
        return Err(DataError::refused(&path, format!("{size} bytes: at most {MAX_BYTES} are read")));
    }
    let damaged = |e: csv::Error| DataError::refused(&path, format!("not a readable table: {e}"));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(&path).map_err(damaged)?;
    let headers = reader.headers().map_err(damaged)?.clone();
    let column = |name: &str| {
        headers.iter().position(|h| h.trim_start_matches('\u{feff}') == name).ok_or_else(|| {
            let known = headers.iter().collect::<Vec<_>>().join(", ");
            DataError::refused(&path, format!("no column {name}, only {known}"))
        })
    };
    let (case_column, patient_column) = (column("case_id")?, column("patient_id")?);
    let mut patients = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(damaged)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |i: usize| record.get(i).unwrap_or_default().to_owned();
        let (case, patient) = (cell(case_column), cell(patient_column));
        if case.is_empty() || patient.is_empty() {
            return Err(DataError::refused(&path, format!("line {line}: case_id or patient_id is empty")));
        }
        if patients.insert(case.clone(), patient).is_some() {
            return Err(DataError::refused(&path, format!("line {line}: case {case:?} stands there twice")));
        }
    }
    Ok(patients)
}
