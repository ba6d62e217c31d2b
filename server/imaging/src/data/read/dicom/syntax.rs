//! Transfer syntaxes: how a file's values and pixels are encoded.

/// What is done about a transfer syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Uncompressed.
    Native { implicit: bool, big_endian: bool },
    /// Run lengths, a DICOM format of its own.
    Rle,
    /// JPEG baseline, extended or lossless.
    Jpeg,
    /// JPEG 2000, reversible or not.
    Jpeg2000,
}

const KNOWN: [(&str, Syntax); 10] = [
    ("1.2.840.10008.1.2", Syntax::Native { implicit: true, big_endian: false }),
    ("1.2.840.10008.1.2.1", Syntax::Native { implicit: false, big_endian: false }),
    ("1.2.840.10008.1.2.2", Syntax::Native { implicit: false, big_endian: true }),
    ("1.2.840.10008.1.2.4.50", Syntax::Jpeg),
    ("1.2.840.10008.1.2.4.51", Syntax::Jpeg),
    ("1.2.840.10008.1.2.4.57", Syntax::Jpeg),
    ("1.2.840.10008.1.2.4.70", Syntax::Jpeg),
    ("1.2.840.10008.1.2.4.90", Syntax::Jpeg2000),
    ("1.2.840.10008.1.2.4.91", Syntax::Jpeg2000),
    ("1.2.840.10008.1.2.5", Syntax::Rle),
];

/// Syntaxes that are not decoded, by the start of their identifiers.
const OTHERS: [(&str, &str); 7] = [
    ("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian"),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"),
    ("1.2.840.10008.1.2.4.81", "JPEG-LS Near-lossless"),
    ("1.2.840.10008.1.2.4.20", "High-Throughput JPEG 2000"),
    ("1.2.840.10008.1.2.4.11", "JPEG XL"),
    ("1.2.840.10008.1.2.4.10", "MPEG video"),
    ("1.2.840.10008.1.2.4.9", "JPEG 2000 Multi-component or JPIP"),
];

impl Syntax {
    /// The syntax of an identifier.
    ///
    /// # Errors
    /// In words: it is not decoded here, with its name and what to do.
    pub fn of(uid: &str) -> Result<Self, String> {
        if let Some((_, syntax)) = KNOWN.iter().find(|(known, _)| *known == uid) {
            return Ok(*syntax);
        }
        let name =
            OTHERS.iter().find(|(start, _)| uid.starts_with(start)).map_or("unknown", |(_, name)| name);
        Err(format!(
            "transfer syntax {uid} ({name}) is not decoded here: convert the series to uncompressed DICOM (Explicit VR Little Endian) first, for example with `gdcmconv --raw`"
        ))
    }

    /// Whether the pixels lie in fragments.
    pub fn is_encapsulated(self) -> bool {
        !matches!(self, Syntax::Native { .. })
    }
}
