//! Tables that name files of pictures: labels, patients, splits.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use transferscope_domain::{dataset::LeftOut, metric::Split};

use super::gather::Seen;
use crate::data::{
    DataError,
    import::{
        csv_file::CsvFile,
        listing,
        table::{
            self,
            labels::{self, Candidate, Classes},
        },
        text::plain,
    },
    read::picture,
};

/// Tables that are looked at.
const MAX_TABLES: usize = 20;

/// Columns that say whose a picture is, plain.
const PATIENTS: [&str; 8] =
    ["patientid", "patient", "subjectid", "subject", "participantid", "participant", "pid", "patientnumber"];

/// What tables say of a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    pub patient_id: Option<String>,
    pub split: Option<Split>,
    pub fold: Option<u32>,
}

/// What the tables of a folder say.
#[derive(Debug, Default)]
pub struct Said {
    /// By case.
    pub rows: BTreeMap<String, Row>,
    pub labels: Vec<Classes>,
    pub left_out: Vec<LeftOut>,
    pub notes: Vec<String>,
}

/// Whether the tables of a folder are read here: not where one names cases, as in every layout.
pub fn reads_tables(folder: &Path) -> bool {
    let Ok(names) = listing::names(folder) else { return true };
    let files = names.found.into_iter().filter(|(_, is_folder)| !is_folder).map(|(name, _)| name);
    let cases =
        files.filter(|name| ["cases.csv", "cases.tsv", "cases.txt"].contains(&name.to_lowercase().as_str()));
    let names_cases = |name: String| match CsvFile::open(&folder.join(name), "case_id") {
        Ok(Some(file)) => ["case_id", "patient_id"].iter().all(|c| !matches!(file.column(c), Ok(None))),
        // Its own reader says what is wrong.
        _ => true,
    };
    !cases.into_iter().any(names_cases)
}

/// Reads the tables of a folder that name its pictures. `ids` are the names of their cases.
///
/// # Errors
/// When a table that names pictures is damaged, or names one twice.
pub fn read(folder: &Path, images: &[Seen], ids: &[String]) -> Result<Said, DataError> {
    let mut said = Said::default();
    if !reads_tables(folder) {
        return Ok(said);
    }
    let known = Known::of(images, ids);
    let names = listing::names(folder)?.found;
    let tables = names.into_iter().filter(|(name, is_folder)| {
        let lower = name.to_lowercase();
        !is_folder && [".csv", ".tsv", ".txt"].iter().any(|ending| lower.ends_with(ending))
    });
    let mut columns: BTreeMap<String, Candidate> = BTreeMap::new();
    let mut order = Vec::new();
    for (name, _) in tables.take(MAX_TABLES) {
        // A text that is no table is none of ours.
        let Ok(Some(file)) = CsvFile::open(&folder.join(&name), "filename") else { continue };
        one(&name, file, &known, &mut said, &mut columns, &mut order)?;
    }
    let candidates = order.iter().filter_map(|title| columns.remove(title)).collect();
    let (labels, left) = labels::told(candidates);
    said.labels = labels;
    if !left.is_empty() {
        said.notes.push(format!("columns of tables that are no labels: {}", left.join(", ")));
    }
    let without = ids.iter().filter(|id| !said.rows.contains_key(*id)).count();
    if !said.rows.is_empty() && without > 0 {
        said.notes.push(format!("{without} of {} pictures are in no table", ids.len()));
    }
    Ok(said)
}

/// Cases by what tables may call them.
struct Known<'a> {
    names: BTreeMap<String, Option<&'a String>>,
}

impl<'a> Known<'a> {
    fn of(images: &[Seen], ids: &'a [String]) -> Self {
        let mut names: BTreeMap<String, Option<&String>> = BTreeMap::new();
        for (seen, id) in images.iter().zip(ids) {
            let label = seen.label().to_lowercase();
            let all: BTreeSet<String> =
                [label, seen.stem.to_lowercase(), id.to_lowercase()].into_iter().collect();
            for name in all {
                // What names two pictures names none.
                names.entry(name).and_modify(|known| *known = None).or_insert(Some(id));
            }
        }
        Self { names }
    }

    fn case(&self, cell: &str) -> Option<&'a String> {
        let text = cell.trim().replace('\\', "/").to_lowercase();
        let text = text.trim_start_matches("./");
        let last = text.rsplit('/').next().unwrap_or(text);
        let stem = picture::stem(last).unwrap_or(last);
        [text, stem].iter().find_map(|name| self.names.get(*name).copied().flatten())
    }
}

/// Reads one table, if a column of it names pictures.
fn one(
    name: &str,
    mut file: CsvFile,
    known: &Known<'_>,
    said: &mut Said,
    columns: &mut BTreeMap<String, Candidate>,
    order: &mut Vec<String>,
) -> Result<(), DataError> {
    let headers = file.headers();
    let note = file.note.take();
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut matches = vec![0usize; headers.len()];
    loop {
        let cells: Vec<String> = match file.next() {
            Ok(Some(record)) => (0..headers.len()).map(|column| record.cell(column).to_owned()).collect(),
            Ok(None) => break,
            // Damaged before any of it was about pictures: another kind of text.
            Err(_) if matches.iter().all(|n| *n == 0) => return Ok(()),
            Err(error) => return Err(error),
        };
        for (count, cell) in matches.iter_mut().zip(&cells) {
            *count += usize::from(known.case(cell).is_some());
        }
        lines.push(cells);
    }
    let best = matches.iter().enumerate().max_by_key(|(column, count)| (**count, std::cmp::Reverse(*column)));
    let Some((names, count)) = best.filter(|(_, count)| **count > 0 && **count * 2 >= lines.len()) else {
        return Ok(());
    };
    let count = *count;
    said.notes.extend(note);
    let titled = |wanted: &[&str]| headers.iter().position(|h| wanted.contains(&plain(h).as_str()));
    let patient = titled(&PATIENTS).filter(|column| *column != names);
    let fold = titled(&["fold"]);
    let splits = |column: &usize| {
        lines.iter().all(|cells| cells[*column].is_empty() || table::split_named(&cells[*column]).is_some())
    };
    let split = titled(&["split", "set", "subset", "partition"]).filter(splits);
    // A table may be one of a split: train.csv.
    let of_table = name.rsplit_once('.').and_then(|(stem, _)| table::split_named(stem));
    let special = [Some(names), patient, fold, split];
    let mut missing = 0;
    for (number, cells) in lines.iter().enumerate() {
        let Some(case) = known.case(&cells[names]) else {
            missing += 1;
            continue;
        };
        let whole =
            |text: &str| text.parse::<f64>().ok().filter(|v| v.fract() == 0.0 && (0.0..1e6).contains(v));
        let row = Row {
            patient_id: patient.map(|column| cells[column].clone()).filter(|text| !text.is_empty()),
            split: split.and_then(|column| table::split_named(&cells[column])).or(of_table),
            fold: fold.and_then(|column| whole(&cells[column])).map(|v| v as u32),
        };
        if let Some(other) = said.rows.insert(case.clone(), row.clone())
            && other != row
        {
            return Err(DataError::refused(
                Path::new(name),
                format!("entry {}: picture {:?} is listed twice, with other words", number + 1, cells[names]),
            ));
        }
        for (column, title) in headers.iter().enumerate() {
            if title.is_empty() || special.contains(&Some(column)) {
                continue;
            }
            let candidate = columns.entry(title.clone()).or_insert_with(|| {
                order.push(title.clone());
                Candidate::new(title, column)
            });
            candidate.add(case, &cells[column]);
        }
    }
    said.notes.push(format!("{name}: {count} of its {} lines are about pictures of the folder", lines.len()));
    if missing > 0 {
        let reason = format!("of its lines {missing} name pictures that are not there");
        said.left_out.push(LeftOut { case_id: name.to_owned(), reason });
    }
    Ok(())
}
