//! Tables as people's programs write them: which letters their bytes are, and what parts their cells.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// What may part the cells of a line.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The text of a table, and the name of its encoding where that was guessed.
///
/// # Errors
/// In words: it is no text.
pub fn decoded(bytes: &[u8]) -> Result<(String, Option<&'static str>), String> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err("a workbook of Excel or another spreadsheet: save it as CSV (UTF-8)".into());
    }
    let (text, guessed) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (strict(&bytes[mark..], encoding)?, None),
        None if bytes.contains(&0) => {
            // Latin letters in two bytes each, of which one is 0.
            let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|b| **b == 0).count();
            let encoding = if zeros(1) > zeros(0) { UTF_16LE } else { UTF_16BE };
            (strict(bytes, encoding)?, Some(encoding.name()))
        }
        None => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (strict(bytes, WINDOWS_1252)?, Some("Windows-1252")),
        },
    };
    match text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        Some(c) => Err(format!("no text: it holds the control character {:#04x}", c as u32)),
        None => Ok((text, guessed)),
    }
}

fn strict(bytes: &[u8], encoding: &'static Encoding) -> Result<String, String> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(std::borrow::Cow::into_owned).ok_or_else(|| format!("no text: it is no {}", encoding.name()))
}

/// What parts the cells: what a first line `sep=;` says, as Excel writes it, else what makes a cell named
/// `wanted` of the header, else what stands in the header most often. With the text behind such a line.
pub fn separated<'a>(text: &'a str, wanted: &str) -> (u8, &'a str) {
    let text = text.trim_start_matches(['\r', '\n']);
    let (line, rest) = text.split_once(['\r', '\n']).unwrap_or((text, ""));
    if let Some(separator) = line.trim().to_ascii_lowercase().strip_prefix("sep=").map(str::as_bytes)
        && let [separator] = separator
    {
        return (*separator, rest);
    }
    let names = |separator: &u8| line.split(char::from(*separator)).any(|cell| plain(cell) == plain(wanted));
    let often = |separator: &u8| line.bytes().filter(|b| b == separator).count();
    let best =
        SEPARATORS.into_iter().max_by_key(|s| (often(s) > 0 && names(s), often(s), std::cmp::Reverse(*s)));
    (best.filter(|s| often(s) > 0).unwrap_or(b','), text)
}

/// A column's name without what people write differently: case, blanks, underscores, quotes.
pub fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_way_to_write_the_same_text_is_read() {
        let text = "case_id;patient_id\r\nMüller;é\r\n";
        for (bytes, guessed) in [
            (text.as_bytes().to_vec(), None),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), None),
            (utf16(&format!("\u{feff}{text}"), u16::to_le_bytes), None),
            (utf16(&format!("\u{feff}{text}"), u16::to_be_bytes), None),
            (utf16(text, u16::to_le_bytes), Some("UTF-16LE")),
            (utf16(text, u16::to_be_bytes), Some("UTF-16BE")),
            (text.chars().map(|c| c as u8).collect(), Some("Windows-1252")),
        ] {
            assert_eq!(decoded(&bytes), Ok((text.to_owned(), guessed)));
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(decoded(b"PK\x03\x04rest").unwrap_err().contains("save it as CSV"));
        assert!(decoded(b"case_id\x01").unwrap_err().contains("control character"));
        assert!(decoded(b"\xff\xfea\0\x00\xd8").unwrap_err().contains("UTF-16LE"));
    }

    #[test]
    fn the_separator_is_told_from_the_header() {
        assert_eq!(separated("case_id,a;b\n", "case_id").0, b',');
        assert_eq!(separated("Case ID;a,b,c,d\n", "case_id").0, b';');
        assert_eq!(separated("\"case_id\"\tb\n", "case_id").0, b'\t');
        assert_eq!(separated("sep=;\r\nx,y\r\n", "case_id"), (b';', "\nx,y\r\n"));
        assert_eq!(separated("alone\n", "case_id").0, b',');
        assert_eq!(separated("", "case_id").0, b',');
    }
}
