//! Where a NIfTI image lies: which of the header's ways to say so is taken, and what contradicts it.
//!
//! # Source
//! The NIfTI-1 header definition; which form is taken is nibabel's rule (sform before qform, else the voxel
//! sizes round the centre). An sform that cannot be one gives way to the qform, as in ITK.

use super::header::Header;
use crate::data::{Geometry, alignment};

/// Forms whose corners lie further apart than this part of the smallest voxel side contradict each other.
const APART: f64 = 0.25;

/// Voxel sizes that differ by more than this part contradict each other.
const UNLIKE: f64 = 0.01;

/// The grid in LPS and mm, and in words what was decided about it.
///
/// # Errors
/// In words: no form of the header is a place.
pub fn of(header: &Header, size_xyz: [usize; 3]) -> Result<(Geometry, Vec<String>), String> {
    let sform = (header.sform_code > 0).then(|| checked(lps(header, header.srow)));
    let qform = (header.qform_code > 0).then(|| qform(header).and_then(|ras| checked(lps(header, ras))));
    let mut notes = Vec::new();
    let grid = match (sform, qform) {
        (Some(Ok(sform)), qform) => {
            if let Some(Ok(qform)) = qform {
                notes.extend(contradiction(header, &sform, &qform, size_xyz));
            }
            notes.extend(other_voxel_size(header, &sform));
            sform
        }
        (Some(Err(why)), Some(Ok(qform))) => {
            let what = if header.srow.iter().flatten().all(|v| *v == 0.0) {
                "its sform is empty".to_owned()
            } else {
                format!("its sform cannot be used ({why})")
            };
            notes.push(format!("{what}: it was placed by its qform"));
            qform
        }
        (Some(Err(why)), Some(Err(also))) => {
            return Err(format!("neither its sform ({why}) nor its qform ({also}) can be used"));
        }
        (Some(Err(why)), None) => {
            return Err(format!("its sform cannot be used ({why}), and it has no qform"));
        }
        (None, Some(qform)) => qform?,
        (None, None) => {
            notes.push(
                "it has neither sform nor qform: it was centred at the world's origin, with columns running to the left"
                    .to_owned(),
            );
            checked(lps(header, centred(voxel_sizes(header)?, size_xyz)))?
        }
    };
    Ok((grid, notes))
}

fn checked(grid: Geometry) -> Result<Geometry, String> {
    grid.problem().map_or(Ok(grid), Err)
}

/// Rows in RAS and the header's unit as a grid in LPS and mm.
fn lps(header: &Header, [x, y, z]: [[f64; 4]; 3]) -> Geometry {
    let mm = unit_mm(header);
    Geometry { world_from_voxel: [x.map(|v| -v * mm), y.map(|v| -v * mm), z.map(|v| v * mm)] }
}

/// mm in the header's unit of length; unknown units are taken for millimetres.
fn unit_mm(header: &Header) -> f64 {
    match header.xyzt_units & 7 {
        1 => 1e3,
        3 => 1e-3,
        _ => 1.0,
    }
}

fn contradiction(
    header: &Header,
    sform: &Geometry,
    qform: &Geometry,
    size_xyz: [usize; 3],
) -> Option<String> {
    let [x, y, z] = size_xyz;
    let apart = alignment::corners_apart_mm(sform, qform, [z, y, x]);
    let smallest = sform.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
    (apart > APART * smallest).then(|| {
        format!(
            "its sform and qform contradict each other (corners up to {apart:.1} mm apart): the sform (code {}) was taken and not the qform (code {}), as nibabel does",
            header.sform_code, header.qform_code
        )
    })
}

fn other_voxel_size(header: &Header, sform: &Geometry) -> Option<String> {
    let [z, y, x] = sform.spacing_mm();
    let ours = [x, y, z];
    let mm = unit_mm(header);
    let told: [f64; 3] = std::array::from_fn(|a| header.pixdim[a + 1].abs() * mm);
    // What was left empty says nothing.
    let says = |mm: f64| mm.is_finite() && mm > 0.0;
    let unlike = ours.iter().zip(told).any(|(ours, told)| says(told) && (ours - told).abs() > UNLIKE * ours);
    let words = |sides: [f64; 3]| {
        sides
            .map(|mm| format!("{:.4}", mm).trim_end_matches('0').trim_end_matches('.').to_owned())
            .join(" x ")
    };
    unlike.then(|| {
        format!(
            "its pixdim says voxels of {} mm and its affine {} mm (x, y, z): the affine was taken",
            words(told),
            words(ours)
        )
    })
}

fn voxel_sizes(header: &Header) -> Result<[f64; 3], String> {
    let [_, x, y, z, ..] = header.pixdim;
    match [x, y, z].into_iter().find(|step| *step <= 0.0 || !step.is_finite()) {
        Some(bad) => Err(format!("a voxel size of {bad} mm: a positive one was expected")),
        None => Ok([x, y, z]),
    }
}

/// The affine of the quaternion form, RAS.
fn qform(header: &Header) -> Result<[[f64; 4]; 3], String> {
    let pixdim_xyz = voxel_sizes(header)?;
    let [b, c, d] = header.quatern_bcd;
    let rest = 1.0 - (b * b + c * c + d * d);
    // Values are stored in single precision, so a little below 0 is 0. A NaN fails the comparison.
    if rest.is_nan() || rest < -1e-5 {
        return Err(format!("the orientation quaternion ({b}, {c}, {d}) is longer than 1"));
    }
    let a = rest.max(0.0).sqrt();
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let handed = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let [x, y, z] = pixdim_xyz;
    let step = [x, y, z * handed];
    Ok(std::array::from_fn(|r| {
        std::array::from_fn(|c| if c == 3 { header.qoffset[r] } else { rotation[r][c] * step[c] })
    }))
}

/// A grid round the world's origin, RAS, with the first axis to the left.
fn centred(pixdim_xyz: [f64; 3], size_xyz: [usize; 3]) -> [[f64; 4]; 3] {
    let mut rows = [[0.0; 4]; 3];
    for (axis, row) in rows.iter_mut().enumerate() {
        let step = pixdim_xyz[axis] * if axis == 0 { -1.0 } else { 1.0 };
        row[axis] = step;
        row[3] = -0.5 * (size_xyz[axis] as f64 - 1.0) * step;
    }
    rows
}
