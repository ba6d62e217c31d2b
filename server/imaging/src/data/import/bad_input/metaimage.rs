//! Damaged MetaImages.

use super::{Bad, grid, t2w, volume, write};
use crate::data::fixtures::metaimage::{self as file, Storage};

/// A good `.mha` file with a part of its header replaced.
fn replaced(storage: Storage, from: &str, to: &str) -> Vec<u8> {
    let header = file::header(&volume(), &grid(), storage, "LOCAL");
    assert!(header.contains(from), "{from}");
    [header.replacen(from, to, 1).into_bytes(), file::data(&volume(), storage)].concat()
}

fn raw(from: &str, to: &str) -> Vec<u8> {
    replaced(Storage::Raw, from, to)
}

/// A header with its data in a file of this name.
fn pair(name: &str) -> String {
    file::header(&volume(), &grid(), Storage::Raw, name)
}

pub const KINDS: &[Bad] = &[
    Bad {
        kind: "a header without ElementDataFile",
        words: "its header has no line ElementDataFile",
        make: |f| t2w(f, "t2w.mha", "ObjectType = Image\nNDims = 3\n"),
    },
    Bad {
        kind: "a header that is no text",
        words: "its header is no text",
        make: |f| t2w(f, "t2w.mha", [0xff, 0xfe, b'\n', 0xff]),
    },
    Bad {
        kind: "a line that is no entry",
        words: "not a MetaImage: \"hello\" in its header",
        make: |f| t2w(f, "t2w.mha", "ObjectType = Image\nhello\n"),
    },
    Bad {
        kind: "four dimensions",
        words: "4 dimensions (DimSize = \"5 4 3\"): one three-dimensional image was expected",
        make: |f| t2w(f, "t2w.mha", raw("NDims = 3", "NDims = 4")),
    },
    Bad {
        kind: "sizes that are no numbers",
        words: "DimSize = \"5 four 3\": three whole numbers were expected",
        make: |f| t2w(f, "t2w.mha", raw("DimSize = 5 4 3", "DimSize = 5 four 3")),
    },
    Bad {
        kind: "a size of 0",
        words: "an image of 5x0x3 voxels",
        make: |f| t2w(f, "t2w.mha", raw("DimSize = 5 4 3", "DimSize = 5 0 3")),
    },
    Bad {
        kind: "a negative size",
        words: "DimSize = \"-5 4 3\"",
        make: |f| t2w(f, "t2w.mha", raw("DimSize = 5 4 3", "DimSize = -5 4 3")),
    },
    Bad {
        kind: "a huge size",
        words: "9999999x9999999x9999999 voxels: at most",
        make: |f| t2w(f, "t2w.mha", raw("DimSize = 5 4 3", "DimSize = 9999999 9999999 9999999")),
    },
    Bad {
        kind: "fewer bytes than promised",
        words: "truncated",
        make: |f| t2w(f, "t2w.mha", raw("DimSize = 5 4 3", "DimSize = 50 40 30")),
    },
    Bad {
        kind: "compressed data that end early",
        words: "of 120 bytes of image data",
        make: |f| {
            let bytes = file::file(&volume(), &grid(), Storage::Zlib);
            t2w(f, "t2w.mha", &bytes[..bytes.len() - 30]);
        },
    },
    Bad {
        kind: "compressed data that are none",
        words: "damaged after 0 of 120 bytes of image data",
        make: |f| t2w(f, "t2w.mha", raw("CompressedData = False", "CompressedData = True")),
    },
    Bad {
        kind: "an element type that is no number",
        words: "ElementType = MET_STRING: a whole or real number was expected",
        make: |f| t2w(f, "t2w.mha", raw("MET_SHORT", "MET_STRING")),
    },
    Bad {
        kind: "three values a voxel",
        words: "3 values a voxel: one was expected",
        make: |f| t2w(f, "t2w.mha", raw("NDims = 3", "NDims = 3\nElementNumberOfChannels = 3")),
    },
    Bad {
        kind: "voxels written as text",
        words: "its voxels are written as text",
        make: |f| t2w(f, "t2w.mha", raw("BinaryData = True", "BinaryData = False")),
    },
    Bad {
        kind: "a switch that is neither on nor off",
        words: "CompressedData = \"maybe\": True or False was expected",
        make: |f| t2w(f, "t2w.mha", raw("CompressedData = False", "CompressedData = maybe")),
    },
    Bad {
        kind: "no voxel size",
        words: "no ElementSpacing: the voxel size is unknown",
        make: |f| t2w(f, "t2w.mha", raw("ElementSpacing", "Spacing")),
    },
    Bad {
        kind: "a voxel size of 0",
        words: "a voxel size of 0 mm",
        make: |f| t2w(f, "t2w.mha", raw("ElementSpacing = 0.5 0.7 3", "ElementSpacing = 0.5 0 3")),
    },
    Bad {
        kind: "a negative voxel size",
        words: "a voxel size of -0.7 mm: a positive one was expected",
        make: |f| t2w(f, "t2w.mha", raw("ElementSpacing = 0.5 0.7 3", "ElementSpacing = 0.5 -0.7 3")),
    },
    Bad {
        kind: "a voxel size that is no number",
        words: "the geometry holds a value that is not a finite number",
        make: |f| t2w(f, "t2w.mha", raw("ElementSpacing = 0.5 0.7 3", "ElementSpacing = 0.5 nan 3")),
    },
    Bad {
        kind: "a direction with two axes the same",
        words: "the orientation is singular",
        make: |f| t2w(f, "t2w.mha", raw("1 0 0 0 1 0 0 0 1", "1 0 0 1 0 0 0 0 1")),
    },
    Bad {
        kind: "a direction of eight numbers",
        words: "TransformMatrix = \"1 0 0 0 1 0 0 0\": 9 numbers were expected",
        make: |f| t2w(f, "t2w.mha", raw("1 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0")),
    },
    Bad {
        kind: "a data file outside the folder",
        words: "ElementDataFile = \"../../secret.raw\": the name of one file beside the header was expected",
        make: |f| {
            write(f, "secret.raw", file::data(&volume(), Storage::Raw));
            t2w(f, "t2w.mhd", pair("../../secret.raw"));
        },
    },
    Bad {
        kind: "a data file at an absolute path",
        words: "the name of one file beside the header was expected",
        make: |f| t2w(f, "t2w.mhd", pair("/etc/hostname")),
    },
    Bad {
        kind: "a data file that is a link",
        words: "its data file t2w.raw is not a plain file",
        make: |f| {
            write(f, "secret.raw", file::data(&volume(), Storage::Raw));
            t2w(f, "t2w.mhd", pair("t2w.raw"));
            std::os::unix::fs::symlink("../secret.raw", f.join("case/t2w.raw")).unwrap();
        },
    },
    Bad {
        kind: "a data file that is not there",
        words: "its data file t2w.raw is not there: it must lie beside the header",
        make: |f| t2w(f, "t2w.mhd", pair("t2w.raw")),
    },
    Bad {
        kind: "a list of data files",
        words: "ElementDataFile = \"LIST\"",
        make: |f| t2w(f, "t2w.mhd", pair("LIST")),
    },
    Bad {
        kind: "a data file that ends early",
        words: "its data file t2w.raw: truncated",
        make: |f| {
            write(f, "case/t2w.raw", &file::data(&volume(), Storage::Raw)[..50]);
            t2w(f, "t2w.mhd", pair("t2w.raw"));
        },
    },
    Bad {
        kind: "data that start behind the end of their file",
        words: "HeaderSize = \"9999\": -1 or a place in the file was expected",
        make: |f| {
            write(f, "case/t2w.raw", file::data(&volume(), Storage::Raw));
            t2w(f, "t2w.mhd", pair("t2w.raw").replace("NDims = 3", "NDims = 3\nHeaderSize = 9999"));
        },
    },
];
