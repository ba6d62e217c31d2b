//! Parity with numbers that trusted libraries computed: `transferscope verify FOLDER`.
//!
//! A folder holds groups (`models`, `layers`, ...) of files that say what goes in, what must come
//! out and how close; sizes are read from the files, never assumed. [`checks::CHECKS`] lists which
//! files are understood and by which function. Nothing is skipped silently: a tensor that a check
//! never looked at is a miss, and a file or a score that no check knows is named as unknown.
//!
//! Start reading at [`verify`]; a check gets a [`Folder`] to read from and [`Cases`] to tell. The
//! small files are in `tests/reference` of the repository, so that every clone is tested against them.

use std::path::Path;

mod analysis;
mod cases;
mod checks;
mod folder;
mod io;
mod metrics;
mod networks;
mod physics;
mod preprocess;
#[cfg(test)]
mod tests;
mod training;

pub use cases::{Line, Report, Tolerance};

use cases::Cases;
use checks::{CHECKS, Entry};
use folder::{Array, Folder, Problem, Tensors, Tolerances, number, numbers, whole};

/// Files that are for people.
const DOCUMENTS: &[&str] = &["README.md"];

/// Compares every known file below `root`.
///
/// # Errors
/// When the folder cannot be listed; a file that cannot be read is a miss of the report.
pub fn verify(root: &Path) -> std::io::Result<Report> {
    let folder = Folder::open(root)?;
    let mut cases = Cases::default();
    for entry in CHECKS.iter().filter(|entry| folder.has(entry.files[0])) {
        run(entry, &folder, &mut cases);
    }
    untouched_are_misses(&folder, &mut cases, |_| true);
    let listed = |file: &str| CHECKS.iter().any(|e| e.files.contains(&file)) || DOCUMENTS.contains(&file);
    let known = |file: &str| listed(file) || folder.was_asked(file);
    let mut unknown: Vec<String> = folder.files().iter().filter(|f| !known(f)).cloned().collect();
    let (lines, within) = cases.into_parts();
    unknown.extend(within);
    Ok(Report { lines, unknown })
}

/// Runs one check; that it cannot go on is a miss.
fn run(entry: &Entry, folder: &Folder, cases: &mut Cases) {
    if let Err(problem) = (entry.check)(folder, cases) {
        cases.problem(entry.files[0], &problem);
    }
}

/// Says which tensors of opened files, as far as those are `asked` about, no check asked for.
fn untouched_are_misses(folder: &Folder, cases: &mut Cases, asked: impl Fn(&str) -> bool) {
    for (file, tensor) in folder.untouched().into_iter().filter(|(file, _)| asked(file)) {
        if cases.is_unknown(&file, &tensor) {
            continue;
        }
        cases.problem(&file, &Problem::new(format!("{tensor}: no check looks at this tensor")));
    }
}
