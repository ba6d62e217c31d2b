//! Parity with numbers that trusted libraries computed: `transferscope verify FOLDER`.
//!
//! A folder holds groups (`models`, `layers`, ...) of files that say what goes in, what must come
//! out and how close; sizes are read from the files, never assumed. [`CHECKS`] lists which files
//! are understood and by which function. Nothing is skipped silently: a tensor that a check never
//! looked at is a miss, and a file that no check knows is named.
//!
//! Start reading at [`verify`]; a check gets a [`Folder`] to read from and [`Cases`] to tell.

use std::path::Path;

pub mod cases;
pub mod folder;
pub mod gradient;
mod layers;
mod losses;
mod optimisers;
mod preprocess;
#[cfg(test)]
pub(crate) mod tests;

pub use cases::{Cases, Line, Report, Tolerance};
pub use folder::{Folder, Problem};

/// What compares some files with our own numbers.
type Check = fn(&Folder, &mut Cases) -> Result<(), Problem>;

/// Files that belong together, relative to the folder, and what compares them. The check runs
/// where the first file is there.
struct Entry {
    files: &'static [&'static str],
    check: Check,
}

/// Everything that is understood.
const CHECKS: &[Entry] = &[
    Entry { files: &[layers::FILE, layers::TOLERANCES], check: layers::check },
    Entry { files: &[optimisers::FILE], check: optimisers::check },
    Entry { files: &[optimisers::SCHEDULE], check: optimisers::check_schedule },
    Entry { files: &[losses::FILE, losses::TOLERANCES], check: losses::check },
    Entry { files: &[preprocess::FILE], check: preprocess::check },
];

/// Files that are for people.
const DOCUMENTS: &[&str] = &["README.md"];

/// Compares every known file below `root`.
///
/// # Errors
/// When the folder cannot be listed; a file that cannot be read is a miss of the report.
pub fn verify(root: &Path) -> std::io::Result<Report> {
    let folder = Folder::open(root)?;
    let mut cases = Cases::default();
    for entry in CHECKS {
        let first = entry.files[0];
        if !folder.has(first) {
            continue;
        }
        if let Err(problem) = (entry.check)(&folder, &mut cases) {
            cases.problem(first, &problem);
        }
    }
    untouched_are_misses(&folder, &mut cases);
    let known = |file: &str| CHECKS.iter().any(|e| e.files.contains(&file)) || DOCUMENTS.contains(&file);
    let unknown = folder.files().iter().filter(|f| !known(f)).cloned().collect();
    Ok(Report { lines: cases.into_lines(), unknown })
}

/// Says which tensors of opened files no check asked for.
fn untouched_are_misses(folder: &Folder, cases: &mut Cases) {
    for (file, tensor) in folder.untouched() {
        cases.problem(&file, &Problem::new(format!("{tensor}: no check looks at this tensor")));
    }
}
