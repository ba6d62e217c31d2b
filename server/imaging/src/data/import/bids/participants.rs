//! `participants.tsv`: what is known of subjects.

use std::{collections::BTreeMap, path::Path};

use transferscope_domain::metric::Split;

use crate::data::{
    DataError,
    import::{
        csv_file::CsvFile,
        named::few,
        table::{
            self,
            labels::{self, Candidate, Classes},
        },
    },
};

const FILE: &str = "participants.tsv";

/// What the table says of a subject.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub split: Option<Split>,
    pub fold: Option<u32>,
}

/// What the table says.
#[derive(Debug, Default)]
pub struct Said {
    /// By subject.
    pub rows: BTreeMap<String, Row>,
    /// By case.
    pub labels: Vec<Classes>,
    pub notes: Vec<String>,
}

/// Reads the table of a folder, empty where there is none. `cases` are the cases with their subjects.
///
/// # Errors
/// When it is damaged, has no column `participant_id`, names a subject twice, or a split or fold that is none.
pub fn read(folder: &Path, cases: &[(String, String)]) -> Result<Said, DataError> {
    let mut said = Said::default();
    let Some(mut file) = CsvFile::open(&folder.join(FILE), "participant_id")? else { return Ok(said) };
    said.notes.extend(file.note.take());
    let mut by_subject: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    cases.iter().for_each(|(case, subject)| by_subject.entry(subject).or_default().push(case));
    let id = file.require("participant_id")?;
    let (split, fold) = (file.column("split")?, file.column("fold")?);
    let others: Vec<String> =
        file.others(&["participant_id", "split", "fold"]).into_iter().map(str::to_owned).collect();
    let mut columns = Vec::new();
    for other in &others {
        columns.extend(file.column(other)?.map(|column| Candidate::new(other, column)));
    }
    let mut without = Vec::new();
    while let Some(record) = file.next()? {
        let cell = record.cell(id);
        // Some tables leave the first letters away.
        let subject = if cell.starts_with("sub-") { cell.to_owned() } else { format!("sub-{cell}") };
        let own = match by_subject.get(subject.as_str()) {
            Some(own) => own.as_slice(),
            None => {
                without.push(subject.clone());
                &[]
            }
        };
        let unknown = |text: &str| ["", "n/a"].contains(&text.to_lowercase().as_str());
        let row = Row {
            split: match split.map(|column| record.cell(column)) {
                Some(text) if !unknown(text) => Some(table::split_named(text).ok_or_else(|| {
                    record.refused(format!("split {text:?}: train, val or test was expected"))
                })?),
                _ => None,
            },
            fold: match fold.map(|column| (record.cell(column), record.whole(column))) {
                Some((text, None)) if !unknown(text) => {
                    return Err(record.refused(format!("fold {text:?}: a whole number from 0 was expected")));
                }
                Some((_, fold)) => fold,
                None => None,
            },
        };
        for candidate in &mut columns {
            own.iter().for_each(|case| candidate.add(case, record.cell(candidate.column)));
        }
        if said.rows.insert(subject.clone(), row).is_some() {
            return Err(record.refused(format!("{subject} is listed twice")));
        }
    }
    let (labels, left) = labels::told(columns);
    said.labels = labels;
    if !left.is_empty() {
        said.notes.push(format!("{FILE}: columns that are no labels: {}", left.join(", ")));
    }
    if !without.is_empty() {
        said.notes.push(format!("{FILE} lists {} without images", few(&without, "subject")));
    }
    let missing: Vec<String> =
        by_subject.keys().filter(|s| !said.rows.contains_key(**s)).map(|s| (*s).to_owned()).collect();
    if !missing.is_empty() {
        said.notes.push(format!("{FILE} does not list {}", few(&missing, "subject")));
    }
    Ok(said)
}
