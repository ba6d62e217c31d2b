//! `splits_final.json`: the rounds of nnU-Net's cross-validation.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::data::import::{dataset_json, named::few};

/// The file with the rounds.
const FILE: &str = "splits_final.json";

/// More rounds are no cross-validation.
const MAX_ROUNDS: usize = 1000;

/// Where it may lie: in the folder, beside it, or where nnU-Net keeps it.
fn places(folder: &Path) -> Vec<PathBuf> {
    let mut places = vec![folder.join(FILE)];
    if let Some(up) = folder.parent() {
        places.push(up.join(FILE));
        if let (Some(root), Some(name)) = (up.parent(), folder.file_name()) {
            places.push(root.join("nnUNet_preprocessed").join(name).join(FILE));
        }
    }
    places
}

/// The fold of every case, which is the number of the round that validates it, and what was noticed. No fold where there is
/// no such file, or its rounds are not those of a cross-validation of these cases.
pub fn read(folder: &Path, cases: &BTreeSet<String>) -> (BTreeMap<String, u32>, Option<String>) {
    let none = |why: String| (BTreeMap::new(), Some(format!("{FILE} was not used: {why}")));
    let Some(path) = places(folder).into_iter().find(|path| path.is_file()) else {
        return (BTreeMap::new(), None);
    };
    let beside = path.parent() != Some(folder);
    let value = match dataset_json::json(&path) {
        Ok(value) => value.unwrap_or_default(),
        Err(error) => {
            let text = error.to_string();
            return none(text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned());
        }
    };
    let rounds = match of(&value) {
        Ok(rounds) => rounds,
        Err(why) => return none(why),
    };
    let named: BTreeSet<&String> = rounds.iter().flat_map(|(train, val)| train.iter().chain(val)).collect();
    if beside && named.iter().all(|case| !cases.contains(*case)) {
        return none(format!("the one at {} is about other cases", path.display()));
    }
    match folds(&rounds, cases) {
        Ok(folds) => {
            let unknown: Vec<String> =
                named.into_iter().filter(|case| !cases.contains(*case)).cloned().collect();
            let note = (!unknown.is_empty())
                .then(|| format!("{FILE} names {} that imagesTr does not have", few(&unknown, "case")));
            (folds, note)
        }
        Err(why) => none(why),
    }
}

type Round = (BTreeSet<String>, BTreeSet<String>);

fn of(value: &Value) -> Result<Vec<Round>, String> {
    let expected = || "a list of rounds, each with the lists train and val, was expected".to_owned();
    let rounds = value.as_array().ok_or_else(expected)?;
    if rounds.len() > MAX_ROUNDS {
        return Err(format!("{} rounds: at most {MAX_ROUNDS} are read", rounds.len()));
    }
    let names = |round: &Value, key: &str| {
        let list = round.get(key).and_then(Value::as_array)?;
        list.iter().map(|case| case.as_str().map(str::to_owned)).collect::<Option<BTreeSet<String>>>()
    };
    let round = |round: &Value| names(round, "train").zip(names(round, "val")).ok_or_else(expected);
    rounds.iter().map(round).collect()
}

/// The round that validates each case.
///
/// # Errors
/// In words: a case is validated by several rounds or by none, or trained on by the round that validates it.
fn folds(rounds: &[Round], cases: &BTreeSet<String>) -> Result<BTreeMap<String, u32>, String> {
    if rounds.len() < 2 {
        return Err(format!("{} round where a cross-validation has several", rounds.len()));
    }
    let mut folds = BTreeMap::new();
    for (number, (train, val)) in rounds.iter().enumerate() {
        if let Some(case) = val.intersection(train).next() {
            return Err(format!("round {number} trains on {case} and validates with it"));
        }
        for case in val.intersection(cases) {
            if let Some(other) = folds.insert(case.clone(), number as u32) {
                return Err(format!("the rounds overlap: {other} and {number} validate with {case}"));
            }
        }
    }
    let missing: Vec<String> = cases.iter().filter(|case| !folds.contains_key(*case)).cloned().collect();
    if missing.is_empty() {
        return Ok(folds);
    }
    Err(format!("no round validates with {}", few(&missing, "case")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_text(text: &str, cases: &[&str]) -> (Vec<(String, u32)>, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let (folds, note) = read(folder.path(), &cases.iter().map(|c| (*c).to_owned()).collect());
        (folds.into_iter().collect(), note.unwrap_or_default())
    }

    #[test]
    fn a_case_has_the_fold_that_validates_it() {
        let text = r#"[{"train":["b","c"],"val":["a"]},{"train":["a","c"],"val":["b"]},{"train":["a","b"],"val":["c","z"]}]"#;
        let (folds, note) = read_text(text, &["a", "b", "c"]);
        assert_eq!(folds, [("a".to_owned(), 0), ("b".to_owned(), 1), ("c".to_owned(), 2)]);
        assert_eq!(note, "splits_final.json names 1 case (z) that imagesTr does not have");
    }

    #[test]
    fn rounds_that_are_no_cross_validation_are_named_and_not_used() {
        for (text, words) in [
            (
                r#"[{"train":["b"],"val":["a"]},{"train":["b"],"val":["a"]}]"#,
                "overlap: 0 and 1 validate with a",
            ),
            (
                r#"[{"train":["b"],"val":["a"]},{"train":["a"],"val":[]}]"#,
                "no round validates with 1 case (b)",
            ),
            (r#"[{"train":["a","b"],"val":["a"]},{"train":["a"],"val":["b"]}]"#, "round 0 trains on a and"),
            (r#"[{"train":["b"],"val":["a"]}]"#, "1 round where a cross-validation has several"),
            (r#"{"train":[]}"#, "a list of rounds"),
            (r#"[{"train":[1],"val":[]}]"#, "a list of rounds"),
            ("[", "it is no JSON"),
        ] {
            let (folds, note) = read_text(text, &["a", "b"]);
            assert!(folds.is_empty() && note.contains(words), "{text}: {note}");
        }
        assert_eq!(read(tempfile::tempdir().unwrap().path(), &BTreeSet::new()), (BTreeMap::new(), None));
    }

    proptest! {
        #[test]
        fn no_rounds_panic(text in "[\\[\\]{}\":,ab]{0,40}|\\[(\\{\"train\":\\[\"[ab]\"\\],\"val\":\\[\"[ab]\"\\]\\},?){0,3}\\]") {
            let (folds, _) = read_text(&text, &["a", "b"]);
            prop_assert!(folds.is_empty() || folds.len() == 2);
        }
    }
}
