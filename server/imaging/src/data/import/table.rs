//! `cases.csv`: which case belongs to which patient, and what else is known of it.

use std::{collections::BTreeMap, path::Path};

use transferscope_domain::metric::Split;

use super::csv_file::CsvFile;
use crate::data::DataError;

const FILE: &str = "cases.csv";

/// What the table says about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub patient_id: String,
    /// Clinically significant cancer; none where the cell is empty or says that it is not known.
    pub cspca: Option<bool>,
    pub split: Option<Split>,
    pub fold: Option<u32>,
}

/// Rows by case, empty where there is no table. Columns `case_id` and `patient_id` must be there; of the
/// others `cspca` (yes or no), `split` (train, val or test) and `fold` (a whole number from 0) are read
/// and the rest is left alone.
///
/// # Errors
/// When the table cannot be read, a column is missing or stands twice, an id is empty, a cell cannot be
/// what its column holds, or a case stands twice.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Row>, DataError> {
    let path = folder.join(FILE);
    let Some(mut file) = CsvFile::open(&path)? else { return Ok(BTreeMap::new()) };
    let (case_column, patient_column) = (file.require("case_id")?, file.require("patient_id")?);
    let (cspca, split, fold) = (file.column("cspca")?, file.column("split")?, file.column("fold")?);
    let mut rows = BTreeMap::new();
    while let Some(record) = file.next()? {
        let (case, patient) = (record.cell(case_column), record.cell(patient_column));
        if case.is_empty() || patient.is_empty() {
            return Err(record.refused("case_id or patient_id is empty"));
        }
        let row = Row {
            patient_id: patient.to_owned(),
            cspca: cspca.map(|column| record.yes_or_no(column)).transpose()?.flatten(),
            split: match split.map(|column| record.cell(column)) {
                None | Some("") => None,
                Some(text) => Some(Split::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
                    record.refused(format!("split {text:?}: train, val or test was expected"))
                })?),
            },
            fold: match fold.map(|column| record.cell(column)) {
                None | Some("") => None,
                Some(text) => Some(text.parse().map_err(|_| {
                    record.refused(format!("fold {text:?}: a whole number from 0 was expected"))
                })?),
            },
        };
        if rows.insert(case.to_owned(), row).is_some() {
            return Err(record.refused(format!("case {case:?} stands there twice")));
        }
    }
    Ok(rows)
}
