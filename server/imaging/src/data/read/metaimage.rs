//! MetaImage with header and data in one file (`.mha`), plain or zlib-compressed.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::ZlibDecoder;

use super::{
    bounded::{self, numbers},
    voxels,
};
use crate::data::{Geometry, Image, Volume};

/// A header with more bytes or lines than this is none.
const MAX_HEADER_BYTES: u64 = 64 * 1024;

/// The `Key = Value` lines.
struct Header(BTreeMap<String, String>);

impl Header {
    /// Reads lines up to and with `ElementDataFile`, after which the data begin.
    fn read(source: &mut impl BufRead) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        let mut left = MAX_HEADER_BYTES;
        loop {
            let mut line = Vec::new();
            let n = source.take(left).read_until(b'\n', &mut line).map_err(|e| e.to_string())? as u64;
            left -= n;
            if line.last() != Some(&b'\n') {
                return Err("not a MetaImage: its header has no line ElementDataFile".into());
            }
            let text = std::str::from_utf8(&line).map_err(|_| "not a MetaImage: its header is no text")?;
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let (key, value) = text
                .split_once('=')
                .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
                .ok_or_else(|| {
                    format!("not a MetaImage: {:?} in its header", text.chars().take(40).collect::<String>())
                })?;
            let last = key == "ElementDataFile";
            entries.insert(key, value);
            if last {
                return Ok(Self(entries));
            }
        }
    }

    fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|k| self.0.get(*k)).map(String::as_str)
    }

    fn require(&self, key: &str) -> Result<&str, String> {
        self.get(&[key]).ok_or_else(|| format!("its header has no {key}"))
    }

    fn is_true(&self, keys: &[&str]) -> Result<bool, String> {
        match self.get(keys).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(format!("{} = {other:?}: True or False was expected", keys[0])),
        }
    }

    fn floats<const N: usize>(&self, keys: &[&str]) -> Result<Option<[f64; N]>, String> {
        let Some(text) = self.get(keys) else { return Ok(None) };
        text.split_whitespace()
            .map(|v| v.parse().ok())
            .collect::<Option<Vec<f64>>>()
            .and_then(|v| v.try_into().ok())
            .map(Some)
            .ok_or_else(|| format!("{} = {text:?}: {N} numbers were expected", keys[0]))
    }
}

/// Reads a file; reasons of refusal in words.
pub fn read(path: &Path) -> Result<Image, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    from_reader(BufReader::new(file), size)
}

fn from_reader(mut source: impl BufRead, size: u64) -> Result<Image, String> {
    let header = Header::read(&mut source)?;
    let rank = header.require("NDims")?;
    if rank != "3" {
        return Err(format!("{rank} dimensions: one three-dimensional image was expected"));
    }
    let size_xyz = header.require("DimSize")?;
    let size_xyz: [usize; 3] = size_xyz
        .split_whitespace()
        .map(|v| v.parse().ok())
        .collect::<Option<Vec<usize>>>()
        .and_then(|v| v.try_into().ok())
        .ok_or_else(|| format!("DimSize = {size_xyz:?}: three whole numbers were expected"))?;
    let count = voxels(size_xyz)?;
    if header.require("ElementDataFile")? != "LOCAL" {
        return Err("its data lie in another file: convert it to one .mha file".into());
    }
    if header.get(&["BinaryData"]).is_some() && !header.is_true(&["BinaryData"])? {
        return Err("its voxels are written as text: binary data was expected".into());
    }
    if let Some(channels) = header.get(&["ElementNumberOfChannels"])
        && channels != "1"
    {
        return Err(format!("{channels} values a voxel: one was expected"));
    }
    if let Some(skip) = header.get(&["HeaderSize"])
        && skip != "0"
    {
        return Err(format!("HeaderSize = {skip}: not supported"));
    }
    let big = header.is_true(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])?;
    let element = header.require("ElementType")?;
    let (width, decode) = decoder(element)
        .ok_or_else(|| format!("ElementType = {element}: a whole or real number was expected"))?;
    let wanted = count * width;
    let raw = if header.is_true(&["CompressedData"])? {
        bounded::exactly(ZlibDecoder::new(source), wanted)?
    } else {
        if size < wanted as u64 {
            return Err(format!("truncated: {size} bytes, its header promises {wanted} of image data"));
        }
        bounded::exactly(source, wanted)?
    };
    let [x, y, z] = size_xyz;
    let data = decode(&raw, big).into_iter().map(|v| v as f32).collect();
    Ok(Image { volume: Volume { shape: [z, y, x], data }, geometry: geometry(&header)? })
}

/// From bytes (and whether the most significant comes first) to values.
type Decode = fn(&[u8], bool) -> Vec<f64>;

/// Bytes of an element and how to read a run of them.
fn decoder(element: &str) -> Option<(usize, Decode)> {
    Some(match element {
        "MET_UCHAR" => (1, |raw, big| numbers(raw, big, |b: [u8; 1]| f64::from(b[0]))),
        "MET_CHAR" => (1, |raw, big| numbers(raw, big, |b| f64::from(i8::from_le_bytes(b)))),
        "MET_USHORT" => (2, |raw, big| numbers(raw, big, |b| f64::from(u16::from_le_bytes(b)))),
        "MET_SHORT" => (2, |raw, big| numbers(raw, big, |b| f64::from(i16::from_le_bytes(b)))),
        // In MetaImage a long has four bytes on every machine.
        "MET_UINT" | "MET_ULONG" => (4, |raw, big| numbers(raw, big, |b| f64::from(u32::from_le_bytes(b)))),
        "MET_INT" | "MET_LONG" => (4, |raw, big| numbers(raw, big, |b| f64::from(i32::from_le_bytes(b)))),
        "MET_ULONG_LONG" => (8, |raw, big| numbers(raw, big, |b| u64::from_le_bytes(b) as f64)),
        "MET_LONG_LONG" => (8, |raw, big| numbers(raw, big, |b| i64::from_le_bytes(b) as f64)),
        "MET_FLOAT" => (4, |raw, big| numbers(raw, big, |b| f64::from(f32::from_le_bytes(b)))),
        "MET_DOUBLE" => (8, |raw, big| numbers(raw, big, f64::from_le_bytes)),
        _ => return None,
    })
}

/// The header lists the direction of the x axis first, then y, then z; world is LPS.
fn geometry(header: &Header) -> Result<Geometry, String> {
    let axes = header
        .floats::<9>(&["TransformMatrix", "Rotation", "Orientation"])?
        .unwrap_or([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let origin = header.floats::<3>(&["Offset", "Origin", "Position"])?.unwrap_or_default();
    let spacing = header
        .floats::<3>(&["ElementSpacing", "ElementSize"])?
        .ok_or("its header has no ElementSpacing: the voxel size is unknown")?;
    let direction = std::array::from_fn(|row| std::array::from_fn(|axis| axes[3 * axis + row]));
    Ok(Geometry::new(spacing, origin, direction))
}
