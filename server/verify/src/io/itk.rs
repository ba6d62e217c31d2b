//! Geometry and types in ITK's words.

use transferscope_imaging::data::{Geometry, read::element::Element};

/// Spacing (x, y, z).
pub fn spacing(geometry: &Geometry) -> [f64; 3] {
    let [z, y, x] = geometry.spacing_mm();
    [x, y, z]
}

/// The direction matrix row by row: its columns are the axes.
pub fn direction(geometry: &Geometry) -> [[f64; 3]; 3] {
    let spacing = spacing(geometry);
    geometry.world_from_voxel.map(|row| std::array::from_fn(|axis| row[axis] / spacing[axis]))
}

/// The name of a type of voxels.
pub fn pixel_type(element: Element) -> &'static str {
    match element {
        Element::U8 => "8-bit unsigned integer",
        Element::I8 => "8-bit signed integer",
        Element::U16 => "16-bit unsigned integer",
        Element::I16 => "16-bit signed integer",
        Element::U32 => "32-bit unsigned integer",
        Element::I32 => "32-bit signed integer",
        Element::U64 => "64-bit unsigned integer",
        Element::I64 => "64-bit signed integer",
        Element::F32 => "32-bit float",
        Element::F64 => "64-bit float",
    }
}
