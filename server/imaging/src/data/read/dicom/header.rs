//! What a DICOM file says about its pixels, and the pixels as they are stored.

use std::path::{Path, PathBuf};

use dicom_core::{Tag, value::Value};
use dicom_object::{DefaultDicomObject, InMemDicomObject, OpenFileOptions};

use super::{
    bare, guard,
    place::{self, Place},
    syntax::Syntax,
};
use crate::data::read::voxels;

const IMAGE_TYPE: Tag = Tag(0x0008, 0x0008);
const CLASS: Tag = Tag(0x0008, 0x0016);
const INSTANCE: Tag = Tag(0x0008, 0x0018);
pub const PATIENT: Tag = Tag(0x0010, 0x0020);
const DESCRIPTION: Tag = Tag(0x0008, 0x103E);
const SERIES: Tag = Tag(0x0020, 0x000E);
const NUMBER: Tag = Tag(0x0020, 0x0011);
const SAMPLES: Tag = Tag(0x0028, 0x0002);
const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
pub const FRAMES: Tag = Tag(0x0028, 0x0008);
pub const ROWS: Tag = Tag(0x0028, 0x0010);
pub const COLUMNS: Tag = Tag(0x0028, 0x0011);
const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
const BITS_STORED: Tag = Tag(0x0028, 0x0101);
const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
const SIGNED: Tag = Tag(0x0028, 0x0103);
pub const PIXELS: Tag = Tag(0x7FE0, 0x0010);

/// The series a file belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub uid: String,
    pub number: Option<i64>,
    pub description: String,
}

/// How a frame's pixels are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub rows: usize,
    pub columns: usize,
    /// Bits of a pixel's place: 8, 16 or 32.
    pub allocated: u32,
    /// Bits of its value, the lowest at `shift`.
    pub stored: u32,
    pub shift: u32,
    /// Whether the highest of them is a sign.
    pub signed: bool,
}

/// A file's header.
#[derive(Debug)]
pub struct Header {
    pub path: PathBuf,
    /// The file's name within the folder that is read, for messages.
    pub name: String,
    /// The image's own identifier; empty where it has none.
    pub instance: String,
    /// The patient's identifier; empty where it has none.
    pub patient: String,
    /// Whether the image says to be a localizer, on which others were planned.
    pub localizer: bool,
    pub series: Series,
    pub syntax: Syntax,
    pub layout: Layout,
    pub frames: Vec<Place>,
}

/// Stored pixels.
#[derive(Debug)]
pub enum Pixels {
    /// All frames one after another.
    Native(Vec<u8>),
    /// Fragments, and where each frame's first one begins among them in bytes (empty where not said).
    Fragments { offsets: Vec<u32>, fragments: Vec<Vec<u8>> },
}

/// What a DICOM file is.
#[derive(Debug)]
pub enum What {
    Image(Box<Header>),
    /// No image, and what instead.
    Other(&'static str),
}

/// Why a DICOM file cannot be a slice.
#[derive(Debug)]
pub struct Refusal {
    /// The series that it says to be of; none where its header cannot be read.
    pub series: Option<String>,
    pub reason: String,
}

/// Reads the header in the bytes of a whole file; `name` is for messages.
///
/// # Errors
/// In words: damaged, of a kind that is not read here, or without a place in space.
pub fn read(bytes: &[u8], path: &Path, name: &str) -> Result<What, Refusal> {
    let unread = |reason| Refusal { series: None, reason };
    let syntax = guard::check(bytes).map_err(unread)?;
    let object = parse(OpenFileOptions::new().read_until(PIXELS), bytes).map_err(unread)?;
    if let Some(what) = no_image(&object, bytes) {
        return Ok(What::Other(what));
    }
    let series = text(&object, SERIES);
    image(&object, syntax, path, name)
        .map(|header| What::Image(Box::new(header)))
        .map_err(|reason| Refusal { series: Some(series), reason })
}

/// What a file without an image is; none where it holds one.
fn no_image(object: &InMemDicomObject, bytes: &[u8]) -> Option<&'static str> {
    const MEDIUM: &str = "1.2.840.10008.1.3.10";
    if object.element_opt(ROWS).ok().flatten().is_some() {
        return None;
    }
    if text(object, CLASS) == MEDIUM || object.element_opt(Tag(0x0004, 0x1220)).ok().flatten().is_some() {
        return Some("the index of a DICOM medium");
    }
    let whole = parse(OpenFileOptions::new(), bytes).ok()?;
    whole.element_opt(PIXELS).ok().flatten().is_none().then_some("DICOM without an image")
}

fn image(object: &InMemDicomObject, syntax: Syntax, path: &Path, name: &str) -> Result<Header, String> {
    let rows = required(object, ROWS, "Rows")? as usize;
    let columns = required(object, COLUMNS, "Columns")? as usize;
    let samples = number(object, SAMPLES, "samples")?.unwrap_or(1.0);
    if samples != 1.0 {
        return Err(format!("{samples} values a pixel: one was expected"));
    }
    let photometric = text(object, PHOTOMETRIC);
    if photometric != "MONOCHROME2" {
        return Err(format!("photometric interpretation {photometric:?}: MONOCHROME2 was expected"));
    }
    let frames = number(object, FRAMES, "frames")?.unwrap_or(1.0);
    if !(1.0..=f64::from(u16::MAX)).contains(&frames) || frames.fract() != 0.0 {
        return Err(format!("{frames} frames: 1 to {} were expected", u16::MAX));
    }
    let frames = frames as usize;
    voxels([columns, rows, frames])?;
    Ok(Header {
        path: path.to_owned(),
        name: name.to_owned(),
        instance: text(object, INSTANCE),
        patient: text(object, PATIENT),
        localizer: text(object, IMAGE_TYPE).to_ascii_uppercase().contains("LOCALIZER"),
        series: Series {
            uid: text(object, SERIES),
            number: number(object, NUMBER, "series number").ok().flatten().map(|n| n as i64),
            description: text(object, DESCRIPTION),
        },
        syntax,
        layout: layout(object, rows, columns)?,
        frames: place::all(object, frames)?,
    })
}

fn layout(object: &InMemDicomObject, rows: usize, columns: usize) -> Result<Layout, String> {
    let allocated = required(object, BITS_ALLOCATED, "BitsAllocated")?;
    if ![8.0, 16.0, 32.0].contains(&allocated) {
        return Err(format!("{allocated} bits a pixel: 8, 16 or 32 were expected"));
    }
    let stored = number(object, BITS_STORED, "BitsStored")?.unwrap_or(allocated);
    let high = number(object, HIGH_BIT, "HighBit")?.unwrap_or(stored - 1.0);
    let shift = high + 1.0 - stored;
    if !(1.0..=allocated).contains(&stored)
        || shift < 0.0
        || high >= allocated
        || high.fract() + stored.fract() != 0.0
    {
        return Err(format!("{stored} bits up to bit {high} of {allocated}: no such bits"));
    }
    let signed = number(object, SIGNED, "PixelRepresentation")?.unwrap_or(0.0) == 1.0;
    Ok(Layout {
        rows,
        columns,
        allocated: allocated as u32,
        stored: stored as u32,
        shift: shift as u32,
        signed,
    })
}

/// The pixels in a file's bytes.
///
/// # Errors
/// In words: there are none.
pub fn pixels(bytes: &[u8]) -> Result<Pixels, String> {
    let bytes = bare::whole(bytes).ok_or("not a DICOM file")?;
    guard::check(&bytes)?;
    let mut object = parse(OpenFileOptions::new(), &bytes)?;
    let element = object.take_element(PIXELS).map_err(|_| "no pixel data in it")?;
    match element.into_value() {
        Value::Primitive(value) => Ok(Pixels::Native(value.to_bytes().into_owned())),
        Value::PixelSequence(sequence) => {
            let offsets = sequence.offset_table().to_vec();
            let fragments = sequence.into_fragments().into_iter().map(|f| f.to_vec()).collect();
            Ok(Pixels::Fragments { offsets, fragments })
        }
        Value::Sequence(_) => Err("no pixel data in it".into()),
    }
}

/// The object in the bytes of a whole file, which were checked.
///
/// # Errors
/// In words: it cannot be parsed.
pub fn parse(options: OpenFileOptions, bytes: &[u8]) -> Result<DefaultDicomObject, String> {
    options.from_reader(bytes).map_err(|e| format!("not a readable DICOM file: {e}"))
}

/// The text of an element, empty where it is absent.
pub fn text(object: &InMemDicomObject, tag: Tag) -> String {
    let element = object.element_opt(tag).ok().flatten();
    let value = element.and_then(|element| element.to_str().ok());
    value.map(|text| text.trim_matches(['\0', ' ']).to_owned()).unwrap_or_default()
}

/// The first number of an element, none where it is absent.
///
/// # Errors
/// In words: it holds something else.
pub fn number(object: &InMemDicomObject, tag: Tag, name: &str) -> Result<Option<f64>, String> {
    Ok(place::numbers(object, tag, name)?.first().copied())
}

/// The first number of an element.
///
/// # Errors
/// In words: it is absent or holds something else.
pub fn required(object: &InMemDicomObject, tag: Tag, name: &str) -> Result<f64, String> {
    number(object, tag, name)?.ok_or_else(|| format!("not a DICOM image: no {name} in it"))
}
