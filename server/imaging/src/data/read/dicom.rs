//! A folder that holds one DICOM series of single-frame images.

mod guard;
mod slice;

use std::path::{Path, PathBuf};

use self::slice::Slice;
use super::voxels;
use crate::data::{DataError, Geometry, Image, Volume};

/// A folder with more files is refused.
const MAX_FILES: usize = 4096;

/// Slice positions may differ from an even step by this part of it.
const STEP_TOLERANCE: f64 = 0.02;

/// Reads all files of a folder as one stack.
///
/// # Errors
/// When a file is no DICOM image, the files belong to several series, or the slices do not form an
/// even stack.
pub fn series(folder: &Path) -> Result<Image, DataError> {
    let refused = |reason: String| DataError::refused(folder, reason);
    let files = files(folder)?;
    if files.is_empty() {
        return Err(refused("no file in it: a series of DICOM files was expected".into()));
    }
    let mut slices: Vec<Slice> = Vec::with_capacity(files.len());
    for path in &files {
        let slice = slice::read(path).map_err(|reason| DataError::refused(path, reason))?;
        if let Some(first) = slices.first() {
            if let Some(difference) = slice.differs(first) {
                return Err(DataError::refused(path, format!("{difference} than in {}", name(&files[0]))));
            }
        } else {
            // The whole stack is bounded before the second slice is kept.
            voxels([slice.columns, slice.rows, files.len()]).map_err(refused)?;
        }
        slices.push(slice);
    }
    stack(slices).map_err(refused)
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The files of a folder, hidden ones left out, sorted by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        if name(&path).starts_with('.') || !path.is_file() {
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

/// Sorts slices along their normal and joins them.
fn stack(mut slices: Vec<Slice>) -> Result<Image, String> {
    let first = slices.first().ok_or("no slice")?;
    let (row, column) = (first.row_direction, first.column_direction);
    let normal = [
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    ];
    let along = |p: [f64; 3]| p[0] * normal[0] + p[1] * normal[1] + p[2] * normal[2];
    if slices.len() < 2 {
        return Err("one slice: a volume of at least two was expected".into());
    }
    slices.sort_by(|a, b| along(a.position).total_cmp(&along(b.position)));
    let places: Vec<f64> = slices.iter().map(|s| along(s.position)).collect();
    let mut steps: Vec<f64> = places.windows(2).map(|w| w[1] - w[0]).collect();
    if let Some(i) = steps.iter().position(|s| *s < 1e-3) {
        return Err(format!("two slices at the same place ({:.3} mm along the normal)", places[i]));
    }
    let in_order = steps.clone();
    steps.sort_by(f64::total_cmp);
    let usual = steps[steps.len() / 2];
    if let Some(i) = in_order.iter().position(|s| (s - usual).abs() > STEP_TOLERANCE * usual) {
        return Err(format!(
            "slices {} and {} lie {:.3} mm apart where the others lie {usual:.3} mm apart: a slice is missing or doubled",
            i + 1,
            i + 2,
            in_order[i]
        ));
    }
    let n = slices.len();
    let start = slices[0].position;
    let end = slices[n - 1].position;
    let step: [f64; 3] = std::array::from_fn(|a| (end[a] - start[a]) / (n as f64 - 1.0));
    let length = (step[0] * step[0] + step[1] * step[1] + step[2] * step[2]).sqrt();
    if along(step) < 0.999 * length {
        return Err(
            "the slices are shifted against one another: a stack along its normal was expected".into()
        );
    }
    let (width, height) = (slices[0].columns, slices[0].rows);
    let [between_rows, between_columns] = slices[0].spacing;
    let world_from_voxel =
        std::array::from_fn(|a| [row[a] * between_columns, column[a] * between_rows, step[a], start[a]]);
    let mut data = Vec::with_capacity(n * width * height);
    for slice in slices {
        data.extend(slice.pixels);
    }
    Ok(Image { volume: Volume { shape: [n, height, width], data }, geometry: Geometry { world_from_voxel } })
}
