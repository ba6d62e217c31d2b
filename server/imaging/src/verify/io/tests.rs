//! What is said of folders that are not as they should be.

use std::{fs, path::Path};

use serde_json::Value;

use crate::reference::{self, misshapen};
use crate::verify::{CHECKS, Entry, Report, verify};

fn run(root: &Path) -> Report {
    verify(root, &CHECKS.iter().collect::<Vec<&Entry>>()).unwrap()
}

/// A copy of a group of the reference folder.
fn copy(group: &str) -> Option<tempfile::TempDir> {
    let root = reference::folder()?;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(group)).unwrap();
    for entry in fs::read_dir(root.join(group)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(group).join(path.file_name().unwrap())).unwrap();
    }
    Some(folder)
}

/// Every value of a JSON file, one after another, replaced by something else.
fn damaged(value: &Value, which: usize, by: &Value) -> Value {
    fn walk(value: &mut Value, left: &mut usize, by: &Value) {
        if *left == 0 {
            *value = by.clone();
        }
        *left = left.wrapping_sub(1);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, left, by)),
            Value::Object(entries) => entries.values_mut().for_each(|item| walk(item, left, by)),
            _ => {}
        }
    }
    let mut changed = value.clone();
    walk(&mut changed, &mut which.clone(), by);
    changed
}

#[test]
fn the_whole_group_io_passes_and_no_file_of_it_is_unknown() {
    let Some(root) = reference::folder() else { return };
    let report = run(&root);
    let io = |name: &str| name.starts_with("io/");
    let misses: Vec<_> =
        report.lines.iter().filter(|l| io(&l.case) && !l.pass).map(ToString::to_string).collect();
    assert!(misses.is_empty(), "{misses:#?}");
    let unknown: Vec<_> = report.unknown.iter().filter(|f| io(f)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn images_that_are_left_out_or_lie_elsewhere_are_no_misses() {
    let Some(folder) = copy("io") else { return };
    fs::remove_file(folder.path().join("io/uint8_mask.nii.gz")).unwrap();
    let report = run(folder.path());
    assert_eq!(report.misses(), 0);
    let said = |case: &str| {
        let line = report.lines.iter().find(|l| l.case == case).unwrap_or_else(|| panic!("no {case}"));
        line.reason.clone().unwrap()
    };
    assert!(said("io/expected.json/uint8_mask.nii.gz").contains("not compared: there is no such file"));
    let series = said("io/resample.safetensors/prostatex-0000.adc_on_t2w.linear");
    assert!(series.contains("not compared: data/prostatex-0000/adc is not beside"), "{series}");
}

#[test]
fn a_wrong_number_a_wrong_image_and_an_unknown_key_are_misses() {
    let Some(folder) = copy("io") else { return };
    let path = folder.path().join("io/expected.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["uint8_mask.nii.gz"]["itk"]["origin_lps"][1] = 1.5.into();
    json["int16_plain.mha"]["colour"] = 3.into();
    fs::write(&path, json.to_string()).unwrap();
    let image = folder.path().join("io/float64_plain.mha");
    let mut bytes = fs::read(&image).unwrap();
    *bytes.last_mut().unwrap() ^= 0x40;
    fs::write(&image, bytes).unwrap();
    let report = run(folder.path());
    let mut missed: Vec<_> = report.lines.iter().filter(|l| !l.pass).map(|l| l.case.as_str()).collect();
    missed.sort_unstable();
    missed.retain(|case| !case.ends_with(".min") && !case.ends_with(".max") && !case.ends_with(".sum"));
    assert_eq!(
        missed,
        [
            "io/expected.json/int16_plain.mha.colour",
            "io/expected.json/uint8_mask.nii.gz.itk.origin_lps",
            "io/expected_arrays.safetensors/float64_plain.mha.array",
        ]
    );
}

#[test]
fn misshapen_tensors_and_damaged_descriptions_are_misses_and_no_panics() {
    for (group, tensors, json) in [
        ("io", "io/expected_arrays.safetensors", "io/expected.json"),
        ("io", "io/resample.safetensors", "io/resample.json"),
    ] {
        let Some(folder) = copy(group) else { return };
        let (tensors, json) = (folder.path().join(tensors), folder.path().join(json));
        let (bytes, text) = (fs::read(&tensors).unwrap(), fs::read(&json).unwrap());
        for at in 0..12 {
            fs::write(&tensors, misshapen(&bytes, at * 7, at)).unwrap();
            assert!(run(folder.path()).misses() > 0, "tensor {at}");
        }
        fs::write(&tensors, &bytes).unwrap();
        let whole: Value = serde_json::from_slice(&text).unwrap();
        for at in 0..40 {
            for by in [Value::Null, Value::from(-1e30), Value::from("x"), Value::from(1u64 << 40)] {
                fs::write(&json, damaged(&whole, at * 5, &by).to_string()).unwrap();
                run(folder.path());
            }
        }
    }
}
