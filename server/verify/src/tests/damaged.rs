//! What is said of folders that are not as they should be. Where the whole reference folder is absent, the small
//! files are damaged.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    super::{CHECKS, Entry, Report, analysis, verify},
    misses,
    reference::{misshapen, whole_or_small},
    scores,
};

/// Groups whose files are small enough to be damaged in every place.
const GROUPS: [&str; 3] = ["metrics", "physics", "io"];

/// Checks of [`GROUPS`] whose files are there; the losses' have their turn among the tensors.
fn checks(root: &Path) -> impl Iterator<Item = &'static Entry> {
    let wanted = |file: &str| file.split_once('/').is_some_and(|(group, _)| GROUPS.contains(&group));
    let there: Vec<&Entry> = CHECKS
        .iter()
        .filter(|e| wanted(e.files[0]) && e.files.iter().all(|file| root.join(file).is_file()))
        .filter(|e| e.files[0] != crate::training::losses::FILE)
        .collect();
    assert!(there.len() > 3, "{there:?}");
    there.into_iter()
}

fn run(folder: &Path) -> Report {
    verify(folder).unwrap()
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

/// A copy of a group of the reference folder.
fn copy(group: &str) -> tempfile::TempDir {
    let root = whole_or_small();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(group)).unwrap();
    for entry in fs::read_dir(root.join(group)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(group).join(path.file_name().unwrap())).unwrap();
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

/// Sizes in a file may be anything: the check says so and goes on.
#[test]
fn misshapen_tensors_are_no_panics() {
    let root = whole_or_small();
    for entry in checks(&root) {
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
fn misshapen_layers_losses_and_transforms_are_no_panics() {
    let root = whole_or_small();
    for (file, beside) in [
        ("layers/layers.safetensors", "layers/layers_tolerances.json"),
        ("layers/optimisers.safetensors", "layers/layers_tolerances.json"),
        ("layers/finetune_5_steps.safetensors", "layers/layers_tolerances.json"),
        ("metrics/dice_ce.safetensors", "metrics/loss_tolerances.json"),
        ("preprocess/preprocess.safetensors", "preprocess/preprocess.safetensors"),
    ] {
        // Five steps of a network are not among the small files.
        let Ok(bytes) = fs::read(root.join(file)) else {
            assert_eq!(file, "layers/finetune_5_steps.safetensors");
            continue;
        };
        for at in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join(Path::new(file).parent().unwrap())).unwrap();
            fs::copy(root.join(beside), folder.path().join(beside)).unwrap();
            fs::write(folder.path().join(file), misshapen(&bytes, at * 37, at)).unwrap();
            run(folder.path());
        }
    }
}

#[test]
fn wrong_json_values_are_no_panics() {
    let root = whole_or_small();
    let wrong = [Value::Null, (-1).into(), u64::MAX.into(), "text".into(), vec![0u8, 1].into(), 1e300.into()];
    for entry in checks(&root) {
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
fn another_number_is_a_miss_an_unknown_key_is_named_and_a_missing_file_is_neither() {
    let root = whole_or_small();
    for entry in checks(&root) {
        let whole = copies(&root, entry);
        let report = run(whole.path());
        assert_eq!(misses(&report.lines), [""; 0], "{:?}", entry.files);
        let unexpected: Vec<&String> = report.unknown.iter().filter(|n| !scores::is_of_others(n)).collect();
        assert_eq!(unexpected, [""; 0], "{:?}", entry.files);
        // Numbers and what they are of say nothing without each other.
        if entry.files.len() > 1 && !entry.files[0].starts_with("io/") {
            fs::remove_file(whole.path().join(entry.files[1])).unwrap();
            assert!(run(whole.path()).lines.is_empty(), "{:?}", entry.files);
        }
    }
    let folder = copies(&root, CHECKS.iter().find(|e| e.files[0].ends_with("classification.json")).unwrap());
    let file = folder.path().join("metrics/classification.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let objects = json.as_object_mut().unwrap();
    let (name, first) = objects.iter_mut().find(|(_, v)| v.get("auroc").is_some()).unwrap();
    first["auroc"] = 0.123.into();
    first["new"] = 1.into();
    let new = format!("metrics/classification.json/{name}.new");
    fs::write(&file, serde_json::to_vec(&json).unwrap()).unwrap();
    let report = run(folder.path());
    assert_eq!(report.misses(), 1);
    assert!(report.unknown.contains(&new), "{:?}", report.unknown);
}

/// A safetensors file without the tensors of a case.
fn without(bytes: &[u8], case: &str) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let is_of = |name: &str| name == case || name.starts_with(&format!("{case}."));
    let kept = file.iter().filter(|(name, _)| !is_of(name));
    safetensors::serialize(kept.map(|(name, sampling)| (name.to_owned(), sampling)), None).unwrap()
}

/// A folder may have any part of the cases.
#[test]
fn left_out_cases_are_not_missed() {
    let root = whole_or_small();
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
            assert_eq!(misses(&run(folder.path()).lines), [""; 0], "without {case}");
        }
    }
}

#[test]
fn what_is_missing_or_unknown_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("layers/deep")).unwrap();
    for (file, text) in [
        ("layers/optimisers.safetensors", "no safetensors at all"),
        ("layers/schedule_warmup_cosine.json", "[{\"lr\": \"nan\"}]"),
        ("layers/deep/other.bin", ""),
        ("README.md", ""),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
    }
    let report = run(folder.path());
    assert_eq!(report.unknown, ["layers/deep/other.bin"]);
    let reasons: Vec<_> = report.lines.iter().map(|l| (l.pass, l.case.as_str())).collect();
    assert_eq!(
        reasons,
        [(false, "layers/optimisers.safetensors/-"), (false, "layers/schedule_warmup_cosine.json/-")]
    );
}

#[test]
fn images_that_are_left_out_or_lie_elsewhere_are_no_misses() {
    let folder = copy("io");
    fs::remove_file(folder.path().join("io/uint8_mask.nii.gz")).unwrap();
    let series = folder.path().join("io/resample.json");
    let of_patients = fs::read_to_string(&series).unwrap().contains("prostatex-0000");
    let report = run(folder.path());
    assert_eq!(report.misses(), 0);
    let said = |case: &str| {
        let line = report.lines.iter().find(|l| l.case == case).unwrap_or_else(|| panic!("no {case}"));
        line.reason.clone().unwrap()
    };
    assert!(said("io/expected.json/uint8_mask.nii.gz").contains("not compared: there is no such file"));
    // The small files have no case of a patient.
    if of_patients {
        let series = said("io/resample.safetensors/prostatex-0000.adc_on_t2w.linear");
        assert!(series.contains("not compared: data/prostatex-0000/adc is not beside"), "{series}");
    }
}

#[test]
fn a_wrong_number_a_wrong_image_and_an_unknown_key_are_misses() {
    let folder = copy("io");
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
fn misshapen_images_and_damaged_descriptions_are_misses_and_no_panics() {
    for (group, tensors, json) in [
        ("io", "io/expected_arrays.safetensors", "io/expected.json"),
        ("io", "io/resample.safetensors", "io/resample.json"),
    ] {
        let folder = copy(group);
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

/// Other shapes, missing keys and wrong types are misses in words.
#[test]
fn damaged_analyses_are_misses_and_no_panics() {
    let root = whole_or_small();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("analysis")).unwrap();
    let read = |file: &str| fs::read(root.join(file)).unwrap();
    let put = |file: &str, bytes: &[u8]| fs::write(dir.path().join(file), bytes).unwrap();
    let files = [
        analysis::curves::FILE,
        analysis::mmd::FILE,
        analysis::similarity::FILE,
        analysis::statistics::FILE,
        analysis::transferability::FILE,
    ];
    let misses = || run(dir.path()).misses();
    files.iter().for_each(|file| put(file, &read(file)));
    assert!(misses() > 0, "the tensors are not there");
    let tensors = read(analysis::TENSORS);
    for at in (0..48).step_by(5) {
        for how in 0..3 {
            put(analysis::TENSORS, &misshapen(&tensors, at, how));
            let _ = misses();
        }
    }
    put(analysis::TENSORS, &tensors);
    for file in files {
        let text = String::from_utf8(read(file)).unwrap();
        for (from, to) in [("[", "[null, "), (": 0.", ": \"x0."), ("{", "{\"odd\": 1, "), (": 0.", ": 0.1")] {
            put(file, text.replace(from, to).as_bytes());
            assert!(misses() > 0, "{file} with {to:?} for {from:?}");
        }
        put(file, text.as_bytes());
    }
    assert_eq!(misses(), 0);
}
