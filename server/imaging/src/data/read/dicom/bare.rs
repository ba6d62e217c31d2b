//! Files without the 128 bytes and the meta information that begin a DICOM file: old scanners and archives
//! write the data set alone.

use std::borrow::Cow;

use dicom_core::{Tag, dictionary::DataDictionary};
use dicom_object::StandardDataDictionary;

use super::guard;

/// What stands before the meta information.
const PREAMBLE: usize = 128;

/// Groups that a data set may begin with.
const FIRST_GROUPS: std::ops::RangeInclusive<u16> = 0x0008..=0x0028;

/// Bytes of a file that tell how it begins.
pub const HEAD: usize = PREAMBLE + 4;

/// How a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With meta information from this byte on, which names the transfer syntax.
    Meta(u64),
    /// With its data set, in this transfer syntax.
    DataSet(&'static str),
}

/// How a file of `size` bytes begins, by its first [`HEAD`] bytes; none where it is no DICOM at all.
pub fn beginning(head: &[u8], size: u64) -> Option<Beginning> {
    if head.get(PREAMBLE..HEAD) == Some(b"DICM") {
        return Some(Beginning::Meta(HEAD as u64));
    }
    if head.starts_with(b"DICM") {
        return Some(Beginning::Meta(4));
    }
    let start = Start::of(head, size)?;
    Some(if start.is_meta() { Beginning::Meta(0) } else { Beginning::DataSet(start.syntax()) })
}

/// The file as the standard has it, with what is missing at its start made up; none where the bytes are no
/// DICOM at all.
pub fn whole(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    const BEFORE: [u8; PREAMBLE] = [0; PREAMBLE];
    let before = match beginning(bytes, bytes.len() as u64)? {
        Beginning::Meta(start) if start as usize == HEAD => return Some(Cow::Borrowed(bytes)),
        Beginning::Meta(0) => [BEFORE.as_slice(), b"DICM"].concat(),
        Beginning::Meta(_) => BEFORE.to_vec(),
        Beginning::DataSet(syntax) => [BEFORE.as_slice(), b"DICM", &meta(syntax)].concat(),
    };
    Some(Cow::Owned([&before, bytes].concat()))
}

/// How the first element is encoded.
struct Start {
    group: u16,
    implicit: bool,
    big: bool,
}

impl Start {
    /// Looks at the first element: one that the standard knows, of a group that comes first, and in
    /// implicit encoding of a length that is there.
    fn of(bytes: &[u8], size: u64) -> Option<Self> {
        let head: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
        let known = |group: u16, element: u16| {
            (group == 0x0002 || (FIRST_GROUPS.contains(&group) && group.is_multiple_of(2)))
                && (element == 0 || StandardDataDictionary.by_tag(Tag(group, element)).is_some())
        };
        let little = [0, 2].map(|at| u16::from_le_bytes([head[at], head[at + 1]]));
        let big = [0, 2].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
        let explicit = guard::is_representation([head[4], head[5]]);
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        if known(little[0], little[1]) && (explicit || (little[0] != 0x0002 && length + 8 <= size)) {
            Some(Self { group: little[0], implicit: !explicit, big: false })
        } else if big[0] != 0x0002 && known(big[0], big[1]) && explicit {
            Some(Self { group: big[0], implicit: false, big: true })
        } else {
            None
        }
    }

    fn is_meta(&self) -> bool {
        self.group == 0x0002
    }

    fn syntax(&self) -> &'static str {
        match (self.implicit, self.big) {
            (true, _) => "1.2.840.10008.1.2",
            (false, false) => "1.2.840.10008.1.2.1",
            (false, true) => "1.2.840.10008.1.2.2",
        }
    }
}

/// Meta information for a data set in this transfer syntax.
fn meta(syntax: &str) -> Vec<u8> {
    let element = |number: u8, value: &str| {
        let padding = value.len() % 2;
        let length = (value.len() + padding) as u16;
        let mut bytes = vec![2, 0, number, 0, b'U', b'I'];
        bytes.extend(length.to_le_bytes());
        bytes.extend(value.as_bytes());
        bytes.extend(vec![0; padding]);
        bytes
    };
    // A class and an instance must stand here, and nobody reads them.
    let elements =
        [element(2, "1.2.840.10008.5.1.4.1.1.4"), element(3, "2.25.0"), element(0x10, syntax)].concat();
    let mut group = vec![2, 0, 0, 0, b'U', b'L', 4, 0];
    group.extend((elements.len() as u32).to_le_bytes());
    group.extend(elements);
    group
}
