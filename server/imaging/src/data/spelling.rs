//! Identifiers that are one and the same to people and not to programs.

use unicode_normalization::UnicodeNormalization;

/// An identifier without what fills its field up, every space single.
pub fn spaced(id: &str) -> String {
    let parts = id.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// What is the same for spellings that scanners, archives and spreadsheets make of one identifier: without case
/// and spaces, and a number without its leading zeros.
pub fn plain(id: &str) -> String {
    let spaced = spaced(id);
    let plain: String = spaced.nfc().filter(|c| *c != ' ').flat_map(char::to_lowercase).collect();
    if plain.bytes().all(|b| b.is_ascii_digit()) { without_zeros(&plain).to_owned() } else { plain }
}

/// What is the same for identifiers that look alike: [`plain`], and also whatever sign parts them and however many
/// zeros stand before their numbers.
pub fn alike(id: &str) -> String {
    let spaced = spaced(id);
    let lower: String = spaced.nfc().flat_map(char::to_lowercase).collect();
    let parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    let numbers = parts.map(|part| {
        let mut out = String::new();
        let mut rest = part;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| at + n);
            out.push_str(&rest[..at]);
            out.push_str(without_zeros(&rest[at..end]));
            rest = &rest[end..];
        }
        out + rest
    });
    numbers.collect::<Vec<_>>().join("-")
}

fn without_zeros(digits: &str) -> &str {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { digits.get(..1).unwrap_or_default() } else { trimmed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_identifier_are_the_same() {
        for (a, b) in [("P 1", " p1\0"), ("007", "7"), ("000", "0"), ("Mu\u{308}ller", "M\u{fc}LLER")] {
            assert_eq!(plain(a), plain(b), "{a}");
        }
        for (a, b) in [("P-1", "P1"), ("P01", "P1"), ("70", "7"), ("1-11", "11-1")] {
            assert_ne!(plain(a), plain(b), "{a}");
        }
        for (a, b) in [("P-1", "p_1"), ("P01", "P1"), ("pat-007b", "PAT 7b"), ("a.b", "a b"), ("0", "00")] {
            assert_eq!(alike(a), alike(b), "{a}");
        }
        for (a, b) in [("1-11", "11-1"), ("P-1", "P1"), ("P10", "P1"), ("x", "y")] {
            assert_ne!(alike(a), alike(b), "{a}");
        }
        assert_eq!((plain(""), alike("--")), (String::new(), String::new()));
    }
}
