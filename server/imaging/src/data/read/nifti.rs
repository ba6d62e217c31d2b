//! NIfTI-1 and NIfTI-2: header and voxels in one file, plain or gzip-compressed, or in two that lie side by
//! side (`.hdr` and `.img` or `.img.gz`).

mod header;
mod place;

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

pub use self::header::Header;
use super::{bounded, voxels};
use crate::data::{Image, Volume};

/// Header extensions may take this much; image data that starts later is refused.
const MAX_OFFSET: u64 = 16 * 1024 * 1024;

/// A file's volumes: one, or one for each time point.
#[derive(Debug)]
pub struct Series {
    /// `7x6x3x2`: the sizes as the header has them.
    pub sizes: String,
    pub images: Vec<Image>,
    /// What the header contradicts itself in, and what was decided.
    pub notes: Vec<String>,
}

/// Reads a file, and where it is the header of a pair the one beside it; reasons of refusal in words.
pub fn read(path: &Path) -> Result<Series, String> {
    let (mut source, size) = open(path)?;
    let header = Header::read(&mut source)?;
    let alone = path.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("hdr"));
    match (alone, header.pair) {
        (true, false) => voxels_of(&header, source, size, header.bytes() as u64),
        (true, true) => Err(
            "the header of a NIfTI pair (.hdr/.img): name it .hdr, with its .img beside it, or convert it to one .nii file"
                .into(),
        ),
        (false, false) => {
            Err("not the header of a NIfTI pair: header and voxels are in this one file, name it .nii".into())
        }
        (false, true) => {
            let beside = beside(path)?;
            let name = beside.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let (source, size) = open(&beside).map_err(|why| format!("its data file {name}: {why}"))?;
            voxels_of(&header, source, size, 0).map_err(|why| format!("its data file {name}: {why}"))
        }
    }
}

/// Reads a file's header alone.
pub fn header(path: &Path) -> Result<Header, String> {
    Header::read(&mut open(path)?.0)
}

/// The file with a pair's voxels, beside the header.
fn beside(path: &Path) -> Result<PathBuf, String> {
    let mut names = ["img", "img.gz", "IMG", "IMG.GZ"].into_iter().map(|ending| path.with_extension(ending));
    names.find(|path| path.is_file()).ok_or_else(|| {
        let stem = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        format!("its voxels are not there: {stem}.img or {stem}.img.gz was expected beside it")
    })
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

/// Reads the voxels that a header promises; `source` stands at byte `from` of its file, which has `size`
/// bytes where that is known.
fn voxels_of(header: &Header, mut source: impl Read, size: Option<u64>, from: u64) -> Result<Series, String> {
    let (shape_xyz, times) = header.volumes()?;
    let each = voxels(shape_xyz)?;
    let [x, y, z] = shape_xyz;
    let count =
        voxels([each, times, 1]).map_err(|_| format!("{times} volumes of {each} voxels: too many"))?;
    let element = header.element()?;
    let wanted = count * element.width();

    let first = if header.pair { 0.0 } else { header.first_offset() };
    let offset = if header.vox_offset == 0.0 { first } else { header.vox_offset };
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
    let (geometry, mut notes) = place::of(header, shape_xyz)?;
    notes.extend(header.unused_dimensions());
    let images = raw
        .chunks_exact(each * element.width())
        .map(|part| {
            let data = element.decode(part, header.big_endian, slope, intercept);
            Image { volume: Volume { shape: [z, y, x], data }, geometry }
        })
        .collect();
    Ok(Series { sizes: header.sizes(), images, notes })
}
