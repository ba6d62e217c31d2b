//! `cases.csv`: which case belongs to which patient, and what else is known of it.

pub(super) mod labels;

use std::{collections::BTreeMap, path::Path};

use transferscope_domain::{
    Name,
    dataset::{LabelInfo, contents::CSPCA},
    metric::Split,
};

use self::labels::Candidate;
use super::{csv_file::CsvFile, listing};
use crate::data::DataError;

/// Names of the table, in any case; the endings say nothing of what parts the cells.
const NAMES: [&str; 3] = ["cases.csv", "cases.tsv", "cases.txt"];

/// Columns that are read.
const COLUMNS: [&str; 5] = ["case_id", "patient_id", "cspca", "split", "fold"];

/// Endings of workbooks, which are no tables of text.
const WORKBOOKS: [&str; 5] = [".xlsx", ".xls", ".xlsm", ".ods", ".numbers"];

/// What the table says about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub patient_id: String,
    /// Classes of the whole case by label; not where the cell is empty or says that it is not known.
    pub labels: BTreeMap<Name, String>,
    pub split: Option<Split>,
    pub fold: Option<u32>,
}

/// The table of a folder.
#[derive(Debug, Default)]
pub struct Table {
    /// Its file's name; none where there is no table.
    pub name: Option<String>,
    /// By case as the table names it.
    pub rows: BTreeMap<String, Row>,
    /// Columns that hold classes of cases.
    pub labels: Vec<LabelInfo>,
    pub notes: Vec<String>,
}

/// The table beside the cases, empty where there is none. Columns `case_id` and `patient_id` must be there;
/// of the others `cspca` (yes or no), `split` (train, val or test) and `fold` (a whole number from 0) are
/// read, and every column of a few classes is a label of its own. The rest is left alone, and it is said.
///
/// # Errors
/// When there are two tables or a workbook, the table cannot be read, a column is missing or stands twice, an
/// id is empty, a cell cannot be what its column holds, or a case stands twice.
pub fn read(folder: &Path) -> Result<Table, DataError> {
    let mut table = Table::default();
    let files = listing::names(folder)?.found;
    let files: Vec<&String> =
        files.iter().filter(|(_, is_folder)| !**is_folder).map(|(name, _)| name).collect();
    let named = |name: &&&String| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
    let tables: Vec<&&String> = files.iter().filter(named).collect();
    let name = match tables.as_slice() {
        [] => return no_table(folder, &files, table),
        [name] => (**name).clone(),
        [first, second, ..] => {
            let reason = format!("{first} and {second}: one table of the cases was expected");
            return Err(DataError::refused(folder, reason));
        }
    };
    let path = folder.join(&name);
    let Some(mut file) = CsvFile::open(&path, "case_id")? else { return Ok(table) };
    table.notes.extend(file.note.take());
    let others: Vec<String> = file.others(&COLUMNS).into_iter().map(str::to_owned).collect();
    let mut columns = Vec::new();
    for other in &others {
        columns.extend(file.column(other)?.map(|column| Candidate::new(other, column)));
    }
    table.name = Some(name.clone());
    let (case_column, patient_column) = (file.require("case_id")?, file.require("patient_id")?);
    let (cspca, split, fold) = (file.column("cspca")?, file.column("split")?, file.column("fold")?);
    while let Some(record) = file.next()? {
        let (case, patient) = (record.cell(case_column), record.cell(patient_column));
        if case.is_empty() || patient.is_empty() {
            return Err(record.refused("case_id or patient_id is empty"));
        }
        columns.iter_mut().for_each(|candidate| candidate.add(case, record.cell(candidate.column)));
        let cspca = cspca.map(|column| record.yes_or_no(column)).transpose()?.flatten();
        let cspca = cspca.map(|yes| if yes { "yes" } else { "no" }.to_owned());
        let row = Row {
            patient_id: patient.to_owned(),
            labels: Name::new(CSPCA).ok().zip(cspca).into_iter().collect(),
            split: match split.map(|column| record.cell(column)) {
                None | Some("") => None,
                Some(text) => Some(split_named(text).ok_or_else(|| {
                    record.refused(format!("split {text:?}: train, val or test was expected"))
                })?),
            },
            fold: match fold.map(|column| (record.cell(column), record.whole(column))) {
                None | Some(("", _)) => None,
                Some((text, None)) => {
                    return Err(record.refused(format!("fold {text:?}: a whole number from 0 was expected")));
                }
                Some((_, fold)) => fold,
            },
        };
        if table.rows.contains_key(case) {
            return Err(record.refused(format!("case {case:?} is listed twice")));
        }
        table.rows.insert(case.to_owned(), row);
    }
    labels::take(columns, &name, &mut table);
    Ok(table)
}

/// The split of this name, as people write it.
pub(super) fn split_named(text: &str) -> Option<Split> {
    Some(match text.to_lowercase().as_str() {
        "train" | "training" => Split::Train,
        "val" | "valid" | "validation" | "validate" => Split::Val,
        "test" | "testing" => Split::Test,
        _ => return None,
    })
}

/// Without a table of the right name: a workbook is refused, since its patients and splits would be lost, and
/// tables of similar names are named.
fn no_table(folder: &Path, files: &[&String], mut table: Table) -> Result<Table, DataError> {
    let similar = files.iter().filter(|name| name.to_lowercase().contains("case"));
    for name in similar {
        let lower = name.to_lowercase();
        let stem = lower.split('.').next().unwrap_or_default();
        if stem == "cases" && WORKBOOKS.iter().any(|ending| lower.ends_with(ending)) {
            let reason = "a workbook is not read: save its table as CSV (UTF-8) under the name cases.csv";
            return Err(DataError::refused(folder.join(name.as_str()), reason));
        }
        if [".csv", ".tsv", ".txt"].iter().chain(&WORKBOOKS).any(|ending| lower.ends_with(ending)) {
            table.notes.push(format!("{name} was not read: a table of the cases must be named cases.csv"));
        }
    }
    Ok(table)
}
