//! The colours, markers and dashes that tell runs apart.

/// How a run is drawn, on every page: hue, marker and line pattern repeat one distinction, so
/// that no reader depends on colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Position in the palette, 0 to 7; CSS has `--series-{index}` for it.
    pub index: usize,
    pub marker: Marker,
    pub dash: Dash,
}

/// Shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Plus,
}

/// Line pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dash {
    Solid,
    Dashed,
    Dotted,
    DashDot,
}

impl Dash {
    /// Lengths of strokes and gaps in pixels; empty for a solid line.
    pub fn pattern(self) -> &'static [u32] {
        match self {
            Dash::Solid => &[],
            Dash::Dashed => &[8, 5],
            Dash::Dotted => &[2, 4],
            Dash::DashDot => &[9, 4, 2, 4],
        }
    }
}

/// Colours for a light background, `[r, g, b]`: the Okabe-Ito set, darkened where it would lack
/// contrast on white.
pub const LIGHT: [[u8; 3]; 8] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 135, 100],
    [176, 90, 150],
    [166, 118, 0],
    [30, 140, 200],
    [120, 94, 240],
    [70, 70, 70],
];

/// The same hues for a dark background.
pub const DARK: [[u8; 3]; 8] = [
    [86, 170, 235],
    [245, 140, 60],
    [52, 200, 150],
    [222, 140, 196],
    [230, 180, 40],
    [140, 214, 255],
    [178, 162, 255],
    [200, 200, 200],
];

const MARKERS: [Marker; 6] =
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Cross, Marker::Plus];
const DASHES: [Dash; 4] = [Dash::Solid, Dash::Dashed, Dash::Dotted, Dash::DashDot];

/// FNV-1a, 64 bits: small, and the same on every machine and in every version.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// A `#rrggbb` text.
pub fn css(rgb: [u8; 3]) -> String {
    format!("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2])
}

/// The style of one run by its id alone.
pub fn style_of(id: &str) -> Style {
    let h = hash(id);
    let index = (h % LIGHT.len() as u64) as usize;
    Style {
        index,
        marker: MARKERS[((h >> 16) % MARKERS.len() as u64) as usize],
        dash: DASHES[((h >> 32) % DASHES.len() as u64) as usize],
    }
}

/// Styles of runs that are shown together: each keeps its own colour where it can; one whose
/// colour is already taken by a run before it (in order of ids) gets the next marker and dash that the
/// colour has not had, so that no two look alike.
pub fn styles_of(ids: &[&str]) -> Vec<Style> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|i| ids[*i]);
    let mut styles: Vec<Style> = ids.iter().map(|id| style_of(id)).collect();
    let mut taken: Vec<Style> = Vec::new();
    for i in order {
        let mut style = styles[i];
        for attempt in 1..(MARKERS.len() * DASHES.len()) {
            if !taken.contains(&style) {
                break;
            }
            style.marker = MARKERS[(position(style.marker) + 1) % MARKERS.len()];
            style.dash = DASHES[attempt % DASHES.len()];
        }
        styles[i] = style;
        taken.push(style);
    }
    styles
}

fn position(marker: Marker) -> usize {
    MARKERS.iter().position(|m| *m == marker).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_depends_on_the_id_alone() {
        assert_eq!(style_of("k3x9-abc"), style_of("k3x9-abc"));
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn runs_shown_together_never_look_alike() {
        let ids: Vec<String> = (0..40).map(|i| format!("run-{i}")).collect();
        let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
        let styles = styles_of(&refs);
        for (i, a) in styles.iter().enumerate() {
            assert!(!styles[..i].contains(a), "{i}");
            assert_eq!(a.index, style_of(&ids[i]).index);
        }
        let mut backwards = refs.clone();
        backwards.reverse();
        let mut again = styles_of(&backwards);
        again.reverse();
        assert_eq!(again, styles);
    }

    #[test]
    fn colours_have_contrast_with_their_background() {
        let luminance = |c: [u8; 3]| {
            let f = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2])
        };
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        for c in LIGHT {
            assert!(contrast(luminance(c), 1.0) >= 3.0, "{c:?}");
        }
        for c in DARK {
            assert!(contrast(luminance(c), luminance([20, 25, 28])) >= 3.0, "{c:?}");
        }
    }
}
