//! Comparing with numbers that trusted libraries computed: the folder that holds them, what was
//! compared, and the comparisons that need no network. The networks' are in the crate `ml`, which
//! runs all of them.

use std::path::Path;

pub mod cases;
mod classification;
pub mod folder;
mod image_quality;
mod io;
mod physics;
mod segmentation;
#[cfg(test)]
mod tests;

pub use cases::{Cases, Line, Report, Tolerance};
pub use folder::{Array, Folder, Problem, Tensors, Tolerances, number, numbers, whole};

/// What compares some files with our own numbers.
pub type Check = fn(&Folder, &mut Cases) -> Result<(), Problem>;

/// Files that belong together, relative to the folder, and what compares them. The check runs
/// where the first file is there.
#[derive(Debug)]
pub struct Entry {
    pub files: &'static [&'static str],
    pub check: Check,
}

/// The comparisons of this crate.
pub const CHECKS: &[Entry] = &[
    Entry { files: &[classification::FILE], check: classification::check },
    Entry { files: &[image_quality::FILE, image_quality::SCORES], check: image_quality::check },
    Entry { files: &[segmentation::FILE, segmentation::MASKS], check: segmentation::check },
    Entry { files: &[physics::FILE, physics::FACTS], check: physics::check },
    Entry { files: &[io::images::EXPECTED, io::images::ARRAYS], check: io::images::check },
    Entry { files: &[io::resample::DESCRIPTION, io::resample::ARRAYS], check: io::resample::check },
];

/// Files that are for people.
const DOCUMENTS: &[&str] = &["README.md"];

/// Compares every file below `root` that one of `checks` knows.
///
/// # Errors
/// When the folder cannot be listed; a file that cannot be read is a miss of the report.
pub fn verify(root: &Path, checks: &[&Entry]) -> std::io::Result<Report> {
    let folder = Folder::open(root)?;
    let mut cases = Cases::default();
    for entry in checks {
        let first = entry.files[0];
        if !folder.has(first) {
            continue;
        }
        if let Err(problem) = (entry.check)(&folder, &mut cases) {
            cases.problem(first, &problem);
        }
    }
    untouched_are_misses(&folder, &mut cases, |_| true);
    let listed = |file: &str| checks.iter().any(|e| e.files.contains(&file)) || DOCUMENTS.contains(&file);
    let known = |file: &str| listed(file) || folder.was_asked(file);
    let unknown = folder.files().iter().filter(|f| !known(f)).cloned().collect();
    Ok(Report { lines: cases.into_lines(), unknown })
}

/// Says which tensors of opened files, as far as those are `asked` about, no check asked for.
fn untouched_are_misses(folder: &Folder, cases: &mut Cases, asked: impl Fn(&str) -> bool) {
    for (file, tensor) in folder.untouched().into_iter().filter(|(file, _)| asked(file)) {
        cases.problem(&file, &Problem::new(format!("{tensor}: no check looks at this tensor")));
    }
}

/// For tests: runs the one of `checks` whose first file is `file` on the reference folder and wants
/// every line to pass. Where there is no reference folder, nothing is compared.
///
/// # Panics
/// When a line misses, nothing was compared, or no check is for the file.
pub fn assert_file_passes(file: &str, checks: &[&Entry]) {
    let Some(root) = crate::reference::folder() else { return };
    let folder = Folder::open(&root).expect("the reference folder can be listed");
    let entry = checks.iter().find(|e| e.files[0] == file);
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
