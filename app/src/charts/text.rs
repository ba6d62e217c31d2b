//! Text in and beside pictures.

use transferscope_domain::MetricKind;

/// A minus sign as wide as a digit.
pub const MINUS: &str = "\u{2212}";

/// Estimated width of a text in CSS pixels: the SVG backend has no fonts to measure with.
pub fn width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' | ' ' => 0.29,
            'f' | 't' | 'r' | '(' | ')' | '/' | '-' => 0.38,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.86,
            'A'..='Z' => 0.69,
            '⁰'..='⁹' | '¹' | '²' | '³' | '⁻' => 0.4,
            _ => 0.61,
        })
        .sum();
    em * size
}

/// Shortens a text to a width in CSS pixels; the end, which tells names apart, stays as much as the beginning.
pub fn shorten(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    for keep in (1..chars.len()).rev() {
        let (head, tail) = (keep.div_ceil(2), keep / 2);
        let short: String =
            chars[..head].iter().chain(['…'].iter()).chain(&chars[chars.len() - tail..]).collect();
        if width(&short, size) <= most {
            return short;
        }
    }
    "…".into()
}

/// A whole number in superscript digits.
pub fn superscript(n: i32) -> String {
    n.to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '0' => '⁰',
            d => char::from_u32(0x2070 + (d as u32 - '0' as u32)).unwrap_or(d),
        })
        .collect()
}

/// A value with four significant digits, or as a power of ten where that would be long.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "not a number".into();
    }
    let size = value.abs();
    let text = if size == 0.0 {
        "0".into()
    } else if !(1e-4..1e6).contains(&size) {
        let power = size.log10().floor() as i32;
        format!("{:.2}×10{}", value / 10f64.powi(power), superscript(power))
    } else {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        format!("{value:.decimals$}")
    };
    text.replace('-', MINUS)
}

/// A metric's value with the metric's decimals and unit.
pub fn value(value: f64, kind: Option<MetricKind>) -> String {
    match kind {
        Some(kind) if value.is_finite() && (value == 0.0 || value.abs() >= 1e-3) && value.abs() < 1e6 => {
            let text = format!("{value:.*}", kind.decimals()).replace('-', MINUS);
            if kind.unit().is_empty() { text } else { format!("{text} {}", kind.unit()) }
        }
        _ => significant(value),
    }
}

/// A permutation p-value.
pub fn p_value(p: f64) -> String {
    if !p.is_finite() {
        "p unknown".into()
    } else if p < 0.001 {
        "p < 0.001".into()
    } else {
        format!("p = {p:.3}")
    }
}

/// The numbers of a chart as a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(significant(0.81234), "0.8123");
        assert_eq!(significant(-12.3456), "−12.35");
        assert_eq!(significant(3.2e-7), "3.20×10⁻⁷");
        assert_eq!(significant(f64::NAN), "not a number");
        assert_eq!(value(31.256, Some(MetricKind::PsnrDb)), "31.26 dB");
        assert_eq!(value(0.00001, Some(MetricKind::Lr)), "1.00×10⁻⁵");
        assert_eq!(p_value(0.0004), "p < 0.001");
    }

    #[test]
    fn long_names_keep_both_ends() {
        let short = shorten("profound-conv-mini pre-trained seed 12", 12.0, 110.0);
        assert!(short.starts_with("profou") && short.ends_with("12") && short.contains('…'), "{short}");
        assert!(width(&short, 12.0) <= 110.0);
        assert_eq!(shorten("abc", 12.0, 0.0), "…");
        assert_eq!(shorten("", 12.0, 0.0), "");
    }
}
