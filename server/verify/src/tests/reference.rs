//! Where the reference numbers of a test lie.
//!
//! The small files are in the repository. The whole folder is what `TRANSFERSCOPE_REFERENCE` names, or
//! `shared/reference` beside the repository. Where there is none, a test that needs it fails, unless
//! `TRANSFERSCOPE_WITHOUT_REFERENCE=1` says that the run goes without: nothing passes in silence.

use std::{
    env,
    path::{Path, PathBuf},
};

const FOLDER: &str = "TRANSFERSCOPE_REFERENCE";
const WITHOUT: &str = "TRANSFERSCOPE_WITHOUT_REFERENCE";

/// The small reference files.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference")
}

/// Whether a file is among the small ones.
pub fn in_repository(file: &str) -> bool {
    repository().join(file).is_file()
}

/// The whole reference folder; none where there is none, for tests that have the small files as well.
///
/// # Panics
/// When the environment names a folder that is not there.
pub fn if_there() -> Option<PathBuf> {
    if let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) {
        assert!(folder.is_dir(), "{FOLDER} names {}, which is no folder", folder.display());
        return Some(folder);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference");
    (!goes_without() && beside.is_dir()).then_some(beside)
}

/// The whole reference folder; none where the run goes without.
///
/// # Panics
/// When there is none and nobody has said that the run goes without.
pub fn whole() -> Option<PathBuf> {
    let folder = if_there();
    if folder.is_none() {
        assert!(
            goes_without(),
            "this test compares with files that are not in the repository: set {FOLDER} to their folder, \
             or {WITHOUT}=1 for a run that goes without them"
        );
        println!("{WITHOUT}=1: not compared");
    }
    folder
}

/// The whole folder, or where there is none that of the small files.
pub fn whole_or_small() -> PathBuf {
    if_there().unwrap_or_else(repository)
}

fn goes_without() -> bool {
    env::var_os(WITHOUT).is_some_and(|value| value == "1")
}

/// A safetensors file whose tensor `at` (in the order of the header) has its shape turned round, flattened
/// or lengthened, as `how` says; the values stay. For tests of what reads such files without trust.
///
/// # Panics
/// When the bytes are no safetensors file.
pub fn misshapen(bytes: &[u8], at: usize, how: usize) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let tensors = header.as_object_mut().unwrap();
    tensors.remove("__metadata__");
    let count = tensors.len();
    let tensor = tensors.values_mut().nth(at % count).unwrap();
    let mut shape: Vec<u64> =
        tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let before = shape.clone();
    match how % 3 {
        0 => shape.reverse(),
        1 => shape = vec![shape.iter().product()],
        _ => shape.push(1),
    }
    if shape == before {
        shape.push(1);
    }
    tensor["shape"] = shape.into();
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(&bytes[8 + length..]);
    file
}
