//! The header of either version, as far as voxels and their place in the world need it.
//!
//! # Source
//! The NIfTI-1 and NIfTI-2 header definitions (`nifti1.h`, `nifti2.h`) of the NIfTI data format
//! working group; what to do without orientation is nibabel's rule.

use std::io::Read;

use crate::data::read::element::Element;

const BYTES_1: usize = 348;
const BYTES_2: usize = 540;

/// What a header says, of either version.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    version: u8,
    /// Whether the voxels lie in a file of their own.
    pub pair: bool,
    pub big_endian: bool,
    /// Rank and sizes.
    dim: [i64; 8],
    datatype: i16,
    /// Handedness and voxel sizes, in the unit of [`Header::unit_mm`].
    pub pixdim: [f64; 8],
    pub vox_offset: f64,
    pub scl_slope: f64,
    pub scl_inter: f64,
    /// Units of space (the lowest three bits) and time.
    pub(super) xyzt_units: u8,
    pub qform_code: i32,
    pub sform_code: i32,
    pub(super) quatern_bcd: [f64; 3],
    pub(super) qoffset: [f64; 3],
    pub(super) srow: [[f64; 4]; 3],
}

/// Fields at their places, in the file's byte order.
struct Fields<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Fields<'_> {
    fn at<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes: [u8; N] = std::array::from_fn(|i| self.bytes[offset + i]);
        if self.big {
            bytes.reverse();
        }
        bytes
    }

    fn i16(&self, offset: usize) -> i16 {
        i16::from_le_bytes(self.at(offset))
    }

    fn i32(&self, offset: usize) -> i32 {
        i32::from_le_bytes(self.at(offset))
    }

    fn i64(&self, offset: usize) -> i64 {
        i64::from_le_bytes(self.at(offset))
    }

    fn f32(&self, offset: usize) -> f64 {
        f64::from(f32::from_le_bytes(self.at(offset)))
    }

    fn f64(&self, offset: usize) -> f64 {
        f64::from_le_bytes(self.at(offset))
    }
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// In words: it is cut short, or none of a single file of either version.
    pub fn read(source: &mut impl Read) -> Result<Self, String> {
        let mut bytes = [0u8; BYTES_2];
        let short = |e| format!("not a NIfTI file: no whole header ({e})");
        source.read_exact(&mut bytes[..BYTES_1]).map_err(short)?;
        let size: [u8; 4] = std::array::from_fn(|i| bytes[i]);
        let (version, big) = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
            (348, _) => (1, false),
            (_, 348) => (1, true),
            (540, _) => (2, false),
            (_, 540) => (2, true),
            (n, _) => {
                return Err(format!("not a NIfTI file: a header of {n} bytes, 348 or 540 was expected"));
            }
        };
        let magic: [u8; 4] = std::array::from_fn(|i| bytes[if version == 1 { 344 } else { 4 } + i]);
        let pair = match (&magic, version) {
            (b"n+1\0", 1) | (b"n+2\0", 2) => false,
            (b"ni1\0", 1) | (b"ni2\0", 2) => true,
            ([0, 0, 0, 0], 1) => {
                return Err(
                    "an Analyze 7.5 header, which does not say where the image lies: convert it to NIfTI"
                        .into(),
                );
            }
            _ => return Err("not a NIfTI file: its magic word is missing".into()),
        };
        if version == 2 {
            source.read_exact(&mut bytes[BYTES_1..]).map_err(short)?;
        }
        let fields = Fields { bytes: &bytes, big };
        let header = if version == 1 { Self::first(&fields) } else { Self::second(&fields) };
        Ok(Self { pair, ..header })
    }

    fn first(f: &Fields) -> Self {
        Self {
            version: 1,
            pair: false,
            big_endian: f.big,
            dim: std::array::from_fn(|i| f.i16(40 + 2 * i).into()),
            datatype: f.i16(70),
            pixdim: std::array::from_fn(|i| f.f32(76 + 4 * i)),
            vox_offset: f.f32(108),
            scl_slope: f.f32(112),
            scl_inter: f.f32(116),
            xyzt_units: f.bytes[123],
            qform_code: f.i16(252).into(),
            sform_code: f.i16(254).into(),
            quatern_bcd: std::array::from_fn(|i| f.f32(256 + 4 * i)),
            qoffset: std::array::from_fn(|i| f.f32(268 + 4 * i)),
            srow: std::array::from_fn(|r| std::array::from_fn(|c| f.f32(280 + 16 * r + 4 * c))),
        }
    }

    fn second(f: &Fields) -> Self {
        Self {
            version: 2,
            pair: false,
            big_endian: f.big,
            dim: std::array::from_fn(|i| f.i64(16 + 8 * i)),
            datatype: f.i16(12),
            pixdim: std::array::from_fn(|i| f.f64(104 + 8 * i)),
            vox_offset: f.i64(168) as f64,
            scl_slope: f.f64(176),
            scl_inter: f.f64(184),
            xyzt_units: f.i32(500) as u8,
            qform_code: f.i32(344),
            sform_code: f.i32(348),
            quatern_bcd: std::array::from_fn(|i| f.f64(352 + 8 * i)),
            qoffset: std::array::from_fn(|i| f.f64(376 + 8 * i)),
            srow: std::array::from_fn(|r| std::array::from_fn(|c| f.f64(400 + 32 * r + 8 * c))),
        }
    }

    /// Length of the header itself.
    pub fn bytes(&self) -> usize {
        if self.version == 1 { BYTES_1 } else { BYTES_2 }
    }

    /// Where image data start when the header does not say: behind the four bytes that tell of
    /// extensions.
    pub fn first_offset(&self) -> f64 {
        self.bytes() as f64 + 4.0
    }

    /// The sizes, x first.
    pub fn dimensions(&self) -> &[i64] {
        &self.dim[1..=self.dim[0].clamp(0, 7) as usize]
    }

    /// The sizes in words.
    pub fn sizes(&self) -> String {
        self.dimensions().iter().map(i64::to_string).collect::<Vec<_>>().join("x")
    }

    /// Size (x, y, z) of a volume, and the number of volumes.
    ///
    /// # Errors
    /// In words: not three or four dimensions (others may be there with size 1, or with size 0, which some
    /// writers leave in a dimension that they do not use), or a size that is none.
    pub fn volumes(&self) -> Result<([usize; 3], usize), String> {
        let rank = self.dim[0];
        if !(1..=7).contains(&rank) {
            return Err(format!("not a NIfTI file: rank {rank}"));
        }
        let sizes = self.sizes();
        let mut sides = self.dim[1..=rank as usize]
            .iter()
            .map(|side| usize::try_from(*side).map_err(|_| format!("a negative image size: {sizes}")))
            .collect::<Result<Vec<_>, _>>()?;
        sides.iter_mut().skip(3).filter(|side| **side == 0).for_each(|side| *side = 1);
        match sides[..] {
            [x, y, z] => Ok(([x, y, z], 1)),
            [x, y, z, times, ref more @ ..] if more.iter().all(|side| *side == 1) => Ok(([x, y, z], times)),
            _ => Err(format!("{rank} dimensions ({sizes}): three, or a fourth for time, were expected")),
        }
    }

    /// Says that dimensions beyond the third have no size; none where that is not so.
    pub fn unused_dimensions(&self) -> Option<String> {
        let unused = self.dimensions().iter().skip(3).any(|side| *side == 0);
        unused.then(|| {
            format!("its header has {} dimensions ({}), of which one has no size: it was read as three-dimensional", self.dim[0], self.sizes())
        })
    }

    /// How a voxel is stored.
    ///
    /// # Errors
    /// In words: not one real number that is read here.
    pub fn element(&self) -> Result<Element, String> {
        Ok(match self.datatype {
            2 => Element::U8,
            4 => Element::I16,
            8 => Element::I32,
            16 => Element::F32,
            64 => Element::F64,
            256 => Element::I8,
            512 => Element::U16,
            768 => Element::U32,
            1024 => Element::I64,
            1280 => Element::U64,
            other => {
                let name = match other {
                    1 => "bits",
                    32 | 1792 | 2048 => "complex numbers",
                    128 | 2304 => "colours",
                    1536 => "16-byte floats",
                    _ => "unknown",
                };
                return Err(format!("element type {other} ({name}): one real number a voxel was expected"));
            }
        })
    }

    /// Slope and intercept of the stored values. A slope of 0 means that the stored values are the
    /// values, whatever the intercept.
    ///
    /// # Errors
    /// In words: an intercept that is no number.
    pub fn scaling(&self) -> Result<(f64, f64), String> {
        if self.scl_slope == 0.0 || !self.scl_slope.is_finite() {
            return Ok((1.0, 0.0));
        }
        if !self.scl_inter.is_finite() {
            return Err(format!("intercept {} of the stored values", self.scl_inter));
        }
        Ok((self.scl_slope, self.scl_inter))
    }
}
