//! A folder of DICOM files that hold one volume: a file a slice, or a file with all of them.
//!
//! Names say nothing: files are told apart by their series and slices are ordered by their position.
//! Headers are read first, the series that can be the volume is chosen, and only its pixels are decoded.

mod codec;
mod guard;
mod header;
mod place;
mod stack;
mod syntax;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use self::{header::Header, stack::Stack};
use super::{bounded, voxels};
use crate::data::{DataError, Image, Volume};

/// A folder with more files is refused.
const MAX_FILES: usize = 4096;

/// A file with more bytes is refused.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// Reads the one volume of a folder.
///
/// # Errors
/// When a file is no DICOM image, several series could be the volume or none can, or pixels cannot be
/// decoded.
pub fn series(folder: &Path) -> Result<Image, DataError> {
    let files = files(folder)?;
    if files.is_empty() {
        let reason = "no file in it: a series of DICOM files was expected";
        return Err(DataError::refused(folder, reason));
    }
    let mut series: BTreeMap<String, Vec<Header>> = BTreeMap::new();
    for path in files {
        let refused = |reason: String| DataError::refused(&path, reason);
        let header = header::read(&bytes(&path)?, &path).map_err(refused)?;
        series.entry(header.series.uid.clone()).or_default().push(header);
    }
    let (headers, stack) = chosen(folder, series)?;
    let [height, width] = stack.sides;
    let mut data =
        vec![0.0; voxels([width, height, stack.order.len()]).map_err(|e| DataError::refused(folder, e))?];
    // Where each frame of each file goes.
    let mut slots: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (slot, frame) in stack.order.iter().enumerate() {
        slots.entry(frame.file).or_default().push((frame.frame, slot));
    }
    for (file, frames) in slots {
        let header = &headers[file];
        let refused = |reason: String| DataError::refused(&header.path, reason);
        let pixels = header::pixels(&bytes(&header.path)?).map_err(refused)?;
        for (frame, slot) in frames {
            let part = &mut data[slot * width * height..(slot + 1) * width * height];
            let rescale = header.frames[frame].rescale;
            codec::frame(&pixels, header, frame, rescale, part).map_err(refused)?;
        }
    }
    let shape = [stack.order.len(), height, width];
    Ok(Image { volume: Volume { shape, data }, geometry: stack.geometry })
}

/// The series that can be the volume, of all in the folder.
fn chosen(folder: &Path, series: BTreeMap<String, Vec<Header>>) -> Result<(Vec<Header>, Stack), DataError> {
    let several = series.len() > 1;
    let mut stacked: Vec<(Vec<Header>, Result<Stack, String>)> = series
        .into_values()
        .map(|mut headers| {
            headers.sort_by(|a, b| a.path.cmp(&b.path));
            let stack = stack::of(&headers);
            (headers, stack)
        })
        .collect();
    let usable = stacked.iter().filter(|(_, stack)| stack.is_ok()).count();
    if several && usable != 1 {
        stacked.sort_by_key(|(headers, _)| headers[0].series.number);
        let list: Vec<String> = stacked.iter().map(|(headers, stack)| describe(headers, stack)).collect();
        let reason = format!(
            "{} series, of which {}: {}; put only the files of the one that is meant into this folder",
            stacked.len(),
            if usable == 0 {
                "none can be the volume".to_owned()
            } else {
                format!("{usable} can be the volume")
            },
            list.join("; ")
        );
        return Err(DataError::refused(folder, reason));
    }
    let mut reason = String::new();
    for (headers, stack) in stacked {
        match stack {
            Ok(stack) => return Ok((headers, stack)),
            Err(why) => reason = why,
        }
    }
    Err(DataError::refused(folder, reason))
}

/// A series in words: number, description, size, number of images, and why it is no volume.
fn describe(headers: &[Header], stack: &Result<Stack, String>) -> String {
    const SHOWN: usize = 60;
    let first = &headers[0];
    let number = first.series.number.map_or("?".into(), |n| n.to_string());
    let description: String = first.series.description.chars().take(SHOWN).collect();
    let images: usize = headers.iter().map(|h| h.frames.len()).sum();
    let why = stack.as_ref().err().map(|why| format!(" (no volume: {why})")).unwrap_or_default();
    format!(
        "series {number} {description:?}, {images} images of {} rows and {} columns{why}",
        first.layout.rows, first.layout.columns
    )
}

/// A whole file, no larger than one may be.
fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = std::fs::File::open(path).map_err(DataError::io(path))?;
    let size = file.metadata().map_err(DataError::io(path))?.len();
    if size > MAX_FILE_BYTES {
        return Err(DataError::refused(path, format!("{size} bytes: at most {MAX_FILE_BYTES} are read")));
    }
    bounded::exactly(file, size as usize).map_err(|reason| DataError::refused(path, reason))
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The files of a folder, sorted by name; hidden ones and the index of a DICOM medium are left out.
fn files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        let name = name(&path);
        if name.starts_with('.') || name == "DICOMDIR" || !path.is_file() {
            continue;
        }
        if found.len() == MAX_FILES {
            return Err(DataError::refused(folder, format!("more than {MAX_FILES} files")));
        }
        found.push(path);
    }
    found.sort();
    Ok(found)
}
