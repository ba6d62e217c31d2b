//! The colours, markers and dashes that tell runs apart.

use transferscope_domain::{Arm, api::RunView};

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

/// Hues of an arm, so that a comparison of arms reads the same on every page: pre-trained blue and violet, from
/// scratch orange and red, the specialist green.
fn hues(arm: Arm) -> &'static [usize] {
    match arm {
        Arm::Pretrained => &[0, 6, 5],
        Arm::Scratch => &[1, 3, 4],
        Arm::Specialist => &[2, 7],
    }
}

fn style(arm: Arm, backbone: &str, id: &str) -> Style {
    let hues = hues(arm);
    let pick = |text: &str, of: usize| ((hash(text) >> 16) % of as u64) as usize;
    Style {
        index: hues[pick(backbone, hues.len())],
        marker: MARKERS[pick(id, MARKERS.len())],
        dash: Dash::Solid,
    }
}

/// The style of a run: its hue says arm and backbone, its marker is its own.
pub fn style_of(run: &RunView) -> Style {
    style(run.arm, &run.backbone, run.id.as_str())
}

/// Styles of runs that are shown together: each keeps its hue, and its marker where it can; no two share both
/// marker and line pattern as long as there are enough of them, so that none depends on hue alone.
pub fn styles_of(runs: &[RunView]) -> Vec<Style> {
    let own: Vec<(&str, Style)> = runs.iter().map(|r| (r.id.as_str(), style_of(r))).collect();
    apart(&own)
}

fn apart(own: &[(&str, Style)]) -> Vec<Style> {
    let mut order: Vec<usize> = (0..own.len()).collect();
    order.sort_by_key(|i| own[*i].0);
    let mut styles: Vec<Style> = own.iter().map(|(_, style)| *style).collect();
    let mut taken: Vec<Style> = Vec::new();
    for i in order {
        let first = styles[i];
        // Another marker before another line pattern: solid lines are read best.
        let looks = (0..DASHES.len()).flat_map(|d| (0..MARKERS.len()).map(move |m| (d, m))).map(|(d, m)| {
            Style { marker: MARKERS[(position(first.marker) + m) % MARKERS.len()], dash: DASHES[d], ..first }
        });
        let alike = |a: &Style, b: &Style| a.marker == b.marker && a.dash == b.dash;
        let free = looks.clone().find(|s| !taken.iter().any(|t| alike(s, t)));
        let other = || {
            (0..LIGHT.len())
                .flat_map(|k| {
                    let index = (first.index + k) % LIGHT.len();
                    looks.clone().map(move |s| Style { index, ..s })
                })
                .find(|s| !taken.contains(s))
        };
        styles[i] = free.or_else(other).unwrap_or(first);
        taken.push(styles[i]);
    }
    styles
}

fn position(marker: Marker) -> usize {
    MARKERS.iter().position(|m| *m == marker).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Some style for charts that have no run.
    pub(crate) fn plain(id: &str) -> Style {
        style(Arm::Pretrained, id, id)
    }

    #[test]
    fn a_style_depends_on_the_run_alone() {
        let same = || style(Arm::Scratch, "provicnet-mini", "k3x9-abc");
        assert_eq!(same(), same());
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn arms_and_shipped_backbones_have_hues_of_their_own() {
        let mut hues: Vec<usize> = [
            (Arm::Pretrained, "provicnet-mini"),
            (Arm::Pretrained, "profound-conv-mini"),
            (Arm::Scratch, "provicnet-mini"),
            (Arm::Scratch, "profound-conv-mini"),
            (Arm::Specialist, "unet"),
        ]
        .map(|(arm, backbone)| style(arm, backbone, "x").index)
        .to_vec();
        hues.sort_unstable();
        hues.dedup();
        assert_eq!(hues.len(), 5);
    }

    #[test]
    fn runs_shown_together_never_look_alike() {
        let ids: Vec<String> = (0..100).map(|i| format!("run-{i}")).collect();
        let own: Vec<(&str, Style)> =
            ids.iter().map(|id| (id.as_str(), style(Arm::Pretrained, "a", id))).collect();
        let styles = apart(&own);
        for (i, a) in styles.iter().enumerate() {
            assert!(!styles[..i].contains(a), "{i}");
        }
        let mut backwards = own.clone();
        backwards.reverse();
        let mut again = apart(&backwards);
        again.reverse();
        assert_eq!(again, styles);
    }

    #[test]
    fn up_to_24_runs_are_told_apart_without_hue() {
        let ids: Vec<String> = (0..24).map(|i| format!("run-{i}")).collect();
        let own: Vec<(&str, Style)> =
            ids.iter().map(|id| (id.as_str(), style(Arm::Scratch, id, id))).collect();
        let styles = apart(&own);
        for (i, a) in styles.iter().enumerate() {
            assert!(styles[..i].iter().all(|b| a.marker != b.marker || a.dash != b.dash), "{i}");
            assert_eq!(a.index, own[i].1.index);
        }
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
