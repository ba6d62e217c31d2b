//! Texts from people as cells of tables that spreadsheets open.

use std::borrow::Cow;

/// A cell of a CSV file (RFC 4180): quoted where it has to be. A spreadsheet takes a text that begins with `=`, `+`, `-`
/// or `@` for a formula and carries it out, so such a text, unless it is a number, gets an apostrophe before it.
pub fn csv(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let plain = !formula && !text.contains([',', '"', '\n', '\r']);
    if plain {
        return text.into();
    }
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\"")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_no_formula() {
        assert_eq!(csv("plain"), "plain");
        assert_eq!(csv("x,y"), "\"x,y\"");
        assert_eq!(csv("say \"so\""), "\"say \"\"so\"\"\"");
        for number in ["-0.5", "+1e-3", "-inf", "12"] {
            assert_eq!(csv(number), number);
        }
        assert_eq!(csv("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        for formula in ["+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "="] {
            assert!(csv(formula).starts_with("\"'"), "{formula:?}");
        }
    }
}
