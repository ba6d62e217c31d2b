//! The comparisons as tests. Each file has its own, beside its check; here is what runs them, and all of them
//! together.

use std::{collections::BTreeSet, path::Path};

use super::*;

mod backbones;
mod damaged;
pub mod reference;
mod scores;

/// Runs the check whose first file is `file` and wants every line to pass: on the files of the repository where
/// it is among them, and on the whole reference folder where there is one.
///
/// # Panics
/// When a line misses, nothing was compared, no check is for the file, or the file is not in the repository, there
/// is no reference folder, and nobody has said that the run goes without.
pub fn assert_file_passes(file: &str) {
    let entry = CHECKS.iter().find(|e| e.files[0] == file);
    let entry = entry.unwrap_or_else(|| panic!("no check is for {file}"));
    let small = reference::in_repository(file);
    if small {
        assert_passes(entry, &reference::repository());
    }
    let whole = if small { reference::if_there() } else { reference::whole() };
    if let Some(whole) = whole {
        assert_passes(entry, &whole);
    }
}

fn assert_passes(entry: &Entry, root: &Path) {
    let file = entry.files[0];
    let folder = Folder::open(root).expect("the reference folder can be listed");
    let mut cases = Cases::default();
    run(entry, &folder, &mut cases);
    // Of a file that other checks look at as well, the rest is not this one's matter.
    let alone = |file: &str| CHECKS.iter().filter(|e| e.files.contains(&file)).count() == 1;
    untouched_are_misses(&folder, &mut cases, |file| entry.files.contains(&file) && alone(file));
    let (lines, _) = cases.into_parts();
    let compared = lines.iter().filter(|l| l.reason.is_none()).count();
    assert!(compared > 0, "{file}: nothing was compared");
    let misses = misses(&lines);
    assert!(misses.is_empty(), "{} of {} lines miss:\n{}", misses.len(), lines.len(), misses.join("\n"));
}

/// The lines that miss their tolerance, in words.
fn misses(lines: &[Line]) -> Vec<String> {
    lines.iter().filter(|l| !l.pass).map(ToString::to_string).collect()
}

/// A bare clone compares something of every subject.
#[test]
fn the_files_of_the_repository_pass_and_none_of_them_is_unknown() {
    let root = reference::repository();
    let report = verify(&root).unwrap();
    assert_eq!(misses(&report.lines), [""; 0]);
    assert_eq!(report.unknown, [""; 0]);
    let files = CHECKS.iter().map(|e| e.files[0]).filter(|file| root.join(file).is_file());
    let compared: Vec<&str> = files.inspect(|file| assert_file_passes(file)).collect();
    let groups: BTreeSet<&str> = compared.iter().filter_map(|f| f.split_once('/')).map(|(g, _)| g).collect();
    let every: BTreeSet<&str> =
        CHECKS.iter().filter_map(|e| e.files[0].split_once('/')).map(|(g, _)| g).collect();
    assert_eq!(groups, every);
    assert!(report.lines.len() > 1150, "{}", report.lines.len());
}

/// Files of backbones that are only read, and of networks that are not here, are unknown; of every group that is
/// compared, only scores that nothing here computes.
#[test]
fn the_whole_folder_passes() {
    let Some(root) = reference::whole() else { return };
    let report = verify(&root).unwrap();
    assert_eq!(misses(&report.lines), [""; 0]);
    assert!(report.lines.len() > 2050, "{}", report.lines.len());
    let elsewhere = |file: &str| file.starts_with("backbones/") || file.contains("convmae");
    let unexpected = |name: &&String| !elsewhere(name) && !scores::is_of_others(name);
    let unknown: Vec<&String> = report.unknown.iter().filter(unexpected).collect();
    assert_eq!(unknown, [""; 0]);
}
