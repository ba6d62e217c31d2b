//! One DICOM file as a slice.

use std::{fs::File, path::Path};

use dicom_object::{DefaultDicomObject, OpenFileOptions, Tag};
use dicom_pixeldata::{ConvertOptions, ModalityLutOption, PixelDecoder};

use super::guard;
use crate::data::read::{bounded, voxels};

/// A single-frame file with more bytes is refused.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

const SERIES: Tag = Tag(0x0020, 0x000E);
const POSITION: Tag = Tag(0x0020, 0x0032);
const ORIENTATION: Tag = Tag(0x0020, 0x0037);
const SAMPLES: Tag = Tag(0x0028, 0x0002);
const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
const FRAMES: Tag = Tag(0x0028, 0x0008);
const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const SPACING: Tag = Tag(0x0028, 0x0030);
const BITS: Tag = Tag(0x0028, 0x0100);
const INTERCEPT: Tag = Tag(0x0028, 0x1052);
const SLOPE: Tag = Tag(0x0028, 0x1053);
const PIXELS: Tag = Tag(0x7FE0, 0x0010);

/// RLE Lossless, the one compression that is undone here.
pub(super) const RLE: &str = "1.2.840.10008.1.2.5";

/// A slice with its place.
#[derive(Debug)]
pub struct Slice {
    series: String,
    pub rows: usize,
    pub columns: usize,
    /// mm between rows, mm between columns.
    pub spacing: [f64; 2],
    /// Direction of increasing column index, LPS.
    pub row_direction: [f64; 3],
    /// Direction of increasing row index, LPS.
    pub column_direction: [f64; 3],
    /// Centre of the first pixel, LPS mm.
    pub position: [f64; 3],
    pub pixels: Vec<f32>,
}

impl Slice {
    /// In what this slice differs from the series' first; none where they fit together.
    pub fn differs(&self, first: &Slice) -> Option<String> {
        let apart = |a: &[f64], b: &[f64], limit: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > limit);
        if self.series != first.series {
            Some("another series".into())
        } else if (self.rows, self.columns) != (first.rows, first.columns) {
            Some(format!("another size, {} rows of {} columns,", self.rows, self.columns))
        } else if apart(&self.spacing, &first.spacing, 1e-4) {
            Some("another pixel spacing".into())
        } else if apart(&self.row_direction, &first.row_direction, 1e-3)
            || apart(&self.column_direction, &first.column_direction, 1e-3)
        {
            Some("another orientation".into())
        } else {
            None
        }
    }
}

/// Reads one file; reasons of refusal in words.
pub fn read(path: &Path) -> Result<Slice, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("{size} bytes: at most {MAX_FILE_BYTES} are read of one slice"));
    }
    from_bytes(&bounded::exactly(file, size as usize)?)
}

fn from_bytes(bytes: &[u8]) -> Result<Slice, String> {
    let syntax = guard::check(bytes)?;
    let object =
        OpenFileOptions::new().from_reader(bytes).map_err(|e| format!("not a readable DICOM file: {e}"))?;
    let rows = number(&object, ROWS, "Rows")? as usize;
    let columns = number(&object, COLUMNS, "Columns")? as usize;
    let count = voxels([columns, rows, 1])?;
    let bits = number(&object, BITS, "BitsAllocated")?;
    if ![8.0, 16.0, 32.0].contains(&bits) {
        return Err(format!("{bits} bits a pixel: 8, 16 or 32 were expected"));
    }
    for (tag, name) in [(FRAMES, "frames"), (SAMPLES, "values a pixel")] {
        let n = numbers::<1>(&object, tag)?.map_or(1.0, |[n]| n);
        if n != 1.0 {
            return Err(format!("{n} {name}: one was expected"));
        }
    }
    let photometric = text(&object, PHOTOMETRIC).unwrap_or_default();
    if photometric != "MONOCHROME2" {
        return Err(format!("photometric interpretation {photometric:?}: MONOCHROME2 was expected"));
    }
    let element = object.element_opt(PIXELS).ok().flatten().ok_or("no pixel data in it")?;
    if syntax != RLE {
        let held = element.to_bytes().map_err(|e| format!("unreadable pixel data: {e}"))?.len();
        let wanted = count * (bits as usize / 8);
        if held < wanted {
            return Err(format!("truncated: {held} bytes of pixel data where {wanted} belong"));
        }
    }
    let [rx, ry, rz, cx, cy, cz] =
        numbers::<6>(&object, ORIENTATION)?.ok_or("no orientation (0020,0037) in it")?;
    let (row_direction, column_direction) = ([rx, ry, rz], [cx, cy, cz]);
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let unit = |a| (dot(a, a) - 1.0).abs() < 1e-2;
    if !(unit(row_direction) && unit(column_direction) && dot(row_direction, column_direction).abs() < 1e-2) {
        return Err("the orientation (0020,0037) is not two perpendicular unit vectors".into());
    }
    let slope = numbers::<1>(&object, SLOPE)?.map_or(1.0, |[v]| v);
    let intercept = numbers::<1>(&object, INTERCEPT)?.map_or(0.0, |[v]| v);
    Ok(Slice {
        series: text(&object, SERIES).unwrap_or_default(),
        rows,
        columns,
        spacing: numbers::<2>(&object, SPACING)?.ok_or("no pixel spacing (0028,0030) in it")?,
        row_direction,
        column_direction,
        position: numbers::<3>(&object, POSITION)?.ok_or("no position (0020,0032) in it")?,
        pixels: pixels(&object, count, slope, intercept)?,
    })
}

fn pixels(object: &DefaultDicomObject, count: usize, slope: f64, intercept: f64) -> Result<Vec<f32>, String> {
    let failed = |e: dicom_pixeldata::Error| format!("unreadable pixel data: {e}");
    let decoded = object.decode_pixel_data().map_err(failed)?;
    let options = ConvertOptions::new().with_modality_lut(ModalityLutOption::None);
    let stored: Vec<f64> = decoded.to_vec_with_options(&options).map_err(failed)?;
    if stored.len() != count {
        return Err(format!("{} pixels where {count} belong", stored.len()));
    }
    Ok(stored.into_iter().map(|v| (v * slope + intercept) as f32).collect())
}

fn text(object: &DefaultDicomObject, tag: Tag) -> Option<String> {
    let element = object.element_opt(tag).ok().flatten()?;
    Some(element.to_str().ok()?.trim_matches(['\0', ' ']).to_owned())
}

/// The numbers of an element; none where it is absent.
fn numbers<const N: usize>(object: &DefaultDicomObject, tag: Tag) -> Result<Option<[f64; N]>, String> {
    let Some(element) = object.element_opt(tag).ok().flatten() else { return Ok(None) };
    element
        .to_multi_float64()
        .ok()
        .filter(|v| v.iter().all(|v| v.is_finite()))
        .and_then(|v| v.try_into().ok())
        .map(Some)
        .ok_or_else(|| format!("{tag} does not hold {N} numbers"))
}

fn number(object: &DefaultDicomObject, tag: Tag, name: &str) -> Result<f64, String> {
    numbers::<1>(object, tag)?.map(|[v]| v).ok_or_else(|| format!("not a DICOM image: no {name} in it"))
}
