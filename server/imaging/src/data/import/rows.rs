//! Which line of the table is about which case.

use std::{collections::BTreeMap, path::Path};

use transferscope_domain::dataset::LeftOut;
use unicode_normalization::UnicodeNormalization;

use super::table::{Row, Table};
use crate::data::DataError;

/// The table's lines by case.
#[derive(Debug, Default)]
pub struct Matched {
    pub rows: BTreeMap<String, Row>,
    /// Cases of the table that are not in the folder.
    pub left_out: Vec<LeftOut>,
    pub notes: Vec<String>,
}

/// Gives every case its line: that of its very name, else that of a name which differs in case, in how its
/// letters are put together, or in leading zeros, which spreadsheets take away.
///
/// # Errors
/// When a line could be about several cases, several lines about one, or no line is about any case.
pub fn matched(folder: &Path, table: Table, cases: &[&str]) -> Result<Matched, DataError> {
    let Table { name, rows, notes, labels: _ } = table;
    let name = name.unwrap_or_default();
    let mut matched = Matched { notes, ..Matched::default() };
    let (exact, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        rows.into_iter().partition(|(case, _)| cases.contains(&case.as_str()));
    matched.rows = exact;
    let free = cases.iter().copied().filter(|case| !matched.rows.contains_key(*case));
    let mut by_key: BTreeMap<String, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    free.for_each(|case| by_key.entry(key(case)).or_default().0.push(case));
    others.keys().for_each(|line| by_key.entry(key(line)).or_default().1.push(line));
    let mut named = BTreeMap::new();
    for (cases, lines) in by_key.into_values() {
        match (cases.as_slice(), lines.as_slice()) {
            ([], _) | (_, []) => {}
            ([case], [line]) => {
                named.insert((*line).to_owned(), (*case).to_owned());
            }
            (cases, lines) => {
                let quoted =
                    |names: &[&str]| names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(" or ");
                return Err(DataError::refused(
                    folder.join(&name),
                    format!(
                        "it says {}, which can be {}: write case_id as the folders are named",
                        quoted(lines),
                        quoted(cases)
                    ),
                ));
            }
        }
    }
    if let Some((line, case)) = named.iter().next() {
        matched.notes.push(format!(
            "{name} names {} otherwise than {} named, such as {line:?} for {case:?}: they were matched without case and leading zeros",
            if named.len() == 1 { "1 case".into() } else { format!("{} cases", named.len()) },
            if named.len() == 1 { "its folder is" } else { "their folders are" },
        ));
    }
    let first_line = others.keys().next().cloned();
    for (line, row) in others {
        match named.remove(&line) {
            Some(case) => {
                matched.rows.insert(case, row);
            }
            None => {
                let reason = format!("it is listed in {name}, but there is no case folder of this name");
                matched.left_out.push(LeftOut { case_id: line, reason });
            }
        }
    }
    match (first_line, cases.first()) {
        (Some(line), Some(case)) if matched.rows.is_empty() => Err(DataError::refused(
            folder.join(&name),
            format!(
                "it matches none of the case folders: it has case_id {line:?}, the first folder is {case:?}; write case_id exactly as the folders are named"
            ),
        )),
        _ => Ok(matched),
    }
}

/// A name without what programs change in it.
fn key(name: &str) -> String {
    let name: String = name.trim().nfc().flat_map(char::to_lowercase).collect();
    // Spreadsheets make numbers of such names, and those may get decimals.
    let number = name.strip_suffix(".0").or_else(|| name.strip_suffix(",0")).unwrap_or(&name);
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        number.trim_start_matches('0').to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str], cases: &[&str]) -> Result<Matched, String> {
        let row = |id: &str| Row {
            patient_id: format!("patient {id}"),
            labels: BTreeMap::new(),
            split: None,
            fold: None,
        };
        let rows = lines.iter().map(|id| ((*id).to_owned(), row(id))).collect();
        let table = Table { name: Some("cases.csv".into()), rows, labels: Vec::new(), notes: Vec::new() };
        matched(Path::new("in"), table, cases).map_err(|e| e.to_string())
    }

    fn patients(lines: &[&str], cases: &[&str]) -> Vec<(String, String)> {
        of(lines, cases).unwrap().rows.into_iter().map(|(case, row)| (case, row.patient_id)).collect()
    }

    #[test]
    fn names_that_programs_changed_find_their_cases() {
        let found =
            patients(&["1", "2.0", "C4", "Mu\u{308}ller", "000"], &["001", "02", "c4", "M\u{fc}ller", "0"]);
        let found: Vec<_> = found.iter().map(|(case, patient)| (case.as_str(), patient.as_str())).collect();
        let expected = [
            ("0", "patient 000"),
            ("001", "patient 1"),
            ("02", "patient 2.0"),
            ("M\u{fc}ller", "patient Mu\u{308}ller"),
            ("c4", "patient C4"),
        ];
        assert_eq!(found, expected);
        assert!(of(&["1"], &["001"]).unwrap().notes[0].contains("\"1\" for \"001\""));
        assert_eq!(of(&["a", "b"], &["a"]).unwrap().left_out[0].case_id, "b");
        assert!(of(&["a"], &["a", "b"]).unwrap().notes.is_empty());
    }

    #[test]
    fn an_exact_name_comes_first_and_doubt_is_refused() {
        assert_eq!(patients(&["1", "01"], &["1", "01"]).len(), 2);
        assert!(
            of(&["1"], &["01", "001"]).unwrap_err().contains("\"1\", which can be \"001\" or \"01\"")
                || of(&["1"], &["01", "001"]).unwrap_err().contains("\"1\", which can be \"01\" or \"001\"")
        );
        assert!(of(&["1", "01"], &["001"]).unwrap_err().contains("\"01\" or \"1\""));
        let none = of(&["x", "y"], &["a", "b"]).unwrap_err();
        assert!(
            none.contains("matches none of the case folders")
                && none.contains("\"x\"")
                && none.contains("\"a\"")
        );
        assert!(of(&[], &["a"]).unwrap().rows.is_empty());
    }
}
