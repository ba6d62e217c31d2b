//! Colour scales of the pictures.

pub type Rgb = [u8; 3];

/// Behind and between the panels.
pub const GAP: Rgb = [128, 128, 128];
/// NaN and infinity, which no image should hold: loud on purpose.
pub const NOT_FINITE: Rgb = [255, 0, 255];

/// Classes from 1 on: orange, sky blue, bluish green, vermilion, yellow, reddish purple, blue.
/// Later classes start over.
///
/// # Source
/// Okabe and Ito, "Color universal design" (2008).
const CLASSES: [Rgb; 7] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [213, 94, 0],
    [240, 228, 66],
    [204, 121, 167],
    [0, 114, 178],
];

/// Colour of a class; none for the background.
pub fn class(label: u8) -> Option<Rgb> {
    let index = usize::from(label).checked_sub(1)?;
    Some(CLASSES[index % CLASSES.len()])
}

/// 0 at `low`, 1 at `high`, clamped; none for a NaN or an infinity. An empty range gives 0.
fn position(value: f32, [low, high]: [f32; 2]) -> Option<f32> {
    if !value.is_finite() {
        return None;
    }
    if high <= low {
        return Some(0.0);
    }
    Some(((value - low) / (high - low)).clamp(0.0, 1.0))
}

/// Black at the low end of `range`, white at the high end.
pub fn grey(value: f32, range: [f32; 2]) -> Rgb {
    position(value, range).map_or(NOT_FINITE, |t| [(t * 255.0).round() as u8; 3])
}

/// Black, purple, red, orange, pale yellow: rising lightness, so it reads in grey as well.
const HEAT: [Rgb; 5] = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];

/// A value from 0 to the high end of `range` on the heat scale.
pub fn heat(value: f32, range: [f32; 2]) -> Rgb {
    let Some(t) = position(value, range) else { return NOT_FINITE };
    let t = t * (HEAT.len() - 1) as f32;
    let below = (t as usize).min(HEAT.len() - 2);
    blend(HEAT[below], HEAT[below + 1], t - below as f32)
}

/// `under` with `over` at an opacity from 0 to 1.
pub fn blend(under: Rgb, over: Rgb, opacity: f32) -> Rgb {
    std::array::from_fn(|i| {
        (f32::from(under[i]) * (1.0 - opacity) + f32::from(over[i]) * opacity).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_clamp_and_mark_what_is_not_finite() {
        assert_eq!(grey(-3.0, [0.0, 1.0]), [0; 3]);
        assert_eq!(grey(0.5, [0.0, 1.0]), [128; 3]);
        assert_eq!(grey(7.0, [0.0, 1.0]), [255; 3]);
        assert_eq!(grey(7.0, [2.0, 2.0]), [0; 3]);
        assert_eq!(grey(f32::NAN, [0.0, 1.0]), NOT_FINITE);
        assert_eq!(heat(0.0, [0.0, 1.0]), HEAT[0]);
        assert_eq!(heat(9.0, [0.0, 1.0]), HEAT[4]);
        assert_eq!(heat(0.25, [0.0, 1.0]), HEAT[1]);
    }

    #[test]
    fn lightness_rises_along_the_heat_scale() {
        let lightness =
            |[r, g, b]: Rgb| 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
        let steps: Vec<f32> = (0..=20).map(|i| lightness(heat(i as f32, [0.0, 20.0]))).collect();
        assert!(steps.windows(2).all(|w| w[1] > w[0]), "{steps:?}");
    }

    #[test]
    fn every_label_has_a_colour_and_the_background_none() {
        assert_eq!(class(0), None);
        assert_ne!(class(1), class(2));
        assert!(class(255).is_some());
    }
}
