//! Reading an image file or a folder of DICOM files into an [`Image`].
//!
//! No header is believed: sizes are checked against a cap and against the bytes that are really there
//! before memory is taken for them. What cannot be trusted is refused with the file and the reason.

mod bounded;
mod dicom;
mod metaimage;
mod nifti;

use std::path::Path;

use super::{DataError, Image};

/// Images with more voxels are refused.
pub const MAX_VOXELS: usize = 512 * 512 * 512;

/// Endings of the single-file formats, longest first.
pub const ENDINGS: [&str; 3] = [".nii.gz", ".nii", ".mha"];

/// Reads a `.nii`, `.nii.gz` or `.mha` file, or a folder that holds one DICOM series.
///
/// # Errors
/// When the file cannot be read or cannot be trusted: truncated, not three-dimensional, not finite,
/// without a usable geometry, or not an image.
pub fn image(path: &Path) -> Result<Image, DataError> {
    let refused = |reason: String| DataError::refused(path, reason);
    let metadata = std::fs::metadata(path).map_err(DataError::io(path))?;
    let image = if metadata.is_dir() {
        dicom::series(path)?
    } else {
        let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            nifti::read(path).map_err(refused)?
        } else if name.ends_with(".mha") {
            metaimage::read(path).map_err(refused)?
        } else {
            return Err(refused(format!(
                "not an image this program reads: use {} or a folder of DICOM files",
                ENDINGS.join(", ")
            )));
        }
    };
    if let Some(problem) = image.geometry.problem() {
        return Err(refused(problem));
    }
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
