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

/// How many lines may stand above the header.
const ABOVE: usize = 10;

/// A table whose header is its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separated<'a> {
    /// What parts the cells.
    pub separator: u8,
    pub text: &'a str,
    /// Lines above it, which are counted when a line is named.
    pub above: usize,
    /// How many of them say something, but not what parts the cells.
    pub passed_over: usize,
}

/// Finds the header and what parts the cells: what a first line `sep=;` says, as Excel writes it, else what makes a
/// cell named `wanted` of a line, else what stands in the first line most often. Titles may stand above it.
pub fn separated<'a>(text: &'a str, wanted: &str) -> Separated<'a> {
    let names = |line: &str, separator: u8| {
        line.split(char::from(separator)).any(|cell| plain(cell) == plain(wanted))
    };
    let often = |line: &str, separator: u8| line.bytes().filter(|b| *b == separator).count();
    let mut said = None;
    let mut first: Option<Separated> = None;
    let mut passed_over = 0;
    let mut rest = text;
    for above in 0..ABOVE {
        let (line, next) = match rest.find(['\r', '\n']) {
            Some(end) => (&rest[..end], rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..])),
            None => (rest, ""),
        };
        if let (None, None, Some(separator)) = (first, said, said_separator(line)) {
            said = Some(separator);
        } else if !line.trim().is_empty() {
            let parts = said.map_or(SEPARATORS.to_vec(), |separator| vec![separator]);
            let best = parts.into_iter().max_by_key(|s| {
                (often(line, *s) > 0 && names(line, *s), often(line, *s), std::cmp::Reverse(*s))
            });
            let separator = best.filter(|s| said.is_some() || often(line, *s) > 0).unwrap_or(b',');
            let found = Separated { separator, text: rest, above, passed_over };
            if names(line, separator) {
                return found;
            }
            first.get_or_insert(Separated { passed_over: 0, ..found });
            passed_over += 1;
        }
        rest = next;
    }
    first.unwrap_or(Separated { separator: said.unwrap_or(b','), text: "", above: 0, passed_over: 0 })
}

/// What a line such as `sep=;` says; none where it is another.
fn said_separator(line: &str) -> Option<u8> {
    let line = line.trim_start_matches(['"', ' ']);
    let (word, sign) = line.split_at_checked(4)?;
    let sign = sign.bytes().next().filter(|sign| !sign.is_ascii_alphanumeric() && *sign != b'"')?;
    word.eq_ignore_ascii_case("sep=").then_some(sign)
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
        let of = |text| separated(text, "case_id").separator;
        assert_eq!(of("case_id,a;b\n"), b',');
        assert_eq!(of("Case ID;a,b,c,d\n"), b';');
        assert_eq!(of("\"case_id\"\tb\n"), b'\t');
        assert_eq!(of("alone\n"), b',');
        assert_eq!(of(""), b',');
        for line in ["sep=;", "\"sep=;\"", "SEP=;", "sep=;;;"] {
            let text = format!("{line}\r\nx,y\r\n");
            let found = separated(&text, "case_id");
            assert_eq!((found.separator, found.text, found.above), (b';', "x,y\r\n", 1), "{line}");
        }
        assert_eq!(of("sep=\t\r\ncase_id\tb,c,d\r\n"), b'\t');
    }

    #[test]
    fn titles_may_stand_above_the_header() {
        let of = |text| separated(text, "case_id");
        let text = "My study, 2020\n\ncase_id;b\n1;2\n";
        let found = Separated { separator: b';', text: "case_id;b\n1;2\n", above: 2, passed_over: 1 };
        assert_eq!(of(text), found);
        assert_eq!(of("\r\n\r\ncase_id,b\r\n").above, 2);
        assert_eq!(of("a\rcase_id,b\r1,2\r").text, "case_id,b\r1,2\r");
        // Where no line is the header, the first one is shown.
        assert_eq!(
            of("\na;b\n1;2\n"),
            Separated { separator: b';', text: "a;b\n1;2\n", above: 1, passed_over: 0 }
        );
    }
}
