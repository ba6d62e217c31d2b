//! MetaImage: header and data in one file (`.mha`) or in two that lie side by side (`.mhd` and
//! `.raw` or `.zraw`), plain or zlib-compressed.
//!
//! World coordinates are LPS, as ITK writes them; like ITK this reads the direction from
//! `TransformMatrix` and not from `AnatomicalOrientation`, which repeats it in letters.

mod header;

use std::{
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use flate2::bufread::{GzDecoder, ZlibDecoder};

pub use self::header::Header;
use super::{bounded, element::Element, voxels};
use crate::data::{Geometry, Image, Volume};

/// Reads a file, and the patient whom its header names; reasons of refusal in words.
pub fn read(path: &Path) -> Result<(Image, Option<String>), String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    let mut source = BufReader::new(file);
    let header = Header::read(&mut source)?;
    let size_xyz = size_xyz(&header)?;
    let count = voxels(size_xyz)?;
    let element = element(&header)?;
    let geometry = geometry(&header)?;
    let wanted = count * element.width();
    let raw = match header.require("ElementDataFile")? {
        "LOCAL" => data(&header, source, size, wanted)?,
        name => {
            let beside = beside(path, name)?;
            let words = |e: std::io::Error| format!("its data file {name}: {e}");
            let file = File::open(&beside).map_err(words)?;
            let size = file.metadata().map_err(words)?.len();
            let mut source = BufReader::new(file);
            skip_header(&header, &mut source, size, wanted)
                .map_err(|e| format!("its data file {name}: {e}"))?;
            data(&header, source, size, wanted).map_err(|e| format!("its data file {name}: {e}"))?
        }
    };
    let big = header.is_true(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])?;
    let data = element.decode(&raw, big, 1.0, 0.0);
    let [x, y, z] = size_xyz;
    let image = Image { volume: Volume { shape: [z, y, x], data }, geometry };
    Ok((image, patient(&header).map(str::to_owned)))
}

/// Reads a file's header alone.
pub fn header(path: &Path) -> Result<Header, String> {
    Header::read(&mut BufReader::new(File::open(path).map_err(|e| e.to_string())?))
}

/// Number of dimensions: three, or more of which all but the first three have size 1.
fn rank(header: &Header) -> Result<usize, String> {
    let text = header.require("NDims")?;
    let rank = text.parse().ok().filter(|n| (3..=8).contains(n));
    rank.ok_or_else(|| format!("{text} dimensions: one three-dimensional image was expected"))
}

/// Size (x, y, z).
fn size_xyz(header: &Header) -> Result<[usize; 3], String> {
    let rank = rank(header)?;
    let text = header.require("DimSize")?;
    let sizes = text.split_whitespace().map(|v| v.parse().ok()).collect::<Option<Vec<usize>>>();
    match sizes.as_deref() {
        Some([x, y, z, more @ ..]) if more.len() + 3 == rank && more.iter().all(|n| *n == 1) => {
            Ok([*x, *y, *z])
        }
        _ if rank > 3 => {
            Err(format!("{rank} dimensions (DimSize = {text:?}): one three-dimensional image was expected"))
        }
        _ => Err(format!("DimSize = {text:?}: three whole numbers were expected")),
    }
}

/// The patient whom a header names: ITK writes what it knew of DICOM's elements into it.
fn patient(header: &Header) -> Option<&str> {
    header.get(&["0010|0020", "PatientID"])
}

/// How a voxel is stored.
pub fn element(header: &Header) -> Result<Element, String> {
    if header.get(&["BinaryData"]).is_some() && !header.is_true(&["BinaryData"])? {
        return Err("its voxels are written as text: binary data was expected".into());
    }
    if let Some(channels) = header.get(&["ElementNumberOfChannels"])
        && channels != "1"
    {
        return Err(format!("{channels} values a voxel: one was expected"));
    }
    let name = header.require("ElementType")?;
    Ok(match name {
        "MET_UCHAR" => Element::U8,
        "MET_CHAR" => Element::I8,
        "MET_USHORT" => Element::U16,
        "MET_SHORT" => Element::I16,
        // In MetaImage a long has four bytes on every machine.
        "MET_UINT" | "MET_ULONG" => Element::U32,
        "MET_INT" | "MET_LONG" => Element::I32,
        "MET_ULONG_LONG" => Element::U64,
        "MET_LONG_LONG" => Element::I64,
        "MET_FLOAT" => Element::F32,
        "MET_DOUBLE" => Element::F64,
        _ => return Err(format!("ElementType = {name}: a whole or real number was expected")),
    })
}

/// Where the data file is, which must lie beside the header.
fn beside(path: &Path, name: &str) -> Result<PathBuf, String> {
    let plain =
        !name.is_empty() && !name.contains(['/', '\\', '\0', '%', ' ']) && name != ".." && name != ".";
    if !plain || name == "LIST" {
        let reason = "the name of one file beside the header was expected";
        return Err(format!("ElementDataFile = {name:?}: {reason}"));
    }
    let beside = path.with_file_name(name);
    // A link could lead anywhere.
    match std::fs::symlink_metadata(&beside) {
        Ok(metadata) if metadata.is_file() => Ok(beside),
        Ok(_) => Err(format!("its data file {name} is not a plain file")),
        Err(_) => Err(format!("its data file {name} is not there: it must lie beside the header")),
    }
}

/// Passes over what `HeaderSize` says stands before the data in their file: so many bytes, or with -1
/// all but the data.
fn skip_header(
    header: &Header,
    source: &mut BufReader<File>,
    size: u64,
    wanted: usize,
) -> Result<(), String> {
    let Some(text) = header.get(&["HeaderSize"]) else { return Ok(()) };
    let from = match text {
        "-1" => size.checked_sub(wanted as u64).ok_or("truncated: fewer bytes than its header promises")?,
        _ => text
            .parse::<u64>()
            .ok()
            .filter(|from| *from <= size)
            .ok_or_else(|| format!("HeaderSize = {text:?}: -1 or a place in the file was expected"))?,
    };
    source.seek(SeekFrom::Start(from)).map(|_| ()).map_err(|e| e.to_string())
}

/// The bytes of the voxels.
fn data(header: &Header, mut source: impl BufRead, size: u64, wanted: usize) -> Result<Vec<u8>, String> {
    if header.is_true(&["CompressedData"])? {
        let start = source.fill_buf().map_err(|e| e.to_string())?;
        return if start.starts_with(&[0x1f, 0x8b]) {
            bounded::exactly(GzDecoder::new(source), wanted)
        } else {
            bounded::exactly(ZlibDecoder::new(source), wanted)
        };
    }
    if size < wanted as u64 {
        return Err(format!("truncated: {size} bytes, its header promises {wanted} of image data"));
    }
    bounded::exactly(source, wanted)
}

/// The header lists the direction of the x axis first, then y, then z; of further dimensions nothing is
/// taken.
fn geometry(header: &Header) -> Result<Geometry, String> {
    let rank = rank(header)?;
    let three = |values: Vec<f64>| std::array::from_fn(|axis| values[axis]);
    let axes = header.floats(&["TransformMatrix", "Rotation", "Orientation"], rank * rank)?;
    let origin = header.floats(&["Offset", "Origin", "Position"], rank)?.map_or([0.0; 3], three);
    let spacing: [f64; 3] = header
        .floats(&["ElementSpacing", "ElementSize"], rank)?
        .map(three)
        .ok_or("its header has no ElementSpacing: the voxel size is unknown")?;
    if let Some(bad) = spacing.iter().find(|step| **step < 0.0) {
        return Err(format!("a voxel size of {bad} mm: a positive one was expected"));
    }
    let direction = std::array::from_fn(|row| {
        std::array::from_fn(|axis| match &axes {
            Some(axes) => axes[rank * axis + row],
            None => f64::from(u8::from(row == axis)),
        })
    });
    Ok(Geometry::new(spacing, origin, direction))
}
