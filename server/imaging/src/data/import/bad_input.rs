//! Damaged and misleading input, kind by kind, and what is said about each.
//!
//! `docs/measurements/bad_input.md` is this table with the whole messages; the test holds it up to date.

mod cases;
mod dicom;
mod metaimage;
mod nifti;

use std::{fs, path::Path};

use super::add;
use crate::data::{
    Geometry, Volume,
    fixtures::nifti::{self as nifti_file, Orientation},
};

/// One kind of bad input.
struct Bad {
    kind: &'static str,
    /// What the message must say.
    words: &'static str,
    /// Puts it into the folder that is added, which holds one good case named `case`.
    make: fn(&Path),
}

const SHAPE: [usize; 3] = [3, 4, 5];

fn volume() -> Volume {
    Volume { shape: SHAPE, data: (0..60).map(|v| (v * 37 % 101) as f32).collect() }
}

fn grid() -> Geometry {
    Geometry::centred(SHAPE, [3.0, 0.7, 0.5])
}

/// A good NIfTI file of either version.
fn nifti_bytes(version: u8) -> Vec<u8> {
    nifti_file::file(&volume(), &grid(), version, Orientation::Sform, 1)
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// In place of the case's t2w image.
fn t2w(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::remove_file(folder.join("case/t2w.nii")).unwrap();
    write(folder, &format!("case/{name}"), bytes);
}

/// What is said when a folder with a case of this kind is added.
fn message(bad: &Bad) -> String {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("in");
    write(&folder, "case/t2w.nii", nifti_bytes(1));
    (bad.make)(&folder);
    let error = match add(&root.path().join("out"), &folder, Some("x"), &|_, _| ()) {
        Ok(made) => panic!("{}: it was taken: {made:?}", bad.kind),
        Err(error) => error.to_string(),
    };
    let place = format!("{}/", folder.canonicalize().unwrap().display());
    let text = error.replace(&place, "").replace(&format!("{}: no usable case: ", folder.display()), "");
    text.replace(&root.path().display().to_string(), "")
}

#[test]
fn every_kind_of_bad_input_is_refused_in_the_right_words() {
    let groups = [
        ("NIfTI", nifti::KINDS),
        ("MetaImage", metaimage::KINDS),
        ("DICOM", dicom::KINDS),
        ("Cases and tables", cases::KINDS),
    ];
    let count: usize = groups.iter().map(|(_, kinds)| kinds.len()).sum();
    let mut table = format!(
        "# Bad input\n\nWhat `dataset add` says about {count} kinds of damaged or misleading input. Made from the table \
         of the test\n`every_kind_of_bad_input_is_refused_in_the_right_words`, which fails when a kind is missing here or \
         a message differs.\nNo input makes the program panic or allocate more memory than its size justifies.\n"
    );
    for (group, kinds) in groups {
        table.push_str(&format!("\n## {group}\n\n| input | message |\n|---|---|\n"));
        for bad in kinds {
            let text = message(bad);
            assert!(text.contains(bad.words), "{}: {text}", bad.kind);
            let cell = text.replace('|', "\\|").replace('\n', " ");
            table.push_str(&format!("| {} | {cell} |\n", bad.kind));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measurements/bad_input.md");
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == table, "docs/measurements/bad_input.md should be:\n{table}");
}
