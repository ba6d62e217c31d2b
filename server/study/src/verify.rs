//! Comparing with the group `analysis` of the reference numbers; the framework is
//! [`transferscope_imaging::verify`].

mod curves;
mod keys;
mod mmd;
mod similarity;
mod statistics;
mod transferability;

use transferscope_imaging::verify::Entry;

/// Inputs of the group.
const TENSORS: &str = "analysis/analysis.safetensors";

/// The comparisons of this crate.
pub const CHECKS: &[Entry] = &[
    Entry { files: &[curves::FILE], check: curves::check },
    Entry { files: &[mmd::FILE, TENSORS], check: mmd::check },
    Entry { files: &[similarity::FILE, TENSORS], check: similarity::check },
    Entry { files: &[statistics::FILE, TENSORS], check: statistics::check },
    Entry { files: &[transferability::FILE, TENSORS], check: transferability::check },
];

#[cfg(test)]
mod tests {
    use super::*;
    use transferscope_imaging::{
        reference,
        verify::{Folder, verify},
    };

    /// Every comparison of the reference folder, and every tensor of the shared file.
    #[test]
    fn the_reference_folder_passes() {
        let Some(root) = reference::folder() else { return };
        let checks: Vec<&Entry> = CHECKS.iter().collect();
        let report = verify(&root, &checks).unwrap();
        let misses: Vec<String> = report.lines.iter().filter(|l| !l.pass).map(ToString::to_string).collect();
        assert!(misses.is_empty(), "{} of {}:\n{}", misses.len(), report.lines.len(), misses.join("\n"));
        assert!(report.lines.len() > 400, "{}", report.lines.len());
        assert!(!report.unknown.iter().any(|file| file.starts_with("analysis/")), "{:?}", report.unknown);
    }

    /// Other shapes, missing keys and wrong types are misses in words.
    #[test]
    fn damaged_files_are_misses_and_no_panic() {
        let Some(root) = reference::folder() else { return };
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("analysis")).unwrap();
        let read = |file: &str| std::fs::read(root.join(file)).unwrap();
        let put = |file: &str, bytes: &[u8]| std::fs::write(dir.path().join(file), bytes).unwrap();
        let files = [curves::FILE, mmd::FILE, similarity::FILE, statistics::FILE, transferability::FILE];
        let misses = || -> usize {
            let folder = Folder::open(dir.path()).unwrap();
            assert!(folder.has(curves::FILE));
            verify(dir.path(), &CHECKS.iter().collect::<Vec<_>>()).unwrap().misses()
        };
        files.iter().for_each(|file| put(file, &read(file)));
        assert!(misses() > 0, "the tensors are not there");
        let tensors = read(TENSORS);
        for at in (0..48).step_by(5) {
            for how in 0..3 {
                put(TENSORS, &reference::misshapen(&tensors, at, how));
                let _ = misses();
            }
        }
        put(TENSORS, &tensors);
        for file in files {
            let text = String::from_utf8(read(file)).unwrap();
            for (from, to) in [("[", "[null, "), (": 0.", ": \"x0."), ("{", "{\"odd\": 1, "), ("-", "")] {
                put(file, text.replace(from, to).as_bytes());
                assert!(misses() > 0, "{file} with {to:?} for {from:?}");
            }
            put(file, text.as_bytes());
        }
        assert_eq!(misses(), 0);
    }
}
