//! Reading an image file or a folder of DICOM files into an [`Image`].
//!
//! No header is believed: sizes are checked against a cap and against the bytes that are really there
//! before memory is taken for them. What cannot be trusted is refused with the file and the reason.

mod bounded;
mod dicom;
pub(crate) mod element;
pub(crate) mod metaimage;
pub(crate) mod nifti;

use std::path::Path;

use super::{DataError, Image};

/// Images with more voxels are refused.
pub const MAX_VOXELS: usize = 512 * 512 * 512;

/// Endings of the file formats, longest first.
pub const ENDINGS: [&str; 4] = [".nii.gz", ".nii", ".mha", ".mhd"];

/// Reads one image that can be trained on: a `.nii`, `.nii.gz`, `.mha` or `.mhd` file, or a folder with
/// DICOM files of one volume.
///
/// # Errors
/// When the file cannot be read or cannot be trusted: truncated, of more than one volume, not finite,
/// without a usable geometry, or not an image.
pub fn image(path: &Path) -> Result<Image, DataError> {
    let refused = |reason: String| DataError::refused(path, reason);
    let (sizes, mut images) = read(path)?;
    let image = match (images.pop(), images.len()) {
        (Some(image), 0) => image,
        (_, others) => {
            return Err(refused(format!(
                "4 dimensions ({sizes}): {} volumes where one was expected; keep only the volume that is meant, for example with `fslroi` or nibabel's `four_to_three`",
                others + 1
            )));
        }
    };
    if let Some(at) = image.volume.data.iter().position(|v| !v.is_finite()) {
        let [_, height, width] = image.volume.shape;
        let (d, h, w) = (at / (height * width), at / width % height, at % width);
        let bad = image.volume.data.iter().filter(|v| !v.is_finite()).count();
        return Err(refused(format!(
            "{bad} voxels are not finite numbers, the first at slice {d}, row {h}, column {w}"
        )));
    }
    Ok(image)
}

/// Reads every volume of a file or folder, one for each time point of a four-dimensional file, with
/// values as they are, finite or not.
///
/// # Errors
/// When it cannot be read, or its place in the world makes no sense.
pub fn volumes(path: &Path) -> Result<Vec<Image>, DataError> {
    read(path).map(|(_, images)| images)
}

/// The volumes and, for messages, their sizes.
fn read(path: &Path) -> Result<(String, Vec<Image>), DataError> {
    let refused = |reason: String| DataError::refused(path, reason);
    let metadata = std::fs::metadata(path).map_err(DataError::io(path))?;
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let (sizes, images) = if metadata.is_dir() {
        (String::new(), vec![dicom::series(path)?])
    } else if name.ends_with(".nii") || name.ends_with(".nii.gz") {
        let series = nifti::read(path).map_err(refused)?;
        (series.sizes, series.images)
    } else if name.ends_with(".mha") || name.ends_with(".mhd") {
        (String::new(), vec![metaimage::read(path).map_err(refused)?])
    } else {
        return Err(refused(format!(
            "not an image this program reads: use {} or a folder of DICOM files",
            ENDINGS.join(", ")
        )));
    };
    match images.iter().find_map(|image| image.geometry.problem()) {
        Some(problem) => Err(refused(problem)),
        None => Ok((sizes, images)),
    }
}

/// Checks sizes (x, y, z) from a header; gives the number of voxels.
fn voxels(size_xyz: [usize; 3]) -> Result<usize, String> {
    let [x, y, z] = size_xyz;
    let product = x.checked_mul(y).and_then(|n| n.checked_mul(z)).unwrap_or(usize::MAX);
    if product == 0 {
        return Err(format!("an image of {x}x{y}x{z} voxels"));
    }
    if product > MAX_VOXELS {
        return Err(format!("{x}x{y}x{z} voxels: at most {MAX_VOXELS} are read"));
    }
    Ok(product)
}

#[cfg(test)]
mod tests;
