//! Whose examinations they are: what the table says, else what the layout or the images say, so that no
//! patient is in two splits.

mod identifiers;

use std::collections::{BTreeMap, BTreeSet};

const BY_PATIENT_ID: &str = "PatientID of the images";
const BY_IMAGES: &str = "identical images";
const BY_NOTHING: &str = "nothing: each case for itself";

/// What is known of a case's patient.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Known {
    pub case_id: String,
    /// The patient by a table or by the layout, and which of them says so.
    pub told: Option<(String, String)>,
    /// Identifiers that the headers of its images have.
    pub identifiers: Vec<String>,
    /// Its images by name and by a hash of their voxels.
    pub images: Vec<(String, [u8; 32])>,
}

/// Whose a case is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    pub id: String,
    /// What says so.
    pub source: String,
    /// What contradicts it.
    pub notes: Vec<String>,
}

/// The patient of every case, and what was noticed about all of them.
pub fn of(cases: &[Known]) -> (Vec<Patient>, Vec<String>) {
    let mut patients: Vec<Option<(String, String)>> = cases.iter().map(|case| case.told.clone()).collect();
    let mut notes: Vec<Vec<String>> = vec![Vec::new(); cases.len()];
    let (identifiers, about_all) = identifiers::believed(cases);
    for (case, ids) in identifiers.iter().enumerate().filter(|(_, ids)| ids.len() > 1) {
        let ids = quoted(ids.iter());
        notes[case].push(format!("its images name different patients (PatientID {ids})"));
    }
    for group in groups(&identifiers) {
        let ids: BTreeSet<&String> = group.iter().flat_map(|case| &identifiers[*case]).collect();
        let why = format!("the PatientID of their images is {}", quoted(ids.iter()));
        settle(
            cases,
            &group,
            (ids.first().map_or("", |id| id.as_str()), BY_PATIENT_ID),
            &why,
            &mut patients,
            &mut notes,
        );
    }
    let contents: Vec<BTreeSet<[u8; 32]>> =
        cases.iter().map(|case| case.images.iter().map(|(_, hash)| *hash).collect()).collect();
    for group in groups(&contents).into_iter().filter(|group| group.len() > 1) {
        let why = format!("{} image of theirs is the same", shared_image(cases, &group));
        let merged = group.iter().any(|case| patients[*case].is_none());
        settle(cases, &group, (&cases[group[0]].case_id, BY_IMAGES), &why, &mut patients, &mut notes);
        if merged {
            let names = quoted(group.iter().map(|case| &cases[*case].case_id));
            notes[group[0]].push(format!("cases {names} are taken for one patient: {why}"));
        }
    }
    let found = cases.iter().zip(patients).zip(notes).map(|((case, patient), notes)| {
        let (id, source) = patient.unwrap_or_else(|| (case.case_id.clone(), BY_NOTHING.to_owned()));
        Patient { id, source, notes }
    });
    (found.collect(), about_all)
}

/// Makes the cases of a group one patient's: that of those whose patient is known, else `usual` (its name and
/// what says so). Where several are known they stay, and it is said.
fn settle(
    cases: &[Known],
    group: &[usize],
    usual: (&str, &str),
    why: &str,
    patients: &mut [Option<(String, String)>],
    notes: &mut [Vec<String>],
) {
    let known: BTreeSet<String> =
        group.iter().filter_map(|case| patients[*case].as_ref().map(|(id, _)| id.clone())).collect();
    let name = known.first().cloned().unwrap_or_else(|| usual.0.to_owned());
    for case in group {
        if known.len() > 1 {
            let others: Vec<&String> =
                group.iter().filter(|other| *other != case).map(|other| &cases[*other].case_id).collect();
            notes[*case].push(format!(
                "probably the same patient as {} under another name: {why}, but they are listed as patients {}; give them one patient_id in cases.csv, or they may be in two splits",
                quoted(others.into_iter()),
                quoted(known.iter()),
            ));
        }
        patients[*case].get_or_insert_with(|| (name.clone(), usual.1.to_owned()));
    }
}

/// Cases that have something in common, directly or through others; those without anything stand in no group.
fn groups<T: Ord>(marks: &[BTreeSet<T>]) -> Vec<Vec<usize>> {
    let mut root: Vec<usize> = (0..marks.len()).collect();
    fn find(root: &mut [usize], mut at: usize) -> usize {
        while root[at] != at {
            root[at] = root[root[at]];
            at = root[at];
        }
        at
    }
    let mut first: BTreeMap<&T, usize> = BTreeMap::new();
    for (case, marks) in marks.iter().enumerate() {
        for mark in marks {
            let other = *first.entry(mark).or_insert(case);
            let (a, b) = (find(&mut root, other), find(&mut root, case));
            root[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for case in (0..marks.len()).filter(|case| !marks[*case].is_empty()) {
        groups.entry(find(&mut root, case)).or_default().push(case);
    }
    groups.into_values().collect()
}

/// The name of an image that two cases of a group share.
fn shared_image<'a>(cases: &'a [Known], group: &[usize]) -> &'a str {
    let mut seen = BTreeSet::new();
    let mut images = group.iter().flat_map(|case| &cases[*case].images);
    images.find(|(_, hash)| !seen.insert(hash)).map_or("an", |(name, _)| name.as_str())
}

/// The first few names in quotation marks.
fn quoted<'a, T: std::fmt::Debug + 'a>(names: impl ExactSizeIterator<Item = T>) -> String {
    const SHOWN: usize = 4;
    let n = names.len();
    let mut words: Vec<String> = names.take(SHOWN).map(|name| format!("{name:?}")).collect();
    if n > SHOWN {
        words.push(format!("{} more", n - SHOWN));
    }
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn case(id: &str, told: Option<&str>, identifier: &str, image: u8) -> Known {
        Known {
            case_id: id.into(),
            told: told.map(|patient| (patient.to_owned(), "cases.csv".to_owned())),
            identifiers: vec![identifier.into()],
            images: vec![("t2w".into(), [image; 32])],
        }
    }

    pub fn ids(cases: &[Known]) -> Vec<String> {
        of(cases).0.into_iter().map(|patient| patient.id).collect()
    }

    #[test]
    fn examinations_with_one_identifier_are_one_patient_s() {
        let cases = [
            case("a", None, "P-1", 1),
            case("b", None, "P-2 ", 2),
            case("c", None, "P-1", 3),
            case("d", None, "", 4),
        ];
        assert_eq!(ids(&cases), ["P-1", "P-2", "P-1", "d"]);
        let (patients, notes) = of(&cases);
        assert_eq!(patients[0].source, BY_PATIENT_ID);
        assert_eq!(patients[3].source, BY_NOTHING);
        assert!(notes.is_empty() && patients.iter().all(|p| p.notes.is_empty()));
    }

    #[test]
    fn the_table_wins_and_what_contradicts_it_is_said() {
        let cases = [
            case("a", Some("one"), "X", 1),
            case("b", Some("two"), "X", 2),
            case("c", None, "Y", 3),
            case("d", Some("three"), "Y", 4),
        ];
        assert_eq!(ids(&cases), ["one", "two", "three", "three"]);
        let (patients, _) = of(&cases);
        assert!(patients[0].notes[0].contains("probably the same patient as \"b\""), "{patients:?}");
        assert!(patients[1].notes[0].contains("PatientID of their images is \"X\""));
        let several = [case("a", Some("one"), "X", 1), case("b", Some("one"), "Y", 2)];
        assert!(of(&several).1[0].contains("several PatientIDs, such as \"one\" with \"X\" and \"Y\""));
    }

    #[test]
    fn cases_with_one_and_the_same_image_are_one_patient_s() {
        let cases = [case("a", None, "", 1), case("b", None, "", 2), case("c", None, "", 1)];
        assert_eq!(ids(&cases), ["a", "b", "a"]);
        assert!(of(&cases).0[0].notes[0].contains("\"a\" and \"c\" are taken for one patient"));
        let known = [case("a", None, "", 1), case("c", Some("p"), "", 1)];
        assert_eq!(ids(&known), ["p", "p"]);
        let apart = [case("a", Some("p"), "", 1), case("c", Some("q"), "", 1)];
        assert_eq!(ids(&apart), ["p", "q"]);
        assert!(of(&apart).0[1].notes[0].contains("t2w image of theirs is the same"));
    }

    #[test]
    fn images_of_two_patients_in_one_case_are_named() {
        let mixed = Known { identifiers: vec!["P-1".into(), "P-2".into()], ..case("a", None, "", 1) };
        let (patients, _) = of(&[mixed, case("b", None, "P-2", 2), case("c", None, "P-3", 3)]);
        assert!(patients[0].notes[0].contains("different patients (PatientID \"P-1\" and \"P-2\")"));
        assert_eq!(patients[0].id, patients[1].id);
    }
}
