//! Colours of the pictures.

use crate::palette;

use super::options::Theme;

/// `[r, g, b]`.
pub type Rgb = [u8; 3];

/// The colours of one theme.
#[derive(Debug, PartialEq, Eq)]
pub struct Colours {
    /// Background of files, and the rim of markers.
    pub surface: Rgb,
    /// Text that is read first.
    pub ink: Rgb,
    /// Axis text.
    pub muted: Rgb,
    /// Axis lines.
    pub axis: Rgb,
    pub grid: Rgb,
    /// The single hue of heat maps.
    pub heat: Rgb,
    pub series: [Rgb; 8],
}

pub const LIGHT: Colours = Colours {
    surface: [255, 255, 255],
    ink: [31, 37, 42],
    muted: [94, 104, 112],
    axis: [170, 178, 184],
    grid: [231, 234, 237],
    heat: [14, 92, 150],
    series: palette::LIGHT,
};

pub const DARK: Colours = Colours {
    surface: [20, 25, 28],
    ink: [230, 234, 237],
    muted: [154, 164, 172],
    axis: [92, 102, 110],
    grid: [42, 49, 54],
    heat: [108, 182, 240],
    series: palette::DARK,
};

impl Colours {
    /// The colours that a backend draws with; [`Theme::Page`] draws light ones, which
    /// [`css_by_scheme`] then turns into both.
    pub fn of(theme: Theme) -> &'static Colours {
        match theme {
            Theme::Light | Theme::Page => &LIGHT,
            Theme::Dark => &DARK,
        }
    }

    fn all(&self) -> impl Iterator<Item = Rgb> + '_ {
        [self.surface, self.ink, self.muted, self.axis, self.grid, self.heat].into_iter().chain(self.series)
    }
}

/// Replaces the light theme's colours in an SVG text by `light-dark(light, dark)`, so that the
/// picture follows the page's `color-scheme`.
pub fn css_by_scheme(svg: &str) -> String {
    let pairs: Vec<(String, String)> = LIGHT
        .all()
        .zip(DARK.all())
        .map(|(l, d)| {
            let hex = |c: Rgb| format!("#{:02X}{:02X}{:02X}", c[0], c[1], c[2]);
            (format!("\"{}\"", hex(l)), format!("\"light-dark({},{})\"", hex(l), hex(d)))
        })
        .collect();
    let mut out = String::with_capacity(svg.len() * 5 / 4);
    let mut rest = svg;
    while let Some(at) = rest.find("\"#") {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        match pairs.iter().find(|(l, _)| tail.starts_with(l.as_str())) {
            Some((l, both)) => {
                out.push_str(both);
                rest = &tail[l.len()..];
            }
            None => {
                out.push_str("\"#");
                rest = &tail[2..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether a computed CSS colour (`rgb(...)`, `oklch(...)`, `lab(...)`, `color(...)`) is light.
pub fn is_light(css: &str) -> bool {
    let Some((name, rest)) = css.split_once('(') else { return false };
    let numbers: Vec<f64> = rest
        .split([' ', ',', '/', ')'])
        .filter_map(|n| match n.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().ok().map(|v| v / 100.0),
            None => n.parse().ok(),
        })
        .collect();
    let first = numbers.first().copied().unwrap_or(0.0);
    match name.trim() {
        "rgb" | "rgba" => numbers.iter().take(3).sum::<f64>() / 3.0 > 127.0,
        "lab" | "lch" => first > 50.0 || (first > 0.5 && rest.contains('%')),
        "color" => numbers.iter().take(3).sum::<f64>() / 3.0 > 0.5,
        _ => first > 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_text_is_told_from_dark() {
        for light in [
            "rgb(230, 234, 237)",
            "rgba(255, 255, 255, 0.9)",
            "oklch(0.92 0.01 250)",
            "lab(93 0 0)",
            "color(srgb 0.9 0.9 0.9)",
        ] {
            assert!(is_light(light), "{light}");
        }
        for dark in
            ["rgb(31, 37, 42)", "oklch(0.25 0.02 250)", "lab(12 0 0)", "color(srgb 0.1 0.1 0.1)", "", "black"]
        {
            assert!(!is_light(dark), "{dark}");
        }
    }

    #[test]
    fn every_light_colour_has_one_meaning() {
        let all: Vec<Rgb> = LIGHT.all().collect();
        for (i, c) in all.iter().enumerate() {
            assert!(!all[..i].contains(c), "{c:?} is used twice");
        }
    }

    #[test]
    fn colours_become_pairs_and_text_stays() {
        let svg = "<line stroke=\"#1F252A\"/><text fill=\"#123456\">\"# no colour</text>";
        assert_eq!(
            css_by_scheme(svg),
            "<line stroke=\"light-dark(#1F252A,#E6EAED)\"/><text fill=\"#123456\">\"# no colour</text>"
        );
    }
}
