//! Which identifiers in the headers of images are a patient's, and which are nobody's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Known, quoted};
use crate::data::spelling;

/// More cases than this with one identifier are said to have it.
const EXAMINATIONS: usize = 5;

/// Words that programs write where a patient's identifier was taken away.
const PLACEHOLDERS: [&str; 22] = [
    "anon",
    "anonymous",
    "anonymized",
    "anonymised",
    "anonym",
    "deidentified",
    "default",
    "dummy",
    "empty",
    "id",
    "mr",
    "na",
    "none",
    "noid",
    "null",
    "patient",
    "patientid",
    "pseudonym",
    "removed",
    "test",
    "unknown",
    "xxx",
];

/// The identifiers of every case that can be a patient's, and in words those that cannot.
pub fn believed(cases: &[Known]) -> (Vec<BTreeSet<String>>, Vec<String>) {
    let mut identifiers: Vec<BTreeSet<String>> = cases
        .iter()
        .map(|case| {
            case.identifiers.iter().map(|id| spelling::spaced(id)).filter(|id| !id.is_empty()).collect()
        })
        .collect();
    same_spelling(&mut identifiers);
    let all: BTreeSet<String> = identifiers.iter().flatten().cloned().collect();
    let everywhere = cases.len() > 1 && all.len() == 1 && identifiers.iter().all(|ids| !ids.is_empty());
    let not: BTreeSet<String> = all.into_iter().filter(|id| everywhere || is_placeholder(id)).collect();
    let mut notes = Vec::new();
    for id in &not {
        let n = identifiers.iter().filter(|ids| ids.contains(id)).count();
        let how_many = if n == cases.len() {
            "every case has".to_owned()
        } else {
            format!("{n} of {} cases have", cases.len())
        };
        notes.push(format!(
            "{how_many} the PatientID {id:?}, which is ignored, since it does not look like a patient's: unless a table names the patient, each of these cases counts as a patient of its own"
        ));
    }
    identifiers.iter_mut().for_each(|ids| ids.retain(|id| !not.contains(id)));
    notes.extend(too_many(cases, &identifiers));
    notes.extend(other_identifiers(cases, &identifiers));
    (identifiers, notes)
}

/// Patients of the table whose images have several identifiers.
fn other_identifiers(cases: &[Known], identifiers: &[BTreeSet<String>]) -> Option<String> {
    let mut told: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for (case, ids) in cases.iter().zip(identifiers) {
        if let Some((patient, _)) = &case.told {
            told.entry(patient).or_default().extend(ids);
        }
    }
    let several = told.into_iter().filter(|(_, ids)| ids.len() > 1);
    let several: Vec<_> = several.collect();
    let (patient, ids) = several.first()?;
    let n = several.len();
    Some(format!(
        "the images of {} (by cases.csv or file names) have several PatientIDs, such as {patient:?} with {}",
        if n == 1 { "1 patient".to_owned() } else { format!("{n} patients") },
        quoted(ids.iter())
    ))
}

/// Gives identifiers that differ only in case, spaces and the leading zeros of numbers the spelling that comes first:
/// scanners and archives change both.
fn same_spelling(identifiers: &mut [BTreeSet<String>]) {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for ids in identifiers {
        let same =
            ids.iter().map(|id| first.entry(spelling::plain(id)).or_insert_with(|| id.clone()).clone());
        *ids = same.collect();
    }
}

/// Identifiers of more cases than one patient usually has examinations.
fn too_many(cases: &[Known], identifiers: &[BTreeSet<String>]) -> Vec<String> {
    let mut n: BTreeMap<&String, usize> = BTreeMap::new();
    for (_, ids) in cases.iter().zip(identifiers).filter(|(case, _)| case.told.is_none()) {
        ids.iter().for_each(|id| *n.entry(id).or_default() += 1);
    }
    let many = n.into_iter().filter(|(_, n)| *n > EXAMINATIONS);
    many.map(|(id, n)| {
        format!(
            "{n} of {} cases have the PatientID {id:?} and are taken for examinations of one patient; if it identifies a site or a study instead, name the patients in cases.csv",
            cases.len()
        )
    })
    .collect()
}

fn is_placeholder(id: &str) -> bool {
    let plain: String = id.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let first = plain.chars().next();
    // `000`, `xxxx`, `---`.
    let one_letter =
        plain.chars().all(|c| Some(c) == first) && (plain.len() > 2 || first.is_none_or(|c| c == '0'));
    PLACEHOLDERS.contains(&plain.as_str()) || one_letter
}

#[cfg(test)]
mod tests {
    use super::super::{
        of,
        tests::{case, ids},
    };

    #[test]
    fn an_identifier_of_everybody_or_of_nobody_is_not_believed() {
        for id in ["ANONYMOUS", "anon", "0000", "0", "N/A", "xxxx", "Patient ID", "P-17"] {
            let (patients, notes) = of(&[case("a", None, id, 1), case("b", None, id, 2)]);
            assert_eq!(patients.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["a", "b"], "{id}");
            assert!(notes[0].contains("every case has the PatientID"), "{notes:?}");
        }
        let some = [case("a", None, "ANON", 1), case("b", None, "P-1", 2), case("c", None, "ANON", 3)];
        assert_eq!(ids(&some), ["a", "P-1", "c"]);
        assert!(of(&some).1[0].contains("2 of 3 cases"));
        assert_eq!(ids(&[case("a", None, "P-1", 1)]), ["P-1"]);
    }

    #[test]
    fn spaces_and_capitals_make_no_other_patient() {
        let same = ["P-1a", " p-1A ", "P-1A\0", "p -1a"];
        let mut cases: Vec<_> = (0..4).map(|i| case(&format!("c{i}"), None, same[i], i as u8)).collect();
        cases.push(case("other", None, "P-1b", 9));
        assert_eq!(ids(&cases), ["P-1a", "P-1a", "P-1a", "P-1a", "P-1b"]);
        let numbers = [case("a", None, "007", 1), case("b", None, "7", 2), case("c", None, "70", 3)];
        assert_eq!(ids(&numbers), ["007", "007", "70"]);
    }

    #[test]
    fn an_identifier_of_many_cases_is_said() {
        let cases: Vec<_> =
            (0..12).map(|i| case(&format!("c{i}"), None, if i < 6 { "CENTRE" } else { "P" }, i)).collect();
        let (patients, notes) = of(&cases);
        assert_eq!((patients[5].id.as_str(), patients[6].id.as_str()), ("CENTRE", "P"));
        assert!(
            notes.len() == 2 && notes[0].contains("6 of 12 cases have the PatientID \"CENTRE\""),
            "{notes:?}"
        );
        assert!(of(&cases[1..11]).1.is_empty());
    }
}
