//! Nothing is mirrored or turned on the way in: an L-shaped marker lies at the same place in the world and
//! in the same prepared array, whatever format it came in and however its axes ran.

use std::{fs, path::Path};

use super::add;
use crate::data::{
    Geometry, Volume, case,
    case::Case,
    fixtures::{
        dicom,
        metaimage::{self, Storage},
        nifti::{self, Orientation},
    },
};

const SHAPE: [usize; 3] = [5, 7, 6];

/// Slice, row and column of the marker's corner, which is brightest; no mirror image of the marker is the
/// marker.
const CORNER: [usize; 3] = [1, 2, 1];

/// Tilted about two axes, with three different voxel sizes.
fn grid() -> Geometry {
    let ((s, c), (t, d)) = (0.3f64.sin_cos(), (-0.2f64).sin_cos());
    let direction = [[d, 0.0, t], [s * t, c, -s * d], [-c * t, s, c * d]];
    Geometry::new([0.5, 0.75, 3.0], [12.0, -30.0, 45.0], direction)
}

/// A dim background with an arm of three along the row, of four along the column and of two along the
/// slices.
fn marker() -> Volume {
    let mut volume = Volume::filled(SHAPE, 10.0);
    let [d, h, w] = CORNER;
    for (value, at) in [
        (2000.0, [d, h, w]),
        (500.0, [d, h, w + 1]),
        (510.0, [d, h, w + 2]),
        (600.0, [d, h + 1, w]),
        (610.0, [d, h + 2, w]),
        (620.0, [d, h + 3, w]),
        (700.0, [d + 1, h, w]),
    ] {
        let at = volume.index(at[0], at[1], at[2]);
        volume.data[at] = value;
    }
    volume
}

/// The same image with some of the axes (x, y, z) counted from their other ends.
fn flipped(flips: [bool; 3]) -> (Volume, Geometry) {
    let volume = marker();
    let [depth, height, width] = SHAPE;
    let mut turned = volume.clone();
    for (d, h, w) in
        (0..depth).flat_map(|d| (0..height).flat_map(move |h| (0..width).map(move |w| (d, h, w))))
    {
        let from = |flip: bool, i: usize, n: usize| if flip { n - 1 - i } else { i };
        let at = turned.index(d, h, w);
        turned.data[at] =
            volume.at(from(flips[2], d, depth), from(flips[1], h, height), from(flips[0], w, width));
    }
    let sides = [width, height, depth];
    let grid = (0..3).filter(|a| flips[*a]).fold(grid(), |g, axis| g.flipped(axis, sides[axis]));
    (turned, grid)
}

/// Writes the image as the t2w of a case.
fn write(folder: &Path, format: &str, volume: &Volume, grid: &Geometry) {
    fs::create_dir_all(folder).unwrap();
    let one = |name: &str, bytes: Vec<u8>| fs::write(folder.join(name), bytes).unwrap();
    match format {
        "nifti-1 qform" => one("t2w.nii", nifti::file(volume, grid, 1, Orientation::Qform, 1)),
        "nifti-1 sform" => one("t2w.nii", nifti::file(volume, grid, 1, Orientation::Sform, 1)),
        "nifti-2 qform" => one("t2w.nii", nifti::file(volume, grid, 2, Orientation::Qform, 1)),
        "nifti-2 sform" => one("t2w.nii", nifti::file(volume, grid, 2, Orientation::Sform, 1)),
        "mha" => one("t2w.mha", metaimage::file(volume, grid, Storage::Zlib)),
        "mhd" => {
            one("t2w.mhd", metaimage::header(volume, grid, Storage::Raw, "t2w.raw").into_bytes());
            one("t2w.raw", metaimage::data(volume, Storage::Raw));
        }
        "dicom" => {
            fs::create_dir(folder.join("t2w")).unwrap();
            // Names in another order than the slices.
            for (i, slice) in dicom::series(volume, grid).into_iter().enumerate() {
                one(&format!("t2w/{}.dcm", (i * 3) % 5), slice.bytes());
            }
        }
        _ => {
            fs::create_dir(folder.join("t2w")).unwrap();
            one("t2w/all.dcm", dicom::enhanced(volume, grid).bytes());
        }
    }
}

fn imported(format: &str, volume: &Volume, grid: &Geometry) -> Case {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("in/case"), format, volume, grid);
    let out = root.path().join("out");
    let made =
        add(&out, &root.path().join("in"), Some("x"), &|_, _| ()).unwrap_or_else(|e| panic!("{format}: {e}"));
    case::load(&out.join("x"), &made.cases[0]).unwrap()
}

#[test]
fn the_marker_lies_at_the_same_place_in_every_format_and_orientation() {
    let corner_in_world = grid().world([CORNER[2] as f64, CORNER[1] as f64, CORNER[0] as f64]);
    for format in [
        "nifti-1 qform",
        "nifti-1 sform",
        "nifti-2 qform",
        "nifti-2 sform",
        "mha",
        "mhd",
        "dicom",
        "enhanced dicom",
    ] {
        for code in 0..8 {
            let flips = [code & 1 > 0, code & 2 > 0, code & 4 > 0];
            let (volume, grid) = flipped(flips);
            let case = imported(format, &volume, &grid);
            assert_eq!(case.volumes["t2w"], marker(), "{format}, flipped {flips:?}");
            let [d, h, w] = CORNER;
            let world = case.geometry.world([w as f64, h as f64, d as f64]);
            for (ours, theirs) in world.iter().zip(corner_in_world) {
                assert!((ours - theirs).abs() < 1e-4, "{format}, flipped {flips:?}: {world:?}");
            }
        }
    }
}
