//! The comparisons as tests, a file each, and what is said of folders that are not as they should be.

use super::{CHECKS, Cases, Folder, untouched_are_misses};
use crate::reference;

/// Runs the check whose first file is `file` on the reference folder and wants every line to pass.
/// Where there is no reference folder, nothing is compared.
pub(crate) fn assert_file_passes(file: &str) {
    let Some(root) = reference::folder() else { return };
    let folder = Folder::open(&root).unwrap();
    let entry = CHECKS.iter().find(|e| e.files[0] == file);
    let entry = entry.unwrap_or_else(|| panic!("no check is for {file}"));
    let mut cases = Cases::default();
    if let Err(problem) = (entry.check)(&folder, &mut cases) {
        cases.problem(file, &problem);
    }
    // Of another check's file, such as one whose input this one uses too, the rest is not its matter.
    untouched_are_misses(&folder, &mut cases, |file| entry.files.contains(&file));
    let lines = cases.into_lines();
    assert!(!lines.is_empty(), "{file}: nothing was compared");
    let misses: Vec<String> = lines.iter().filter(|l| !l.pass).map(ToString::to_string).collect();
    assert!(misses.is_empty(), "{} of {} lines miss:\n{}", misses.len(), lines.len(), misses.join("\n"));
}
