//! What tells which series a DICOM file belongs to, without the rest of it: elements that say nothing of that are passed
//! over where they lie, and the pixels are never come to. A file costs a few kilobytes of reading, whatever its size.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use dicom_core::{
    Tag, VR,
    dictionary::{DataDictionary, DataDictionaryEntry},
};
use dicom_object::StandardDataDictionary;

use super::{
    bare::{self, Beginning},
    guard,
};

/// A longer value is none of those that are looked for.
const MAX_VALUE: u64 = 4096;

/// Sequences within sequences deeper than this are damage.
const MAX_DEPTH: usize = 16;

/// A file with more elements before its pixels is not looked through.
const MAX_ELEMENTS: usize = 1_000_000;

/// More segments, or series that are referred to, are not kept.
const MAX_ITEMS: usize = 4096;

const UNDEFINED: u32 = u32::MAX;

const SYNTAX: Tag = Tag(0x0002, 0x0010);
const IMAGE_TYPE: Tag = Tag(0x0008, 0x0008);
const CLASS: Tag = Tag(0x0008, 0x0016);
const DATE: Tag = Tag(0x0008, 0x0020);
const MODALITY: Tag = Tag(0x0008, 0x0060);
const DESCRIPTION: Tag = Tag(0x0008, 0x103E);
const REFERRED_SERIES: Tag = Tag(0x0008, 0x1115);
const PATIENT: Tag = Tag(0x0010, 0x0020);
const PROTOCOL: Tag = Tag(0x0018, 0x1030);
const STUDY: Tag = Tag(0x0020, 0x000D);
const SERIES: Tag = Tag(0x0020, 0x000E);
const NUMBER: Tag = Tag(0x0020, 0x0011);
const POSITION: Tag = Tag(0x0020, 0x0032);
const FRAMES: Tag = Tag(0x0028, 0x0008);
const ROWS: Tag = Tag(0x0028, 0x0010);
const SEGMENTS: Tag = Tag(0x0062, 0x0002);
const SEGMENT_NUMBER: Tag = Tag(0x0062, 0x0004);
const SEGMENT_LABEL: Tag = Tag(0x0062, 0x0005);

/// Elements whose values are kept.
const WANTED: [Tag; 15] = [
    IMAGE_TYPE,
    CLASS,
    DATE,
    MODALITY,
    DESCRIPTION,
    PATIENT,
    PROTOCOL,
    STUDY,
    SERIES,
    NUMBER,
    POSITION,
    FRAMES,
    ROWS,
    SEGMENT_NUMBER,
    SEGMENT_LABEL,
];

/// What a DICOM object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// An image that may be a slice, or all slices.
    Image,
    /// Masks that were drawn on images.
    Segmentation,
    /// Contours that were drawn on images.
    Structures,
    /// Nothing of these, in words.
    Other(&'static str),
}

/// A segment of a segmentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    pub number: u16,
    /// Empty where it has none.
    pub label: String,
}

/// What tells a file's series. Texts are empty where the file does not have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skim {
    pub content: Content,
    pub modality: String,
    pub patient: String,
    /// The identifier of the examination.
    pub study: String,
    pub date: String,
    /// The identifier of the series.
    pub series: String,
    pub number: Option<i64>,
    pub description: String,
    pub protocol: String,
    pub localizer: bool,
    pub frames: usize,
    /// Of a segmentation.
    pub segments: Vec<Segment>,
    /// Series that a segmentation was drawn on.
    pub drawn_on: Vec<String>,
}

/// Looks at one file; none where it is no DICOM.
///
/// # Errors
/// In words: it is damaged before anything tells its series, is compressed as a whole, or cannot be read.
pub fn skim(path: &Path) -> Result<Option<Skim>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    of(BufReader::new(file), size)
}

fn of(mut source: impl Read + Seek, size: u64) -> Result<Option<Skim>, String> {
    let mut head = Vec::new();
    source.by_ref().take(bare::HEAD as u64).read_to_end(&mut head).map_err(|e| e.to_string())?;
    let Some(beginning) = bare::beginning(&head, size) else { return Ok(None) };
    let mut walker = Walker { source, at: head.len() as u64, size, elements: 0, found: Found::default() };
    let (start, syntax) = match beginning {
        Beginning::Meta(start) => (start, None),
        Beginning::DataSet(syntax) => (0, Some(syntax)),
    };
    walker.to(start)?;
    let syntax = match syntax {
        Some(syntax) => syntax.to_owned(),
        None => walker.meta()?,
    };
    let encoding = match syntax.as_str() {
        "1.2.840.10008.1.2" => Encoding { implicit: true, big: false },
        "1.2.840.10008.1.2.2" => Encoding { implicit: false, big: true },
        deflated if deflated.starts_with("1.2.840.10008.1.2.1.99") => {
            return Err("compressed as a whole (Deflated Explicit VR Little Endian)".into());
        }
        _ => Encoding { implicit: false, big: false },
    };
    let outcome = walker.all(encoding);
    let found = walker.found;
    // What comes after the series' identifiers may be damaged: that is said when the file is read.
    if found.of(SERIES).is_none() && found.of(CLASS).is_none() {
        outcome?;
        return Ok(None);
    }
    Ok(Some(found.skim(encoding)))
}

#[derive(Debug, Clone, Copy)]
struct Encoding {
    implicit: bool,
    big: bool,
}

/// Values that were found.
#[derive(Debug, Default)]
struct Found {
    values: Vec<(Tag, Vec<u8>)>,
    segments: Vec<(Vec<u8>, Vec<u8>)>,
    drawn_on: Vec<Vec<u8>>,
}

impl Found {
    fn of(&self, tag: Tag) -> Option<&[u8]> {
        self.values.iter().find(|(known, _)| *known == tag).map(|(_, value)| value.as_slice())
    }

    fn text(&self, tag: Tag) -> String {
        self.of(tag).map(text).unwrap_or_default()
    }

    /// Keeps a value, at the top or in an item of a sequence.
    fn keep(&mut self, sequence: Option<Tag>, tag: Tag, value: Vec<u8>) {
        match (sequence, tag) {
            (None, _) => self.values.push((tag, value)),
            (Some(REFERRED_SERIES), SERIES) if self.drawn_on.len() < MAX_ITEMS => self.drawn_on.push(value),
            (Some(SEGMENTS), SEGMENT_NUMBER) => {
                if let Some((number, _)) = self.segments.last_mut() {
                    *number = value;
                }
            }
            (Some(SEGMENTS), SEGMENT_LABEL) => {
                if let Some((_, label)) = self.segments.last_mut() {
                    *label = value;
                }
            }
            _ => {}
        }
    }

    fn skim(&self, encoding: Encoding) -> Skim {
        let number = |value: &[u8]| match value {
            [a, b, ..] if encoding.big => u16::from_be_bytes([*a, *b]),
            [a, b, ..] => u16::from_le_bytes([*a, *b]),
            _ => 0,
        };
        let segments = self
            .segments
            .iter()
            .map(|(value, label)| Segment { number: number(value), label: text(label) })
            // Label maps list their background as well.
            .filter(|segment| segment.number > 0)
            .collect();
        let frames = self.text(FRAMES).parse().unwrap_or(1).max(1);
        Skim {
            content: self.content(frames),
            modality: self.text(MODALITY),
            patient: self.text(PATIENT),
            study: self.text(STUDY),
            date: self.text(DATE),
            series: self.text(SERIES),
            number: self.text(NUMBER).parse().ok(),
            description: self.text(DESCRIPTION),
            protocol: self.text(PROTOCOL),
            localizer: self.text(IMAGE_TYPE).to_ascii_uppercase().contains("LOCALIZER"),
            frames,
            segments,
            drawn_on: self.drawn_on.iter().map(|uid| text(uid)).collect(),
        }
    }

    fn content(&self, frames: usize) -> Content {
        const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
        let class = self.text(CLASS);
        let kind = class.strip_prefix(STORAGE).unwrap_or(&class);
        match kind {
            "66.4" | "66.7" => return Content::Segmentation,
            "481.3" => return Content::Structures,
            "4.2" => return Content::Other("spectra"),
            "1.2.840.10008.1.3.10" => return Content::Other("the index of a DICOM medium"),
            _ => {}
        }
        let begins = |start: &str| {
            kind.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // Programs that make volumes of their own call them captures as well; those have a place.
        let capture = begins("7") && frames == 1 && self.of(POSITION).is_none();
        let others = [
            (begins("88"), "structured reports"),
            (begins("11"), "presentation states"),
            (begins("481"), "plans and doses of radiotherapy"),
            (begins("66") || begins("67"), "registrations and raw data"),
            (begins("104"), "documents"),
            (capture, "secondary captures"),
            (self.of(ROWS).is_none(), "objects without an image"),
        ];
        others.into_iter().find(|(is, _)| *is).map_or(Content::Image, |(_, words)| Content::Other(words))
    }
}

/// Text as it most probably is: newer files say that they are UTF-8, older ones are mostly Latin-1.
fn text(value: &[u8]) -> String {
    let text = match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(value).0.into_owned(),
    };
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
}

struct Walker<R> {
    source: R,
    at: u64,
    size: u64,
    elements: usize,
    found: Found,
}

/// One element's header.
struct Element {
    tag: Tag,
    sequence: bool,
    length: u32,
    /// How its items are encoded.
    inner: Encoding,
}

impl<R: Read + Seek> Walker<R> {
    /// Goes to a place in the file.
    fn to(&mut self, at: u64) -> Result<(), String> {
        if at > self.size {
            return Err(format!("truncated: it ends {} bytes too early", at - self.size));
        }
        let by = at as i64 - self.at as i64;
        self.source.seek_relative(by).map_err(|e| e.to_string())?;
        self.at = at;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(|e| format!("truncated: {e}"))?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u16(&mut self, encoding: Encoding) -> Result<u16, String> {
        let bytes = self.bytes()?;
        Ok(if encoding.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&mut self, encoding: Encoding) -> Result<u32, String> {
        let bytes = self.bytes()?;
        Ok(if encoding.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// The transfer syntax of the meta information, up to its end.
    fn meta(&mut self) -> Result<String, String> {
        let encoding = Encoding { implicit: false, big: false };
        let mut syntax = None;
        while self.at < self.size {
            let start = self.at;
            let group = self.u16(encoding)?;
            // What follows may be encoded otherwise.
            self.to(start)?;
            if group != 0x0002 {
                break;
            }
            let element = self.element(encoding)?;
            let value = self.value(&element, element.tag == SYNTAX)?;
            syntax = value.or(syntax);
        }
        syntax.map(|value| text(&value)).ok_or_else(|| "it names no transfer syntax".into())
    }

    /// The value of an element, where it is wanted and short; it is passed over else.
    fn value(&mut self, element: &Element, wanted: bool) -> Result<Option<Vec<u8>>, String> {
        let length = u64::from(element.length);
        let end = self.at + length;
        if !wanted || length > MAX_VALUE || end > self.size {
            self.to(end)?;
            return Ok(None);
        }
        let mut value = vec![0; length as usize];
        self.source.read_exact(&mut value).map_err(|e| format!("truncated: {e}"))?;
        self.at = end;
        Ok(Some(value))
    }

    /// Everything that is kept, up to where none of it comes any more.
    fn all(&mut self, encoding: Encoding) -> Result<(), String> {
        while self.at < self.size {
            let start = self.at;
            let element = self.element(encoding)?;
            let class = self.found.of(CLASS);
            let segmentation = class.is_some_and(|class| class.starts_with(b"1.2.840.10008.5.1.4.1.1.66."));
            let last = if segmentation { SEGMENTS } else { ROWS };
            if element.tag > last {
                return self.to(start);
            }
            self.one(&element, None, 0)?;
        }
        Ok(())
    }

    /// Passes over one element with everything in it; `within` is the sequence at the top in whose items it lies.
    fn one(&mut self, element: &Element, within: Option<Tag>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("sequences nested more than {MAX_DEPTH} deep"));
        }
        if element.tag.0 == 0xFFFE {
            return Err(format!("damaged: an item outside a sequence before byte {}", self.at));
        }
        let wanted = depth == 0 && [SEGMENTS, REFERRED_SERIES].contains(&element.tag);
        match (element.sequence, element.length) {
            (false, UNDEFINED) => Err("pixels before the header's end".into()),
            (false, _) => {
                // Of items only those of a sequence at the top.
                let wanted = WANTED.contains(&element.tag) && depth <= 1 && (depth == 0 || within.is_some());
                if let Some(value) = self.value(element, wanted)? {
                    self.found.keep(within, element.tag, value);
                }
                Ok(())
            }
            (true, length) if length != UNDEFINED && !wanted => self.to(self.at + u64::from(length)),
            (true, length) => {
                let end = (length != UNDEFINED).then(|| self.at + u64::from(length));
                let within = wanted.then_some(element.tag);
                self.items(element.inner, within, depth + 1, end)
            }
        }
    }

    /// The items of a sequence, up to its end or delimiter.
    fn items(
        &mut self,
        encoding: Encoding,
        within: Option<Tag>,
        depth: usize,
        end: Option<u64>,
    ) -> Result<(), String> {
        while end.is_none_or(|end| self.at < end) {
            let item = self.element(encoding)?;
            match (item.tag, item.length) {
                (Tag(0xFFFE, 0xE0DD), _) => return Ok(()),
                (Tag(0xFFFE, 0xE000), length) => {
                    if within == Some(SEGMENTS) && self.found.segments.len() < MAX_ITEMS {
                        self.found.segments.push(Default::default());
                    }
                    let item_end = (length != UNDEFINED).then(|| self.at + u64::from(length));
                    while item_end.is_none_or(|end| self.at < end) {
                        let element = self.element(encoding)?;
                        if item_end.is_none() && element.tag == Tag(0xFFFE, 0xE00D) {
                            break;
                        }
                        self.one(&element, within, depth)?;
                    }
                }
                _ => return Err(format!("damaged: no item where one belongs before byte {}", self.at)),
            }
        }
        Ok(())
    }

    fn element(&mut self, encoding: Encoding) -> Result<Element, String> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(format!("more than {MAX_ELEMENTS} elements before its pixels"));
        }
        let tag = Tag(self.u16(encoding)?, self.u16(encoding)?);
        if tag.0 == 0xFFFE {
            return Ok(Element { tag, sequence: false, length: self.u32(encoding)?, inner: encoding });
        }
        if encoding.implicit {
            let known = StandardDataDictionary.by_tag(tag).map(|entry| entry.vr().relaxed());
            let length = self.u32(encoding)?;
            let sequence = known == Some(VR::SQ) || length == UNDEFINED;
            return Ok(Element { tag, sequence, length, inner: encoding });
        }
        let vr: [u8; 2] = self.bytes()?;
        let length = match guard::has_long_length(vr) {
            Some(true) => {
                self.bytes::<2>()?;
                self.u32(encoding)?
            }
            Some(false) => u32::from(self.u16(encoding)?),
            None => return Err(format!("damaged: unknown value representation before byte {}", self.at)),
        };
        let pixels = tag == Tag(0x7FE0, 0x0010);
        let sequence = &vr == b"SQ" || (length == UNDEFINED && !pixels);
        let inner = if &vr == b"UN" { Encoding { implicit: true, big: false } } else { encoding };
        Ok(Element { tag, sequence, length, inner })
    }
}

#[cfg(test)]
mod tests;
