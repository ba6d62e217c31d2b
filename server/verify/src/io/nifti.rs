//! What nibabel and ITK say about a NIfTI file. We follow nibabel; where ITK does otherwise its rule is
//! applied to our values first.

use std::path::Path;

use serde_json::{Map, Value};
use transferscope_imaging::data::{
    Geometry,
    read::{element::Element, nifti},
};

use super::{
    itk,
    subject::{EXPECTED, GEOMETRY, NOTES, Subject},
};
use crate::{Cases, Problem, Tolerance};

/// Compares every key.
pub fn compare(subject: &Subject, path: &Path, cases: &mut Cases) -> Result<(), Problem> {
    let header = nifti::header(path).map_err(Problem::new)?;
    let element = header.element().map_err(Problem::new)?;
    for (key, theirs) in subject.about {
        let one = |value: f64| [value];
        match key.as_str() {
            "shape_xyz" => {
                let sizes: Vec<f64> = header.dimensions().iter().map(|n| *n as f64).collect();
                subject.compare(cases, key, &sizes, theirs, Tolerance::EXACT)?;
            }
            "dtype_on_disk" => subject.word(cases, key, &numpy_type(element, header.big_endian), theirs),
            "scl_slope_on_disk" => subject.compare(cases, key, &one(header.scl_slope), theirs, GEOMETRY)?,
            "scl_inter_on_disk" => subject.compare(cases, key, &one(header.scl_inter), theirs, GEOMETRY)?,
            "vox_offset_on_disk" => {
                subject.compare(cases, key, &one(header.vox_offset), theirs, Tolerance::EXACT)?;
            }
            "qform_code" => {
                subject.compare(cases, key, &one(header.qform_code.into()), theirs, Tolerance::EXACT)?;
            }
            "sform_code" => {
                subject.compare(cases, key, &one(header.sform_code.into()), theirs, Tolerance::EXACT)?;
            }
            "pixdim" => subject.compare(cases, key, &header.pixdim, theirs, GEOMETRY)?,
            "nibabel_affine_ras" => {
                subject.compare(
                    cases,
                    key,
                    affine_ras(subject.geometry()).as_flattened(),
                    theirs,
                    GEOMETRY,
                )?;
            }
            "nibabel_zooms" => {
                let zooms = &header.pixdim[1..=header.dimensions().len().min(7)];
                subject.compare(cases, key, zooms, theirs, GEOMETRY)?;
            }
            "endianness" => subject.word(cases, key, if header.big_endian { ">" } else { "<" }, theirs),
            "min" | "max" | "sum" => subject.statistic(cases, key, theirs)?,
            "itk" => {
                let about = theirs.as_object().ok_or_else(|| Problem::new("itk says nothing"))?;
                compare_itk(subject, about, &header, element, cases)?;
            }
            key if NOTES.contains(&key) => {}
            key => unknown(subject, key, cases),
        }
    }
    Ok(())
}

fn unknown(subject: &Subject, key: &str, cases: &mut Cases) {
    cases.equal(EXPECTED, &format!("{}.{key}", subject.name), Some("no check looks at this key".into()));
}

/// numpy's word for a type: a code with the byte order where that is not this machine's usual one.
fn numpy_type(element: Element, big_endian: bool) -> String {
    let name = match element {
        Element::U8 => "uint8",
        Element::I8 => "int8",
        Element::U16 => "uint16",
        Element::I16 => "int16",
        Element::U32 => "uint32",
        Element::I32 => "int32",
        Element::U64 => "uint64",
        Element::I64 => "int64",
        Element::F32 => "float32",
        Element::F64 => "float64",
    };
    let width = element.width();
    if big_endian && width > 1 { format!(">{}{width}", &name[..1]) } else { name.to_owned() }
}

/// The affine of nibabel: RAS, four rows.
fn affine_ras(geometry: &Geometry) -> [[f64; 4]; 4] {
    let [x, y, z] = geometry.world_from_voxel;
    [x.map(|v| -v), y.map(|v| -v), z, [0.0, 0.0, 0.0, 1.0]]
}

/// Compares what ITK says. It adds the intercept also where the slope is 0, sets what is not finite to 0,
/// and puts a grid without orientation at the origin along the world's axes.
fn compare_itk(
    subject: &Subject,
    about: &Map<String, Value>,
    header: &nifti::Header,
    element: Element,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let added = if header.scl_slope == 0.0 { header.scl_inter } else { 0.0 };
    let values: Vec<f64> =
        subject.values().into_iter().map(|v| if v.is_finite() { v + added } else { 0.0 }).collect();
    let scaled = added != 0.0 || header.scaling().map_err(Problem::new)? != (1.0, 0.0);
    let placed = header.qform_code > 0 || header.sform_code > 0;
    let ours = subject.geometry();
    let geometry = if placed {
        *ours
    } else {
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        Geometry::new(itk::spacing(ours), [0.0; 3], axes)
    };
    let times = subject.images.len();
    let four = header.dimensions().len() == 4;
    // The fourth axis is time, which stands on its own.
    let with_time = |mut numbers: Vec<f64>, time: f64| {
        numbers.extend(four.then_some(time));
        numbers
    };
    for (name, theirs) in about {
        let key = format!("itk.{name}");
        let mut compare = |ours: &[f64], tolerance| subject.compare(cases, &key, ours, theirs, tolerance);
        match name.as_str() {
            "size" => compare(&with_time(subject.size_xyz().to_vec(), times as f64), Tolerance::EXACT)?,
            "spacing" => compare(&with_time(itk::spacing(&geometry).to_vec(), header.pixdim[4]), GEOMETRY)?,
            "origin_lps" => compare(&with_time(geometry.origin().to_vec(), 0.0), GEOMETRY)?,
            "direction_lps" => compare(&direction(&geometry, four), GEOMETRY)?,
            "min_max" => {
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let rounding = f64::from(f32::EPSILON) * low.abs().max(high.abs());
                compare(&[low, high], Tolerance::absolute(rounding))?;
            }
            "max_difference_to_nibabel_affine" => {
                let apart = affine_ras(&geometry)
                    .as_flattened()
                    .iter()
                    .zip(affine_ras(ours).as_flattened())
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f64::max);
                compare(&[apart], Tolerance::absolute(GEOMETRY.max_abs))?;
            }
            "pixel_type" => {
                let ours = if scaled { "32-bit float" } else { itk::pixel_type(element) };
                subject.word(cases, &key, ours, theirs);
            }
            "array_equals_nibabel" => {
                let same = values == subject.values();
                let differs =
                    (theirs.as_bool() != Some(same)).then(|| format!("{same} here, {theirs} in the file"));
                cases.equal(EXPECTED, &format!("{}.{key}", subject.name), differs);
            }
            _ => unknown(subject, &key, cases),
        }
    }
    Ok(())
}

/// The direction matrix row by row, with time as an axis of its own where there is one.
fn direction(geometry: &Geometry, four: bool) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = itk::direction(geometry).map(Vec::from).into();
    if four {
        rows.iter_mut().for_each(|row| row.push(0.0));
        rows.push(vec![0.0, 0.0, 0.0, 1.0]);
    }
    rows.concat()
}
