//! The `.json` that converters such as dcm2niix leave beside an image.

use std::{fs::File, io::Read, path::Path};

use super::ENDINGS;

/// Larger files are none.
const MAX_BYTES: u64 = 1024 * 1024;

/// The patient whom the file beside an image names; none where there is no such file or it names none.
pub fn patient(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let lower = name.to_ascii_lowercase();
    let stem =
        ENDINGS.iter().find(|ending| lower.ends_with(**ending)).map(|e| &name[..name.len() - e.len()])?;
    let mut text = Vec::new();
    let file = File::open(path.with_file_name(format!("{stem}.json"))).ok()?;
    file.take(MAX_BYTES + 1).read_to_end(&mut text).ok()?;
    if text.len() as u64 > MAX_BYTES {
        return None;
    }
    let about: serde_json::Value = serde_json::from_slice(&text).ok()?;
    about.get("PatientID")?.as_str().map(str::to_owned)
}
