//! Writing NIfTI files, for data sets that are made here.

use std::path::Path;

use ndarray::ArrayView3;
use nifti::{NiftiHeader, writer::WriterOptions};

use super::{DataError, Geometry, Volume};

/// How voxels are stored; values are rounded and clamped to the type's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    U8,
    U16,
    F32,
}

/// Writes `volume` as NIfTI-1, compressed when the name ends in `.gz`, with the grid as sform.
///
/// # Errors
/// When the file cannot be written.
pub fn nifti(path: &Path, volume: &Volume, geometry: &Geometry, element: Element) -> Result<(), DataError> {
    let m = &geometry.world_from_voxel;
    let [depth, height, width] = geometry.spacing_mm();
    let row = |i: usize, sign: f64| m[i].map(|v| (sign * v) as f32);
    let header = NiftiHeader {
        pixdim: [1.0, width as f32, height as f32, depth as f32, 1.0, 1.0, 1.0, 1.0],
        // Millimetres.
        xyzt_units: 2,
        qform_code: 0,
        // Scanner coordinates, RAS: x and y change their sign.
        sform_code: 1,
        srow_x: row(0, -1.0),
        srow_y: row(1, -1.0),
        srow_z: row(2, 1.0),
        ..NiftiHeader::default()
    };
    let options = WriterOptions::new(path).reference_header(&header);
    let failed = |e: nifti::NiftiError| DataError::refused(path, format!("cannot be written: {e}"));
    let shaped = |e: ndarray::ShapeError| DataError::refused(path, format!("cannot be written: {e}"));
    match element {
        Element::U8 => {
            let data: Vec<u8> = volume.data.iter().map(|v| v.round() as u8).collect();
            let array = ArrayView3::from_shape(volume.shape, &data).map_err(shaped)?;
            options.write_nifti(&array.reversed_axes()).map_err(failed)
        }
        Element::U16 => {
            let data: Vec<u16> = volume.data.iter().map(|v| v.round() as u16).collect();
            let array = ArrayView3::from_shape(volume.shape, &data).map_err(shaped)?;
            options.write_nifti(&array.reversed_axes()).map_err(failed)
        }
        Element::F32 => {
            let array = ArrayView3::from_shape(volume.shape, &volume.data).map_err(shaped)?;
            options.write_nifti(&array.reversed_axes()).map_err(failed)
        }
    }
}
