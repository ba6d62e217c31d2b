//! NIfTI-1 and NIfTI-2 in one file, plain or gzip-compressed.

mod header;

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

pub use self::header::Header;
use super::{bounded, voxels};
use crate::data::{Geometry, Image, Volume};

/// Header extensions may take this much; image data that starts later is refused.
const MAX_OFFSET: u64 = 16 * 1024 * 1024;

/// A file's volumes: one, or one for each time point.
#[derive(Debug)]
pub struct Series {
    /// `7x6x3x2`: the sizes as the header has them.
    pub sizes: String,
    pub images: Vec<Image>,
}

/// Reads a file; reasons of refusal in words.
pub fn read(path: &Path) -> Result<Series, String> {
    let (source, size) = open(path)?;
    from_reader(source, size)
}

/// Reads a file's header alone.
pub fn header(path: &Path) -> Result<Header, String> {
    Header::read(&mut open(path)?.0)
}

/// A file's bytes, unpacked where it is compressed, and their number where that is known.
fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    let mut source = BufReader::new(file);
    let start = source.fill_buf().map_err(|e| e.to_string())?;
    if start.is_empty() {
        return Err("not a NIfTI file: it is empty".into());
    }
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok((Box::new(BufReader::new(MultiGzDecoder::new(source))), None))
    } else {
        Ok((Box::new(source), Some(size)))
    }
}

/// Reads a header and the voxels it promises; `size` is the number of bytes at hand where known.
fn from_reader(mut source: impl Read, size: Option<u64>) -> Result<Series, String> {
    let header = Header::read(&mut source)?;
    let (shape_xyz, times) = header.volumes()?;
    let each = voxels(shape_xyz)?;
    let [x, y, z] = shape_xyz;
    let count =
        voxels([each, times, 1]).map_err(|_| format!("{times} volumes of {each} voxels: too many"))?;
    let element = header.element()?;
    let wanted = count * element.width();

    let from = header.bytes() as u64;
    let offset = if header.vox_offset == 0.0 { header.first_offset() } else { header.vox_offset };
    if !(from as f64..=MAX_OFFSET as f64).contains(&offset) {
        return Err(format!("image data at byte {offset}: {from} to {MAX_OFFSET} was expected"));
    }
    let offset = offset as u64;
    if let Some(size) = size
        && size < offset + wanted as u64
    {
        let promised = offset + wanted as u64;
        return Err(format!(
            "truncated: {size} bytes, its header promises {promised} ({} voxels)",
            header.sizes()
        ));
    }
    bounded::skip(&mut source, offset - from)?;
    let raw = bounded::exactly(&mut source, wanted)?;
    let (slope, intercept) = header.scaling()?;
    let geometry = Geometry { world_from_voxel: header.world_from_voxel(shape_xyz)? };
    let images = raw
        .chunks_exact(each * element.width())
        .map(|part| {
            let data = element.decode(part, header.big_endian, slope, intercept);
            Image { volume: Volume { shape: [z, y, x], data }, geometry }
        })
        .collect();
    Ok(Series { sizes: header.sizes(), images })
}
