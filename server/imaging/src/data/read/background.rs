//! Voxels that are no number.

use super::Kind;
use crate::data::Volume;

/// Takes voxels of intensities that are not finite for background, and says so: tools mark with NaN what lies
/// outside the field of view or outside a mask. Background is 0, as everywhere here, or the lowest value of an
/// image that goes below 0.
///
/// # Errors
/// In words: labels that are not finite, or intensities of which more than half are not.
pub fn fill(volume: &mut Volume, kind: Kind) -> Result<Option<String>, String> {
    let Some(first) = volume.data.iter().position(|v| !v.is_finite()) else { return Ok(None) };
    let [_, height, width] = volume.shape;
    let (d, h, w) = (first / (height * width), first / width % height, first % width);
    let bad = volume.data.iter().filter(|v| !v.is_finite()).count();
    let all = volume.len();
    let percent = 100.0 * bad as f64 / all as f64;
    let what =
        format!("{bad} of {all} voxels are not finite numbers, the first at slice {d}, row {h}, column {w}");
    if kind == Kind::Labels {
        return Err(format!(
            "{what}: a mask must hold a whole number in every voxel; set what is background to 0"
        ));
    }
    if bad * 2 > all {
        return Err(format!(
            "{what}: {percent:.0} % of it, and at most half of an image can be taken as background; set what is background to 0"
        ));
    }
    let lowest = volume.data.iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::min);
    volume.data.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = lowest);
    Ok(Some(format!(
        "{bad} of {all} voxels ({percent:.1} %) are not finite numbers and were taken as background ({lowest})"
    )))
}
