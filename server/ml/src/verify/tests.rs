//! The comparisons as tests, a file each, and what is said of folders that are not as they should be.

use std::{fs, path::Path};

use serde_json::Value;

use super::{all, pure, verify};
use crate::reference;

/// Runs the check whose first file is `file` on the reference folder and wants every line to pass.
pub(crate) fn assert_file_passes(file: &str) {
    pure::assert_file_passes(file, &all());
}

/// A safetensors file whose tensor `at` (in the order of the header) has its shape turned round, flattened
/// or emptied, as `how` says; the values stay.
fn misshapen(bytes: &[u8], at: usize, how: usize) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let tensors = header.as_object_mut().unwrap();
    tensors.remove("__metadata__");
    let count = tensors.len();
    let tensor = tensors.values_mut().nth(at % count).unwrap();
    let mut shape: Vec<u64> =
        tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    match how % 3 {
        0 => shape.reverse(),
        1 => shape = vec![shape.iter().product()],
        _ => shape.push(1),
    }
    tensor["shape"] = shape.into();
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(&bytes[8 + length..]);
    file
}

/// Sizes in a file may be anything: the check says so and goes on.
#[test]
fn misshapen_tensors_are_misses_and_no_panics() {
    let Some(root) = reference::folder() else { return };
    for (file, beside) in [
        ("layers/layers.safetensors", "layers/layers_tolerances.json"),
        ("layers/optimisers.safetensors", "layers/layers_tolerances.json"),
        ("layers/finetune_5_steps.safetensors", "layers/layers_tolerances.json"),
        ("metrics/dice_ce.safetensors", "metrics/loss_tolerances.json"),
        ("preprocess/preprocess.safetensors", "preprocess/preprocess.safetensors"),
    ] {
        let bytes = fs::read(root.join(file)).unwrap();
        for at in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join(Path::new(file).parent().unwrap())).unwrap();
            fs::copy(root.join(beside), folder.path().join(beside)).unwrap();
            fs::write(folder.path().join(file), misshapen(&bytes, at * 37, at)).unwrap();
            verify(folder.path()).unwrap();
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
    let report = verify(folder.path()).unwrap();
    assert_eq!(report.unknown, ["layers/deep/other.bin"]);
    let reasons: Vec<_> = report.lines.iter().map(|l| (l.pass, l.case.as_str())).collect();
    assert_eq!(
        reasons,
        [(false, "layers/optimisers.safetensors/-"), (false, "layers/schedule_warmup_cosine.json/-")]
    );
}
