//! Damaged NIfTI files.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::{Bad, grid, nifti_bytes, t2w, volume};
use crate::data::{
    Volume,
    fixtures::nifti::{self as nifti_file, Orientation},
    write::{self, Element},
};

/// A good file with some bytes replaced.
fn patched(version: u8, patches: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = nifti_bytes(version);
    for (at, new) in patches {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    bytes
}

/// A good file whose place is a quaternion, with some bytes replaced.
fn turned(patches: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = nifti_file::file(&volume(), &grid(), 1, Orientation::Qform, 1);
    for (at, new) in patches {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A file of real numbers, the first `count` of which are this.
fn with_voxels(value: f32, count: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let mut image = volume();
    image.data[..count].fill(value);
    write::nifti(&path, &image, &grid(), Element::F32).unwrap();
    std::fs::read(path).unwrap()
}

const NAN: [u8; 4] = f32::NAN.to_le_bytes();

pub const KINDS: &[Bad] = &[
    Bad { kind: "an empty file", words: "it is empty", make: |f| t2w(f, "t2w.nii", []) },
    Bad {
        kind: "cut within the header",
        words: "no whole header",
        make: |f| t2w(f, "t2w.nii", &nifti_bytes(1)[..100]),
    },
    Bad {
        kind: "version 2 cut within the header",
        words: "no whole header",
        make: |f| t2w(f, "t2w.nii", &nifti_bytes(2)[..400]),
    },
    Bad {
        kind: "cut within the voxels",
        words: "truncated: 471 bytes, its header promises 472 (5x4x3 voxels)",
        make: |f| t2w(f, "t2w.nii", &nifti_bytes(1)[..471]),
    },
    Bad {
        kind: "another kind of file under this name",
        words: "not a NIfTI file: a header of",
        make: |f| t2w(f, "t2w.nii", [b'x'; 600]),
    },
    Bad {
        kind: "a wrong magic word",
        words: "its magic word is missing",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(344, b"nope")])),
    },
    Bad {
        kind: "the header of a pair of files",
        words: "convert it to one .nii file",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(344, b"ni1\0")])),
    },
    Bad {
        kind: "a size of 0",
        words: "an image of 0x4x3 voxels",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(42, &[0, 0])])),
    },
    Bad {
        kind: "a negative size",
        words: "a negative image size: -5x4x3",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(42, &(-5i16).to_le_bytes())])),
    },
    Bad {
        kind: "a huge size",
        words: "32767x32767x32767 voxels: at most",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(42, &[0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f])])),
    },
    Bad {
        kind: "sizes whose product overflows",
        words: "voxels: at most",
        make: |f| t2w(f, "t2w.nii", patched(2, &[(24, &(i64::MAX / 2).to_le_bytes())])),
    },
    Bad {
        kind: "a rank that is none",
        words: "rank 9",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(40, &9i16.to_le_bytes())])),
    },
    Bad {
        kind: "two dimensions",
        words: "2 dimensions (5x4)",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(40, &2i16.to_le_bytes())])),
    },
    Bad {
        kind: "several time points",
        words: "2 volumes where one was expected",
        make: |f| {
            let bytes = nifti_file::file(&volume(), &grid(), 1, Orientation::Sform, 2);
            t2w(f, "t2w.nii", bytes);
        },
    },
    Bad {
        kind: "more time points than fit",
        words: "volumes of 60 voxels: too many",
        make: |f| {
            let many = [(16, 4i64.to_le_bytes()), (48, (1i64 << 40).to_le_bytes())];
            let patches: Vec<(usize, &[u8])> = many.iter().map(|(at, b)| (*at, b.as_slice())).collect();
            t2w(f, "t2w.nii", patched(2, &patches));
        },
    },
    Bad {
        kind: "complex numbers as voxels",
        words: "element type 32 (complex numbers)",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(70, &32i16.to_le_bytes())])),
    },
    Bad {
        kind: "colours as voxels",
        words: "element type 128 (colours)",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(70, &128i16.to_le_bytes())])),
    },
    Bad {
        kind: "an unknown element type",
        words: "element type 77 (unknown)",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(70, &77i16.to_le_bytes())])),
    },
    Bad {
        kind: "NaN in the affine",
        words: "the geometry holds a value that is not a finite number",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(284, &NAN)])),
    },
    Bad {
        kind: "an affine with an axis of no length",
        words: "a voxel size of 0 mm",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(280, &[0; 4])])),
    },
    Bad {
        kind: "an affine with two axes in one direction",
        words: "the orientation is singular",
        make: |f| {
            let one = 1f32.to_le_bytes();
            t2w(f, "t2w.nii", patched(1, &[(280, &one), (284, &one), (300, &[0; 4])]));
        },
    },
    Bad {
        kind: "an image kilometres away",
        words: "more than a kilometre from the world's origin",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(292, &1e9f32.to_le_bytes())])),
    },
    Bad {
        kind: "a quaternion longer than 1",
        words: "the orientation quaternion (2, 0, 1) is longer than 1",
        make: |f| {
            let two = 2f32.to_le_bytes();
            t2w(f, "t2w.nii", turned(&[(256, &two), (260, &[0; 4]), (264, &1f32.to_le_bytes())]));
        },
    },
    Bad {
        kind: "a negative voxel size beside a quaternion",
        words: "a voxel size of -0.5 mm: a positive one was expected",
        make: |f| t2w(f, "t2w.nii", turned(&[(80, &(-0.5f32).to_le_bytes())])),
    },
    Bad {
        kind: "image data that start within the header",
        words: "image data at byte 100",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(108, &100f32.to_le_bytes())])),
    },
    Bad {
        kind: "image data that start nowhere",
        words: "image data at byte NaN",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(108, &NAN)])),
    },
    Bad {
        kind: "an intercept that is no number",
        words: "intercept NaN of the stored values",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(112, &1f32.to_le_bytes()), (116, &NAN)])),
    },
    Bad {
        kind: "more than half of the voxels NaN",
        words: "31 of 60 voxels are not finite numbers, the first at slice 0, row 0, column 0: 52 % of it",
        make: |f| t2w(f, "t2w.nii", with_voxels(f32::NAN, 31)),
    },
    Bad {
        kind: "more than half of the voxels infinite",
        words: "and at most half of an image can be taken as background",
        make: |f| t2w(f, "t2w.nii", with_voxels(f32::INFINITY, 40)),
    },
    Bad {
        kind: "a header without its file of voxels",
        words: "its voxels are not there: t2w.img or t2w.img.gz was expected beside it",
        make: |f| t2w(f, "t2w.hdr", nifti_file::pair(&nifti_bytes(1)).0),
    },
    Bad {
        kind: "a file of voxels that ends early",
        words: "its data file t2w.img: truncated: 119 bytes, its header promises 120",
        make: |f| {
            let (header, voxels) = nifti_file::pair(&nifti_bytes(1));
            t2w(f, "t2w.hdr", header);
            super::write(f, "case/t2w.img", &voxels[..119]);
        },
    },
    Bad {
        kind: "a whole file under the name of a header",
        words: "name it .nii",
        make: |f| t2w(f, "t2w.hdr", nifti_bytes(1)),
    },
    Bad {
        kind: "an Analyze header",
        words: "an Analyze 7.5 header, which does not say where the image lies",
        make: |f| t2w(f, "t2w.hdr", patched(1, &[(344, &[0; 4])])),
    },
    Bad {
        kind: "an empty sform and no qform",
        words: "its sform cannot be used (a voxel size of 0 mm: 0.001 to 1000 mm was expected), and it has no qform",
        make: |f| t2w(f, "t2w.nii", patched(1, &[(280, &[0; 48])])),
    },
    Bad {
        kind: "the same value everywhere",
        words: "the same value everywhere: an image was expected",
        make: |f| {
            let flat = Volume::filled(volume().shape, 7.0);
            t2w(f, "t2w.nii", nifti_file::file(&flat, &grid(), 1, Orientation::Sform, 1));
        },
    },
    Bad {
        kind: "a gzip file that is none behind its first bytes",
        words: "no whole header",
        make: |f| t2w(f, "t2w.nii.gz", [0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    },
    Bad {
        kind: "a gzip file cut within its data",
        words: "of 120 bytes of image data",
        make: |f| {
            let bytes = packed(&nifti_bytes(1));
            t2w(f, "t2w.nii.gz", &bytes[..bytes.len() - 40]);
        },
    },
    Bad {
        kind: "a gzip file that unpacks to fewer voxels than promised",
        words: "truncated: 60 bytes of image data where 120 belong",
        make: |f| t2w(f, "t2w.nii.gz", packed(&nifti_bytes(1)[..412])),
    },
    Bad {
        kind: "a gzip bomb: 64 MB of zeros behind a header that promises 30000 times as much",
        words: "30000x8192x8192 voxels: at most",
        make: |f| {
            let sizes = [30000i16, 8192, 8192].map(i16::to_le_bytes).concat();
            let mut bytes = patched(1, &[(42, &sizes)]);
            bytes.resize(64 << 20, 0);
            t2w(f, "t2w.nii.gz", packed(&bytes));
        },
    },
];
