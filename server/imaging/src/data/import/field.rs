//! Input as people really have it: each kind comes out right, or is named, and nothing is lost in silence.

mod bids;
mod decathlon;
mod dicom;
mod dicom_tree;
mod geometry;
mod names;
mod nnunet;
mod patients;
mod pictures;
mod tables;
mod values;

use std::{
    fs,
    path::{Path, PathBuf},
};

use transferscope_domain::dataset::{CaseEntry, DatasetManifest};

use super::{AddOptions, add_with};
use crate::data::{
    Geometry, Volume, case,
    case::Case,
    check,
    fixtures::nifti::{self, Orientation},
    write::{self, Element},
};

const SHAPE: [usize; 3] = [6, 16, 16];

/// A folder that is being filled, and where data sets go.
struct Place {
    root: tempfile::TempDir,
    source: PathBuf,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("in");
    fs::create_dir(&source).unwrap();
    Place { root, source }
}

/// Tilted, and away from the world's origin.
fn grid() -> Geometry {
    let (s, c) = 0.2f64.sin_cos();
    Geometry::new([1.0, 1.0, 3.0], [12.0, -30.0, 45.0], [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
}

/// An image that is that of no other `seed`, of whole numbers.
fn picture(seed: usize) -> Volume {
    let n: usize = SHAPE.iter().product();
    Volume { shape: SHAPE, data: (0..n).map(|i| ((i * 7 + i * i * (seed + 3)) % 900 + 1) as f32).collect() }
}

/// A block in the middle.
fn block(value: f32) -> Volume {
    let mut mask = Volume::filled(SHAPE, 0.0);
    for (d, h, w) in (2..4).flat_map(|d| (5..11).flat_map(move |h| (5..11).map(move |w| (d, h, w)))) {
        let at = mask.index(d, h, w);
        mask.data[at] = value;
    }
    mask
}

/// A good NIfTI file.
fn nifti_file(volume: &Volume) -> Vec<u8> {
    nifti::file(volume, &grid(), 1, Orientation::Both, 1)
}

impl Place {
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.source.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// An image or mask of real numbers.
    fn floats(&self, name: &str, volume: &Volume) {
        let path = self.source.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write::nifti(&path, volume, &grid(), Element::F32).unwrap();
    }

    /// A case with nothing but a good t2w image.
    fn case(&self, name: &str, seed: usize) {
        self.write(&format!("{name}/t2w.nii"), nifti_file(&picture(seed)));
    }

    fn datasets(&self) -> PathBuf {
        self.root.path().join("out")
    }

    fn try_with(&self, options: AddOptions) -> Result<DatasetManifest, String> {
        let options = AddOptions { name: Some("x".into()), ..options };
        let _ = fs::remove_dir_all(self.datasets().join("x"));
        let made = add_with(&self.datasets(), &self.source, &options, &|_, _| ());
        made.map_err(|error| error.to_string())
    }

    fn add(&self) -> DatasetManifest {
        self.try_with(AddOptions::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn refusal(&self) -> String {
        match self.try_with(AddOptions::default()) {
            Ok(made) => panic!("it was taken: {made:?}"),
            Err(error) => error,
        }
    }

    fn load(&self, entry: &CaseEntry) -> Case {
        case::load(&self.datasets().join("x"), entry).unwrap()
    }

    /// The text of the data set's check.
    fn check(&self) -> String {
        check::check(&self.datasets().join("x")).unwrap().to_string()
    }
}

/// Whether a case's notes say something, which the check says as well.
fn assert_said(place: &Place, entry: &CaseEntry, words: &str) {
    assert!(entry.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", entry.notes);
    assert!(place.check().contains(words), "{}", place.check());
}

/// Whether two grids are the same.
fn assert_same(ours: &Geometry, expected: &Geometry) {
    let pairs = ours.world_from_voxel.iter().flatten().zip(expected.world_from_voxel.iter().flatten());
    for (a, b) in pairs {
        assert!((a - b).abs() < 1e-4, "{ours:?} instead of {expected:?}");
    }
}

/// Whether two images are the same but for the rounding of a grid's own place.
fn assert_near(ours: &Volume, expected: &Volume, what: &str) {
    assert_eq!(ours.shape, expected.shape, "{what}");
    let apart = ours.data.iter().zip(&expected.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 0.01, "{what}: {apart} apart");
}

/// Empties a folder, so that something else can be tried in it.
fn clear(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir(folder).unwrap();
}
