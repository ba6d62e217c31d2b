//! NIfTI-1 in one file, plain or gzip-compressed.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use nifti::{Endianness, NiftiHeader, NiftiType};

use super::{
    bounded::{self, numbers},
    voxels,
};
use crate::data::{Geometry, Image, Volume};

const HEADER_BYTES: usize = 348;

/// Header extensions may take this much; image data that starts later is refused.
const MAX_OFFSET: f32 = 16.0 * 1024.0 * 1024.0;

/// Reads a file; reasons of refusal in words.
pub fn read(path: &Path) -> Result<Image, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    let mut source = BufReader::new(file);
    let mut magic = [0u8; 2];
    source.read_exact(&mut magic).map_err(|_| "not a NIfTI file: it is empty".to_owned())?;
    let whole = magic.as_slice().chain(source);
    if magic == [0x1f, 0x8b] {
        from_reader(MultiGzDecoder::new(BufReader::new(whole)), None)
    } else {
        from_reader(whole, Some(size))
    }
}

/// Reads a header and the voxels it promises; `size` is the number of bytes at hand where known.
fn from_reader(mut source: impl Read, size: Option<u64>) -> Result<Image, String> {
    let mut bytes = [0u8; HEADER_BYTES];
    source.read_exact(&mut bytes).map_err(|e| format!("not a NIfTI file: no whole header ({e})"))?;
    let header = NiftiHeader::from_reader(bytes.as_slice())
        .map_err(|e| format!("not a NIfTI-1 file: its header does not hold together ({e})"))?;
    if &header.magic != b"n+1\0" {
        return Err("the header of a NIfTI pair (.hdr/.img): convert it to one .nii file".into());
    }
    let shape_xyz = size_xyz(&header)?;
    let count = voxels(shape_xyz)?;
    let kind = header.data_type().map_err(|_| format!("unknown element type {}", header.datatype))?;
    let width = kind.size_of();

    let offset = if header.vox_offset == 0.0 { 352.0 } else { header.vox_offset };
    if !(HEADER_BYTES as f32..=MAX_OFFSET).contains(&offset) {
        return Err(format!("image data at byte {offset}: 348 to {MAX_OFFSET} was expected"));
    }
    let offset = offset as u64;
    let wanted = count * width;
    if let Some(size) = size
        && size < offset + wanted as u64
    {
        return Err(format!(
            "truncated: {size} bytes, its header promises {} ({}x{}x{} voxels)",
            offset + wanted as u64,
            shape_xyz[0],
            shape_xyz[1],
            shape_xyz[2]
        ));
    }
    bounded::skip(&mut source, offset - HEADER_BYTES as u64)?;
    let raw = bounded::exactly(&mut source, wanted)?;
    let values = values(&raw, kind, matches!(header.endianness, Endianness::Big))?;

    // The standard: a slope of 0 means that the stored values are the values.
    let (slope, intercept) = (f64::from(header.scl_slope), f64::from(header.scl_inter));
    let scaled = slope != 0.0 && slope.is_finite();
    if scaled && !intercept.is_finite() {
        return Err(format!("intercept {intercept} of the stored values"));
    }
    let data =
        values.iter().map(|v| if scaled { (v * slope + intercept) as f32 } else { *v as f32 }).collect();
    let [x, y, z] = shape_xyz;
    Ok(Image { volume: Volume { shape: [z, y, x], data }, geometry: geometry(&header, shape_xyz)? })
}

fn size_xyz(header: &NiftiHeader) -> Result<[usize; 3], String> {
    let rank = usize::from(header.dim[0]);
    if !(1..=7).contains(&rank) {
        return Err(format!("not a NIfTI-1 file: rank {rank}"));
    }
    let sides: Vec<usize> = header.dim[1..=rank].iter().map(|d| usize::from(*d)).collect();
    let words = || sides.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    if sides.iter().any(|s| *s > i16::MAX as usize) {
        return Err("a negative image size".into());
    }
    match sides[..] {
        [x, y, z, ref more @ ..] if more.iter().all(|s| *s == 1) => Ok([x, y, z]),
        _ => Err(format!("{rank} dimensions ({}): one three-dimensional image was expected", words())),
    }
}

fn values(raw: &[u8], kind: NiftiType, big: bool) -> Result<Vec<f64>, String> {
    Ok(match kind {
        NiftiType::Uint8 => numbers(raw, big, |b: [u8; 1]| f64::from(b[0])),
        NiftiType::Int8 => numbers(raw, big, |b| f64::from(i8::from_le_bytes(b))),
        NiftiType::Uint16 => numbers(raw, big, |b| f64::from(u16::from_le_bytes(b))),
        NiftiType::Int16 => numbers(raw, big, |b| f64::from(i16::from_le_bytes(b))),
        NiftiType::Uint32 => numbers(raw, big, |b| f64::from(u32::from_le_bytes(b))),
        NiftiType::Int32 => numbers(raw, big, |b| f64::from(i32::from_le_bytes(b))),
        NiftiType::Uint64 => numbers(raw, big, |b| u64::from_le_bytes(b) as f64),
        NiftiType::Int64 => numbers(raw, big, |b| i64::from_le_bytes(b) as f64),
        NiftiType::Float32 => numbers(raw, big, |b| f64::from(f32::from_le_bytes(b))),
        NiftiType::Float64 => numbers(raw, big, f64::from_le_bytes),
        other => return Err(format!("element type {other:?}: one real number a voxel was expected")),
    })
}

/// The grid in LPS: sform where there is one, else qform, else the voxel sizes round the centre, as
/// nibabel has it.
fn geometry(header: &NiftiHeader, size_xyz: [usize; 3]) -> Result<Geometry, String> {
    let ras: [[f64; 4]; 3] = if header.sform_code > 0 {
        [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from))
    } else if header.qform_code > 0 {
        qform(header)?
    } else {
        let mut rows = [[0.0; 4]; 3];
        for (axis, row) in rows.iter_mut().enumerate() {
            let step = f64::from(header.pixdim[axis + 1]) * if axis == 0 { -1.0 } else { 1.0 };
            row[axis] = step;
            row[3] = -0.5 * (size_xyz[axis] as f64 - 1.0) * step;
        }
        rows
    };
    let [x, y, z] = ras;
    Ok(Geometry { world_from_voxel: [x.map(|v| -v), y.map(|v| -v), z] })
}

/// The affine of the quaternion form.
fn qform(header: &NiftiHeader) -> Result<[[f64; 4]; 3], String> {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
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
    let step: [f64; 3] =
        std::array::from_fn(|i| f64::from(header.pixdim[i + 1]) * if i == 2 { handed } else { 1.0 });
    let shift = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    Ok(std::array::from_fn(|r| {
        [rotation[r][0] * step[0], rotation[r][1] * step[1], rotation[r][2] * step[2], shift[r]]
    }))
}
