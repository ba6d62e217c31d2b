//! Damaged and misleading DICOM folders.

use std::{fs, path::Path};

use super::{Bad, grid, volume, write};
use crate::data::fixtures::dicom::{self, File};

fn slice(i: u8) -> File {
    File::slice(i, 3.0 * f64::from(i), "1.9")
}

/// These files as the case's t2w folder.
fn folder(at: &Path, files: &[Vec<u8>]) {
    fs::remove_file(at.join("case/t2w.nii")).unwrap();
    fs::create_dir(at.join("case/t2w")).unwrap();
    for (i, bytes) in files.iter().enumerate() {
        write(at, &format!("case/t2w/{i}.dcm"), bytes);
    }
}

/// Three slices, of which the second is changed.
fn second(at: &Path, change: fn(File) -> File) {
    folder(at, &[slice(0).bytes(), change(slice(1)).bytes(), slice(2).bytes()]);
}

/// Three slices, all of them changed.
fn all(at: &Path, change: fn(File) -> File) {
    folder(at, &[0u8, 1, 2].map(|i| change(slice(i)).bytes()));
}

fn short(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

pub const KINDS: &[Bad] = &[
    Bad { kind: "an empty folder", words: "no file in it", make: |f| folder(f, &[]) },
    Bad {
        kind: "a file that is no DICOM among the slices",
        words: "case/t2w/1.dcm: not a DICOM file",
        make: |f| folder(f, &[slice(0).bytes(), b"hello".to_vec()]),
    },
    Bad {
        kind: "a file cut within its pixels",
        words: "truncated",
        make: |f| {
            let bytes = slice(1).bytes();
            folder(f, &[slice(0).bytes(), bytes[..bytes.len() - 6].to_vec()]);
        },
    },
    Bad {
        kind: "an element that claims four gigabytes",
        words: "claims 4294967294 bytes",
        make: |f| {
            let mut bytes = slice(1).bytes();
            let at = bytes.windows(4).position(|w| w == [0xE0, 0x7F, 0x10, 0x00]).unwrap();
            bytes[at + 8..at + 12].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
            folder(f, &[slice(0).bytes(), bytes]);
        },
    },
    Bad {
        kind: "no pixels",
        words: "no pixel data in it",
        make: |f| all(f, |file| file.without((0x7FE0, 0x0010))),
    },
    Bad {
        kind: "fewer pixels than rows and columns",
        words: "truncated: 20 bytes of pixel data where 40 belong",
        make: |f| all(f, |file| file.with((0x7FE0, 0x0010), b"OW", [0; 20])),
    },
    Bad {
        kind: "no size",
        words: "not a DICOM image: no Rows in it",
        make: |f| all(f, |file| file.without((0x0028, 0x0010))),
    },
    Bad {
        kind: "a size of 0",
        words: "an image of 5x0x1 voxels",
        make: |f| all(f, |file| file.with((0x0028, 0x0010), b"US", short(0))),
    },
    Bad {
        kind: "no position",
        words: "1.dcm: no position (0020,0032) in it",
        make: |f| second(f, |file| file.without((0x0020, 0x0032))),
    },
    Bad {
        kind: "no orientation",
        words: "no orientation (0020,0037) in it",
        make: |f| second(f, |file| file.without((0x0020, 0x0037))),
    },
    Bad {
        kind: "no pixel spacing",
        words: "no pixel spacing (0028,0030) in it",
        make: |f| second(f, |file| file.without((0x0028, 0x0030))),
    },
    Bad {
        kind: "a pixel spacing of 0",
        words: "a pixel spacing (0028,0030) of 0 mm",
        make: |f| all(f, |file| file.with((0x0028, 0x0030), b"DS", "0\\0.5")),
    },
    Bad {
        kind: "a position of two numbers",
        words: "position (0020,0032) holds 2 numbers: 3 were expected",
        make: |f| second(f, |file| file.with((0x0020, 0x0032), b"DS", "1\\2")),
    },
    Bad {
        kind: "an orientation that is none",
        words: "is not two perpendicular unit vectors",
        make: |f| second(f, |file| file.with((0x0020, 0x0037), b"DS", "1\\0\\0\\1\\0\\0")),
    },
    Bad {
        kind: "a slice of another size",
        words: "1.dcm: another size, 5 rows of 4 columns, than in 0.dcm",
        make: |f| {
            second(f, |file| {
                file.with((0x0028, 0x0010), b"US", short(5)).with((0x0028, 0x0011), b"US", short(4))
            });
        },
    },
    Bad {
        kind: "a slice in another direction",
        words: "1.dcm: another orientation than in 0.dcm",
        make: |f| second(f, |file| file.with((0x0020, 0x0037), b"DS", "0\\1\\0\\0\\0\\1")),
    },
    Bad {
        kind: "a slice with another pixel spacing",
        words: "1.dcm: another pixel spacing than in 0.dcm",
        make: |f| second(f, |file| file.with((0x0028, 0x0030), b"DS", "0.9\\0.9")),
    },
    Bad {
        kind: "a missing slice",
        words: "slices 3 and 4 lie 6.000 mm apart where the others lie 3.000 mm apart: a slice is missing",
        make: |f| folder(f, &[0u8, 1, 2, 4].map(|i| slice(i).bytes())),
    },
    Bad {
        kind: "two different slices at one place",
        words: "two slices at the same place (3.000 mm along the normal): 1.dcm and 3.dcm",
        make: |f| {
            let other = File::slice(7, 3.0, "1.9").bytes();
            folder(f, &[slice(0).bytes(), slice(1).bytes(), slice(2).bytes(), other]);
        },
    },
    Bad {
        kind: "several volumes in one series",
        words: "2 images at every place: several volumes (b-values, echoes or times)",
        make: |f| {
            let other = |i: u8| File::slice(i + 5, 3.0 * f64::from(i), "1.9").bytes();
            folder(f, &[slice(0).bytes(), slice(1).bytes(), other(0), other(1)]);
        },
    },
    Bad {
        kind: "two series that could be the volume",
        words: "2 series, of which 2 can be the volume",
        make: |f| {
            let other = |i: u8| File::slice(i, 3.0 * f64::from(i), "1.8").bytes();
            folder(f, &[slice(0).bytes(), slice(1).bytes(), other(0), other(1)]);
        },
    },
    Bad {
        kind: "one slice alone",
        words: "one slice: a volume of at least two was expected",
        make: |f| folder(f, &[slice(0).bytes()]),
    },
    Bad {
        kind: "slices that are shifted sideways",
        words: "the slices are shifted against one another",
        make: |f| {
            let at = |i: u8| {
                let position = format!("{}\\-1.05\\{}", 2 * i32::from(i), 3 * i32::from(i));
                slice(i).with((0x0020, 0x0032), b"DS", position).bytes()
            };
            folder(f, &[at(0), at(1), at(2)]);
        },
    },
    Bad {
        kind: "JPEG-LS",
        words: "transfer syntax 1.2.840.10008.1.2.4.80 (JPEG-LS Lossless) is not decoded here: convert",
        make: |f| all(f, |file| file.syntax("1.2.840.10008.1.2.4.80")),
    },
    Bad {
        kind: "deflated",
        words: "(Deflated Explicit VR Little Endian) is not decoded here",
        make: |f| all(f, |file| file.syntax("1.2.840.10008.1.2.1.99")),
    },
    Bad {
        kind: "a transfer syntax that nobody knows",
        words: "transfer syntax 1.2.3.4.5 (unknown) is not decoded here",
        make: |f| all(f, |file| file.syntax("1.2.3.4.5")),
    },
    Bad {
        kind: "JPEG data of another size",
        words: "JPEG data of 4 rows and 5 columns: 400 and 500 were expected",
        make: |f| {
            all(f, |file| {
                let (_, uid, frame) = dicom::compressed_frames().swap_remove(0);
                let file = file.with((0x0028, 0x0010), b"US", short(400));
                file.with((0x0028, 0x0011), b"US", short(500)).compressed(uid, vec![frame])
            });
        },
    },
    Bad {
        kind: "JPEG data that are none",
        words: "JPEG data that cannot be decoded",
        make: |f| all(f, |file| file.compressed("1.2.840.10008.1.2.4.70", vec![vec![0xff; 60]])),
    },
    Bad {
        kind: "run lengths that end early",
        words: "truncated: RLE data of",
        make: |f| {
            all(f, |file| {
                let (_, uid, frame) = dicom::compressed_frames().swap_remove(2);
                file.compressed(uid, vec![frame[..94].to_vec()])
            });
        },
    },
    Bad {
        kind: "colours",
        words: "3 values a pixel: one was expected",
        make: |f| all(f, |file| file.with((0x0028, 0x0002), b"US", short(3))),
    },
    Bad {
        kind: "an inverted image",
        words: "photometric interpretation \"MONOCHROME1\": MONOCHROME2 was expected",
        make: |f| all(f, |file| file.with((0x0028, 0x0004), b"CS", "MONOCHROME1")),
    },
    Bad {
        kind: "12 bits a pixel, packed",
        words: "12 bits a pixel: 8, 16 or 32 were expected",
        make: |f| all(f, |file| file.with((0x0028, 0x0100), b"US", short(12))),
    },
    Bad {
        kind: "more bits stored than there are",
        words: "20 bits up to bit 11 of 16: no such bits",
        make: |f| all(f, |file| file.with((0x0028, 0x0101), b"US", short(20))),
    },
    Bad {
        kind: "an enhanced file without a place for each frame",
        words: "3 frames, and functional groups (5200,9230) of 0",
        make: |f| folder(f, &[dicom::enhanced(&volume(), &grid()).without((0x5200, 0x9230)).bytes()]),
    },
    Bad {
        kind: "several frames without functional groups",
        words: "the place of each frame is unknown",
        make: |f| {
            let file = dicom::enhanced(&volume(), &grid()).without((0x5200, 0x9230));
            folder(f, &[file.without((0x5200, 0x9229)).bytes()]);
        },
    },
];
