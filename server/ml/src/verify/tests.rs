//! The comparisons as tests, a file each, and what is said of folders that are not as they should be.

use std::{fs, path::Path};

use super::{all, pure, verify};
use crate::reference::{self, misshapen};

/// Runs the check whose first file is `file` on the reference folder and wants every line to pass.
pub(crate) fn assert_file_passes(file: &str) {
    pure::assert_file_passes(file, &all());
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
