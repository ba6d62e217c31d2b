//! Checks the lengths in a DICOM file against the bytes at hand.
//!
//! The parser takes memory for an element's value before it reads it, as much as the element's header
//! claims, and it loses its place where a length is no whole number of values. So every header is looked at
//! first: no element may claim more than there is or a part of a value, and nesting is bounded.

use dicom_core::{
    Tag, VR,
    dictionary::{DataDictionary, DataDictionaryEntry},
};
use dicom_object::StandardDataDictionary;

use super::syntax::Syntax;

const MAX_DEPTH: usize = 16;
const UNDEFINED: u32 = u32::MAX;

const ITEM: (u16, u16) = (0xFFFE, 0xE000);
const ITEM_END: (u16, u16) = (0xFFFE, 0xE00D);
const SEQUENCE_END: (u16, u16) = (0xFFFE, 0xE0DD);
const PIXELS: (u16, u16) = (0x7FE0, 0x0010);

/// Value representations with a 32-bit length.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
/// Value representations with a 16-bit length.
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

/// Whether two letters are a value representation.
pub fn is_representation(letters: [u8; 2]) -> bool {
    LONG.contains(&&letters) || SHORT.contains(&&letters)
}

/// Whether elements of a representation have a length of four bytes, or one of two; none where the letters are none.
pub fn has_long_length(letters: [u8; 2]) -> Option<bool> {
    is_representation(letters).then(|| LONG.contains(&&letters))
}

/// Bytes of one value of a representation.
fn width(vr: &[u8; 2]) -> u32 {
    match vr {
        b"FD" | b"OD" | b"OV" | b"SV" | b"UV" => 8,
        b"AT" | b"FL" | b"OF" | b"OL" | b"SL" | b"UL" => 4,
        b"OW" | b"SS" | b"US" => 2,
        _ => 1,
    }
}

#[derive(Debug, Clone, Copy)]
struct Encoding {
    implicit: bool,
    big: bool,
}

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One element's header.
struct Element {
    tag: (u16, u16),
    sequence: bool,
    length: u32,
    /// How its items are encoded.
    inner: Encoding,
}

/// Checks a whole file and gives its transfer syntax.
///
/// # Errors
/// In words: no DICOM file, truncated, or of a transfer syntax that is not decoded here.
pub fn check(bytes: &[u8]) -> Result<Syntax, String> {
    if bytes.len() < 132 || &bytes[128..132] != b"DICM" {
        return Err("not a DICOM file: no DICM at byte 128".into());
    }
    let mut walker = Walker { bytes, at: 132 };
    let meta = Encoding { implicit: false, big: false };
    let mut syntax = None;
    while walker.peek_group(meta) == Some(0x0002) {
        let element = walker.element(meta)?;
        let value = walker.take(element.length)?;
        if element.tag == (0x0002, 0x0010) {
            let text = String::from_utf8_lossy(value);
            syntax = Some(text.trim_matches(['\0', ' ']).to_owned());
        }
    }
    let syntax = syntax.ok_or("not a DICOM file: it names no transfer syntax")?;
    let syntax = Syntax::of(&syntax)?;
    let encoding = match syntax {
        Syntax::Native { implicit, big_endian } => Encoding { implicit, big: big_endian },
        _ => Encoding { implicit: false, big: false },
    };
    while walker.at < bytes.len() {
        walker.one(encoding, 0)?;
    }
    Ok(syntax)
}

impl<'a> Walker<'a> {
    fn take(&mut self, length: u32) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length as usize).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            let left = self.bytes.len() - self.at;
            format!("truncated: an element at byte {} claims {length} bytes, {left} are left", self.at)
        })?;
        let value = &self.bytes[self.at..end];
        self.at = end;
        Ok(value)
    }

    fn u16(&mut self, encoding: Encoding) -> Result<u16, String> {
        let b = self.take(2)?;
        Ok(if encoding.big { u16::from_be_bytes([b[0], b[1]]) } else { u16::from_le_bytes([b[0], b[1]]) })
    }

    fn u32(&mut self, encoding: Encoding) -> Result<u32, String> {
        let b: [u8; 4] = self.take(4)?.try_into().map_err(|_| "truncated")?;
        Ok(if encoding.big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) })
    }

    fn peek_group(&self, encoding: Encoding) -> Option<u16> {
        Walker { bytes: self.bytes, at: self.at }.u16(encoding).ok()
    }

    fn element(&mut self, encoding: Encoding) -> Result<Element, String> {
        let at = self.at;
        let tag = (self.u16(encoding)?, self.u16(encoding)?);
        if tag.0 == 0xFFFE {
            return Ok(Element { tag, sequence: false, length: self.u32(encoding)?, inner: encoding });
        }
        if encoding.implicit {
            // The same look-up as the parser's.
            let overlay = tag.0 >> 8 == 0x60 && tag.1 == 0x3000;
            let known = StandardDataDictionary.by_tag(Tag(tag.0, tag.1)).map(|entry| entry.vr().relaxed());
            let vr = if tag == PIXELS || overlay { VR::OW } else { known.unwrap_or(VR::UN) };
            let length = self.u32(encoding)?;
            return self.valued(at, tag, &vr.to_bytes(), length, encoding);
        }
        let vr: [u8; 2] = self.take(2)?.try_into().map_err(|_| "truncated")?;
        let length = if LONG.contains(&&vr) {
            self.take(2)?;
            self.u32(encoding)?
        } else if SHORT.contains(&&vr) {
            u32::from(self.u16(encoding)?)
        } else {
            return Err(format!("damaged: unknown value representation at byte {at}"));
        };
        self.valued(at, tag, &vr, length, encoding)
    }

    /// The header of an element that is no item, its length held against its representation.
    fn valued(
        &self,
        at: usize,
        tag: (u16, u16),
        vr: &[u8; 2],
        length: u32,
        encoding: Encoding,
    ) -> Result<Element, String> {
        if length != UNDEFINED && !length.is_multiple_of(width(vr)) {
            return Err(format!("damaged: {length} bytes of values of {} bytes at byte {at}", width(vr)));
        }
        let sequence = vr == b"SQ" || (length == UNDEFINED && tag != PIXELS);
        // An unknown element of undefined length is a sequence in implicit encoding.
        let inner = if vr == b"UN" { Encoding { implicit: true, big: false } } else { encoding };
        Ok(Element { tag, sequence, length, inner })
    }

    /// Passes over one element with everything in it.
    fn one(&mut self, encoding: Encoding, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("sequences nested more than {MAX_DEPTH} deep"));
        }
        let element = self.element(encoding)?;
        if element.tag.0 == 0xFFFE {
            return Err(format!("damaged: an item outside a sequence before byte {}", self.at));
        }
        match (element.sequence, element.length) {
            (true, UNDEFINED) => self.items(element.inner, depth + 1, None),
            (true, length) => {
                let start = self.at;
                self.take(length)?;
                let end = self.at;
                self.at = start;
                self.items(element.inner, depth + 1, Some(end))
            }
            (false, UNDEFINED) => self.fragments(encoding),
            (false, length) => self.take(length).map(|_| ()),
        }
    }

    /// The items of a sequence, up to its end or delimiter.
    fn items(&mut self, encoding: Encoding, depth: usize, end: Option<usize>) -> Result<(), String> {
        while end.is_none_or(|end| self.at < end) {
            let item = self.element(encoding)?;
            match (item.tag, item.length) {
                (SEQUENCE_END, _) => return Ok(()),
                (ITEM, UNDEFINED) => loop {
                    let here = self.at;
                    if self.peek_group(encoding) == Some(0xFFFE) && self.element(encoding)?.tag == ITEM_END {
                        break;
                    }
                    self.at = here;
                    self.one(encoding, depth)?;
                },
                (ITEM, length) => {
                    let start = self.at;
                    self.take(length)?;
                    let item_end = self.at;
                    self.at = start;
                    while self.at < item_end {
                        self.one(encoding, depth)?;
                    }
                }
                _ => return Err(format!("damaged: no item where one belongs before byte {}", self.at)),
            }
        }
        Ok(())
    }

    /// The fragments of encapsulated pixel data.
    fn fragments(&mut self, encoding: Encoding) -> Result<(), String> {
        loop {
            let item = self.element(encoding)?;
            match item.tag {
                SEQUENCE_END => return Ok(()),
                ITEM => self.take(item.length).map(|_| ())?,
                _ => return Err(format!("damaged: no fragment where one belongs before byte {}", self.at)),
            }
        }
    }
}
