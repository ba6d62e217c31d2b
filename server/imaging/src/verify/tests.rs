//! What is said of folders that are not as they should be.

use std::{fs, path::Path};

use serde_json::Value;

use super::{CHECKS, Entry, Report, verify};
use crate::reference::{self, misshapen};

fn run(folder: &Path) -> Report {
    verify(folder, &CHECKS.iter().collect::<Vec<&Entry>>()).unwrap()
}

/// A folder with copies of the reference files of one check.
fn copies(root: &Path, entry: &Entry) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in entry.files {
        let to = folder.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root.join(file), to).unwrap();
    }
    folder
}

/// Replaces the value that `at` counts to, through all nested objects and lists.
fn replace(value: &mut Value, at: &mut usize, by: &Value) {
    let children: Vec<&mut Value> = match value {
        Value::Object(map) => map.values_mut().collect(),
        // The first items stand for the others.
        Value::Array(items) => items.iter_mut().take(3).collect(),
        _ => Vec::new(),
    };
    for child in children {
        if *at == 0 {
            *child = by.clone();
        }
        *at = at.wrapping_sub(1);
        replace(child, at, by);
    }
}

#[test]
fn misshapen_tensors_are_no_panics() {
    let Some(root) = reference::folder() else { return };
    for entry in CHECKS {
        for file in entry.files.iter().filter(|f| f.ends_with(".safetensors")) {
            let folder = copies(&root, entry);
            let bytes = fs::read(root.join(file)).unwrap();
            for at in 0..9 {
                fs::write(folder.path().join(file), misshapen(&bytes, at * 7, at)).unwrap();
                run(folder.path());
            }
        }
    }
}

#[test]
fn wrong_json_values_are_no_panics() {
    let Some(root) = reference::folder() else { return };
    let wrong = [Value::Null, (-1).into(), u64::MAX.into(), "text".into(), vec![0u8, 1].into(), 1e300.into()];
    for entry in CHECKS {
        for file in entry.files.iter().filter(|f| f.ends_with(".json")) {
            let folder = copies(&root, entry);
            let json: Value = serde_json::from_slice(&fs::read(root.join(file)).unwrap()).unwrap();
            for at in 0..60 {
                let mut json = json.clone();
                replace(&mut json, &mut (at * 5), &wrong[at % wrong.len()]);
                fs::write(folder.path().join(file), serde_json::to_vec(&json).unwrap()).unwrap();
                run(folder.path());
            }
        }
    }
}

#[test]
fn another_number_and_an_unknown_key_are_misses_and_a_missing_file_is_none() {
    let Some(root) = reference::folder() else { return };
    for entry in CHECKS {
        let whole = copies(&root, entry);
        let report = run(whole.path());
        assert_eq!((report.misses(), report.unknown.len()), (0, 0), "{:?}", entry.files);
        // Numbers and what they are of say nothing without each other.
        if entry.files.len() > 1 && !entry.files[0].starts_with("io/") {
            fs::remove_file(whole.path().join(entry.files[1])).unwrap();
            assert!(run(whole.path()).lines.is_empty(), "{:?}", entry.files);
        }
    }
    let folder = copies(&root, CHECKS.iter().find(|e| e.files[0].ends_with("classification.json")).unwrap());
    let file = folder.path().join("metrics/classification.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let first = json.as_object_mut().unwrap().values_mut().find(|v| v.get("auroc").is_some()).unwrap();
    first["auroc"] = 0.123.into();
    first["new"] = 1.into();
    fs::write(&file, serde_json::to_vec(&json).unwrap()).unwrap();
    assert_eq!(run(folder.path()).misses(), 2);
}

/// A safetensors file without the tensors of a case.
fn without(bytes: &[u8], case: &str) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let is_of = |name: &str| name == case || name.starts_with(&format!("{case}."));
    let kept = file.iter().filter(|(name, _)| !is_of(name));
    safetensors::serialize(kept.map(|(name, view)| (name.to_owned(), view)), None).unwrap()
}

/// A folder may have any part of the cases.
#[test]
fn left_out_cases_are_not_missed() {
    let Some(root) = reference::folder() else { return };
    for (json_file, tensor_file, inside) in [
        ("physics/degradations.json", "physics/degradations.safetensors", None),
        ("metrics/segmentation.json", "metrics/segmentation_masks.safetensors", Some("cases")),
    ] {
        let entry = CHECKS.iter().find(|e| e.files.contains(&json_file)).unwrap();
        let folder = copies(&root, entry);
        let mut json: Value = serde_json::from_slice(&fs::read(root.join(json_file)).unwrap()).unwrap();
        let mut tensors = fs::read(root.join(tensor_file)).unwrap();
        loop {
            let table = match inside {
                Some(key) => &mut json[key],
                None => &mut json,
            };
            let Some(case) = table.as_object().unwrap().keys().next().cloned() else { break };
            table.as_object_mut().unwrap().remove(&case);
            tensors = without(&tensors, &case);
            fs::write(folder.path().join(json_file), serde_json::to_vec(&json).unwrap()).unwrap();
            fs::write(folder.path().join(tensor_file), &tensors).unwrap();
            let report = run(folder.path());
            let misses: Vec<_> = report.lines.iter().filter(|l| !l.pass).map(ToString::to_string).collect();
            assert!(misses.is_empty(), "without {case}: {misses:?}");
        }
    }
}
