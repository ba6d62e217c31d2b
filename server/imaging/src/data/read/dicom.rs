//! A folder of DICOM files that hold one volume: a file a slice, or a file with all of them.
//!
//! Names say nothing: files are told apart by their series and slices are ordered by their position.
//! Headers are read first, the series that can be the volume is chosen, and only its pixels are decoded.
//! What is no slice of it is passed over and named. The files of a series may also be listed, wherever they lie, and
//! masks may come as segmentation objects ([`segments`]); which series a file is of is told by [`skim`](skim::skim).

mod bare;
mod codec;
mod collect;
mod copies;
mod guard;
mod header;
mod place;
pub mod segments;
pub mod skim;
mod stack;
mod syntax;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use self::{collect::Collected, header::Header, stack::Stack};
use super::{Examined, bounded, voxels};
use crate::data::{DataError, Image, Volume};

/// Reads the one volume of a folder and of the folders in it.
///
/// # Errors
/// When a file of the volume's series cannot be a slice, several series could be the volume or none can, or
/// pixels cannot be decoded.
pub fn series(folder: &Path) -> Result<Examined, DataError> {
    volume(folder, collect::collect(folder)?)
}

/// Reads the one volume of these files, which lie in the folder or in the folders in it.
///
/// # Errors
/// As [`series`].
pub fn files(folder: &Path, files: Vec<PathBuf>) -> Result<Examined, DataError> {
    volume(folder, collect::of(folder, files)?)
}

/// The one volume of what was collected.
fn volume(folder: &Path, collected: Collected) -> Result<Examined, DataError> {
    let Collected { headers, mut refusals, passed_over, copies } = collected;
    if headers.is_empty() {
        return Err(match refusals.into_iter().next() {
            Some((path, refusal)) => DataError::refused(path, refusal.reason),
            None if passed_over.is_empty() => {
                DataError::refused(folder, "no file in it: a series of DICOM files was expected")
            }
            None => {
                let what = list(&passed_over);
                DataError::refused(folder, format!("no DICOM image in it, only {what}"))
            }
        });
    }
    // A file whose header cannot be read may be a slice of any series.
    if let Some(at) = refusals.iter().position(|(_, refusal)| refusal.series.is_none()) {
        let (path, refusal) = refusals.swap_remove(at);
        return Err(DataError::refused(path, refusal.reason));
    }
    let mut series: BTreeMap<String, Vec<Header>> = BTreeMap::new();
    for header in headers {
        series.entry(header.series.uid.clone()).or_default().push(header);
    }
    let chosen = chosen(folder, series)?;
    let uid = Some(&chosen.headers[0].series.uid);
    if let Some(at) = refusals.iter().position(|(_, refusal)| refusal.series.as_ref() == uid) {
        let (path, refusal) = refusals.swap_remove(at);
        return Err(DataError::refused(path, refusal.reason));
    }
    let image = decoded(folder, &chosen.headers, &chosen.stack)?;
    let unlike: Vec<String> = refusals
        .iter()
        .map(|(path, refusal)| {
            format!("{} ({})", path.file_name().unwrap_or_default().display(), refusal.reason)
        })
        .collect();
    let notes = [
        ("copies of slices were left out", [copies, chosen.copies].concat()),
        ("files that are not images were ignored", passed_over),
        ("images that are not slices of the volume were left out", chosen.stack.left_out),
        ("images of other series that are not slices were ignored", unlike),
        ("other series in the folder were ignored", chosen.others),
    ];
    let notes = notes.into_iter().filter(|(_, names)| !names.is_empty());
    let patients: BTreeSet<&str> = chosen.headers.iter().map(|h| h.patient.as_str()).collect();
    Ok(Examined {
        image,
        notes: notes.map(|(what, names)| format!("{what}: {}", list(&names))).collect(),
        patients: patients.into_iter().filter(|id| !id.is_empty()).map(str::to_owned).collect(),
    })
}

/// The volume of a stack.
fn decoded(folder: &Path, headers: &[Header], stack: &Stack) -> Result<Image, DataError> {
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
        let pixels = header::pixels(&collect::bytes(&header.path)?).map_err(refused)?;
        for (frame, slot) in frames {
            let part = &mut data[slot * width * height..(slot + 1) * width * height];
            let rescale = header.frames[frame].rescale;
            codec::frame(&pixels, header, frame, rescale, part).map_err(refused)?;
        }
    }
    let shape = [stack.order.len(), height, width];
    Ok(Image { volume: Volume { shape, data }, geometry: stack.geometry })
}

/// The series that is the volume.
struct Chosen {
    headers: Vec<Header>,
    stack: Stack,
    copies: Vec<String>,
    /// The others in words.
    others: Vec<String>,
}

/// The one series that can be the volume, of all in the folder.
fn chosen(folder: &Path, series: BTreeMap<String, Vec<Header>>) -> Result<Chosen, DataError> {
    let mut stacked = Vec::new();
    for headers in series.into_values() {
        let (headers, copies) = copies::leave_out(headers)?;
        let stack = stack::of(&headers);
        stacked.push((headers, stack, copies));
    }
    stacked.sort_by_key(|(headers, ..)| headers[0].series.number);
    let usable = stacked.iter().filter(|(_, stack, _)| stack.is_ok()).count();
    if stacked.len() > 1 && usable != 1 {
        let descriptions: Vec<String> =
            stacked.iter().map(|(headers, stack, _)| describe(headers, stack.as_ref().err())).collect();
        let reason = format!(
            "{} series, of which {}: {}; put only the files of the one that is meant into this folder",
            stacked.len(),
            if usable == 0 {
                "none can be the volume".to_owned()
            } else {
                format!("{usable} can be the volume")
            },
            list(&descriptions)
        );
        return Err(DataError::refused(folder, reason));
    }
    let (mut found, mut others) = (None, Vec::new());
    for (headers, stack, copies) in stacked {
        match stack {
            Ok(stack) => found = Some((headers, stack, copies)),
            Err(why) => others.push((describe(&headers, Some(&why)), why)),
        }
    }
    match (found, others) {
        (Some((headers, stack, copies)), others) => Ok(Chosen {
            headers,
            stack,
            copies,
            others: others.into_iter().map(|(words, _)| words).collect(),
        }),
        (None, others) => {
            let why = others.into_iter().next().map_or("no image in it".to_owned(), |(_, why)| why);
            Err(DataError::refused(folder, why))
        }
    }
}

/// A series in words: number, description, size, number of images, and why it is no volume.
fn describe(headers: &[Header], why: Option<&String>) -> String {
    const SHOWN: usize = 60;
    let first = &headers[0];
    let number = first.series.number.map_or("?".into(), |n| n.to_string());
    let description: String = first.series.description.chars().take(SHOWN).collect();
    let images: usize = headers.iter().map(|h| h.frames.len()).sum();
    let why = why.map(|why| format!(" (no volume: {why})")).unwrap_or_default();
    format!(
        "series {number} {description:?}, {images} images of {} rows and {} columns{why}",
        first.layout.rows, first.layout.columns
    )
}

/// The first few names, and how many more there are.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    match names.len().checked_sub(SHOWN + 1) {
        Some(more) => format!("{shown} and {} more", more + 1),
        None => shown,
    }
}
