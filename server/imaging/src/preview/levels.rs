//! Grey levels: which values of an image are shown from black to white.

use transferscope_domain::dataset::view::Levels;

use crate::data::Volume;

/// Share of the voxels that are not zero which the first window leaves black and white. Zeros are
/// counted apart: a diffusion image is exactly zero where it was masked, often in most of its voxels.
const DARK: f64 = 0.01;
const BRIGHT: f64 = 0.005;
/// Share of the voxels that are not zero which may lie above the range: a few bright vessels and
/// artefacts would otherwise leave no grey levels for the rest.
const BEYOND: f64 = 0.0005;

/// Range and first window of an image; NaN and infinities do not count.
pub fn levels(channel: &str, volume: &Volume) -> Levels {
    let mut values: Vec<f32> = volume.data.iter().copied().filter(|v| v.is_finite() && *v != 0.0).collect();
    let has_zero = values.len() < volume.data.len();
    let mut quantile = |share: f64| {
        let last = values.len().checked_sub(1)?;
        let at = (share * last as f64).round() as usize;
        Some(*values.select_nth_unstable_by(at, f32::total_cmp).1)
    };
    let found =
        (|| Some((quantile(0.0)?, quantile(DARK)?, quantile(1.0 - BRIGHT)?, quantile(1.0 - BEYOND)?)))();
    let (lowest, dark, bright, highest) = found.unwrap_or_default();
    let lowest = if has_zero { lowest.min(0.0) } else { lowest };
    // An image of one value still needs a window with a width.
    let above = |low: f32, high: f32| if high > low { high } else { low + 1.0 };
    let bright = above(dark, bright);
    let ends = |low: f32, high: f32| [f64::from(low), f64::from(high)];
    Levels {
        channel: channel.to_owned(),
        range: ends(lowest, above(lowest, highest.max(bright))),
        window: ends(dark, bright),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: Vec<f32>) -> Levels {
        levels("adc", &Volume { shape: [1, 1, data.len()], data })
    }

    #[test]
    fn a_masked_background_does_not_decide_the_window() {
        let mut data = vec![0.0; 9000];
        data.extend((1..=1000).map(|v| v as f32));
        let found = of(data);
        assert_eq!(found.window, [11.0, 995.0]);
        assert_eq!(found.range, [0.0, 1000.0]);
    }

    #[test]
    fn a_bright_spot_does_not_decide_the_range() {
        let mut data: Vec<f32> = (0..10_000).map(|v| 100.0 + (v % 100) as f32).collect();
        data[5000] = 1e6;
        let found = of(data);
        assert_eq!((found.range, found.window), ([100.0, 199.0], [101.0, 199.0]));
    }

    #[test]
    fn every_image_has_a_window_with_a_width() {
        for data in [vec![], vec![0.0; 5], vec![7.0; 5], vec![f32::NAN, f32::INFINITY], vec![-3.0]] {
            let found = of(data);
            for [low, high] in [found.range, found.window] {
                assert!(low.is_finite() && high > low, "{found:?}");
            }
        }
    }
}
