//! Panels and strips.

use super::{
    PreviewError,
    colour::{self, Rgb},
    picture::Picture,
};

/// Largest |error| of the error panel, in units of the images (data range 1): fixed, so that
/// pictures of different runs and epochs can be compared.
pub const ERROR_RANGE: f32 = 0.2;

/// Panels are enlarged to about this many pixels.
const READABLE: usize = 192;
/// Most pixels of a picture's side.
const MOST: usize = 8192;
/// Pixels between panels.
const GAP: usize = 2;
/// Opacity of a mask's inside and of its outline.
const INSIDE: f32 = 0.35;
const OUTLINE: f32 = 0.9;

/// One panel of a strip; all slices are row-major `[H, W]`.
#[derive(Debug, Clone, Copy)]
pub enum Panel<'a> {
    /// Values in grey, black at the first and white at the second end of the range.
    Grey { pixels: &'a [f32], range: [f32; 2] },
    /// The same under a translucent mask: classes from 1 on in colours, outlines stronger.
    Overlay { pixels: &'a [f32], range: [f32; 2], labels: &'a [u8] },
    /// |a - b| from black (0) to pale yellow (`most` and more).
    Error { a: &'a [f32], b: &'a [f32], most: f32 },
}

impl Panel<'_> {
    fn check(&self, [height, width]: [usize; 2]) -> Result<(), PreviewError> {
        let parts: [(&'static str, usize); 2] = match self {
            Panel::Grey { pixels, .. } => [("the image", pixels.len()); 2],
            Panel::Overlay { pixels, labels, .. } => {
                [("the image", pixels.len()), ("the mask", labels.len())]
            }
            Panel::Error { a, b, .. } => [("the first image", a.len()), ("the second image", b.len())],
        };
        let needed = height * width;
        match parts.into_iter().find(|(_, values)| *values != needed) {
            Some((what, values)) => Err(PreviewError::Size { what, values, height, width, needed }),
            None => Ok(()),
        }
    }

    fn colour(&self, [height, width]: [usize; 2], y: usize, x: usize) -> Rgb {
        let at = y * width + x;
        match *self {
            Panel::Grey { pixels, range } => colour::grey(pixels[at], range),
            Panel::Error { a, b, most } => colour::heat((a[at] - b[at]).abs(), [0.0, most]),
            Panel::Overlay { pixels, range, labels } => {
                let under = colour::grey(pixels[at], range);
                let Some(over) = colour::class(labels[at]) else { return under };
                let differs = |inside: bool, other: usize| inside && labels[other] != labels[at];
                let edge = differs(y > 0, at.saturating_sub(width))
                    || differs(y + 1 < height, at + width)
                    || differs(x > 0, at.saturating_sub(1))
                    || differs(x + 1 < width, at + 1);
                colour::blend(under, over, if edge { OUTLINE } else { INSIDE })
            }
        }
    }
}

/// Panels of one size side by side, enlarged by a whole factor (up to 3, to about 192 pixels),
/// with two pixels of grey between them.
///
/// # Errors
/// When a slice does not have `[H, W]` values, or there is nothing or too much to draw.
pub fn strip(size: [usize; 2], panels: &[Panel<'_>]) -> Result<Picture, PreviewError> {
    let [height, width] = size;
    let too_large = height > MOST || width.saturating_mul(panels.len()) > MOST;
    if panels.is_empty() || height == 0 || width == 0 || too_large {
        return Err(PreviewError::Extent { most: MOST });
    }
    for panel in panels {
        panel.check(size)?;
    }
    let scale = (READABLE / height.max(width)).clamp(1, 3);
    let (panel_w, panel_h) = (width * scale, height * scale);
    let mut picture = Picture::filled(panels.len() * (panel_w + GAP) - GAP, panel_h, colour::GAP);
    for (i, panel) in panels.iter().enumerate() {
        let left = i * (panel_w + GAP);
        for y in 0..height {
            for x in 0..width {
                let colour = panel.colour(size, y, x);
                picture.fill_square(left + x * scale, y * scale, scale, colour);
            }
        }
    }
    Ok(picture)
}

/// Four panels: the image, the target over it, the prediction over it, and where the two differ.
///
/// # Errors
/// As [`strip`].
pub fn segmentation_strip(
    size: [usize; 2],
    image: &[f32],
    range: [f32; 2],
    target: &[u8],
    prediction: &[u8],
) -> Result<Picture, PreviewError> {
    let differs: Vec<f32> = target.iter().zip(prediction).map(|(t, p)| f32::from(u8::from(t != p))).collect();
    let same = vec![0.0; differs.len()];
    strip(
        size,
        &[
            Panel::Grey { pixels: image, range },
            Panel::Overlay { pixels: image, range, labels: target },
            Panel::Overlay { pixels: image, range, labels: prediction },
            Panel::Error { a: &differs, b: &same, most: 1.0 },
        ],
    )
}

/// Four panels: input, target, prediction, and |prediction - target| on the fixed scale
/// ([`ERROR_RANGE`]); the images share one grey scale.
///
/// # Errors
/// As [`strip`].
pub fn restoration_strip(
    size: [usize; 2],
    input: &[f32],
    target: &[f32],
    prediction: &[f32],
    range: [f32; 2],
) -> Result<Picture, PreviewError> {
    strip(
        size,
        &[
            Panel::Grey { pixels: input, range },
            Panel::Grey { pixels: target, range },
            Panel::Grey { pixels: prediction, range },
            Panel::Error { a: prediction, b: target, most: ERROR_RANGE },
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_stand_side_by_side_enlarged() {
        let picture =
            restoration_strip([1, 2], &[0.0, 1.0], &[1.0, 0.5], &[1.0, 0.5 + ERROR_RANGE], [0.0, 1.0])
                .unwrap();
        // Factor 3: panels of 6 x 3 and three gaps of 2.
        assert_eq!(picture.size(), [4 * 6 + 3 * 2, 3]);
        assert_eq!(picture.pixel(2, 2), [0; 3]);
        assert_eq!(picture.pixel(3, 0), [255; 3]);
        assert_eq!([picture.pixel(6, 0), picture.pixel(7, 2)], [colour::GAP; 2]);
        assert_eq!(picture.pixel(8, 1), [255; 3]);
        assert_eq!(picture.pixel(11, 1), [128; 3]);
        assert_eq!(picture.pixel(24, 1), colour::heat(0.0, [0.0, 1.0]));
        assert_eq!(picture.pixel(29, 2), colour::heat(1.0, [0.0, 1.0]));
    }

    #[test]
    fn masks_colour_their_voxels_and_stress_their_outline() {
        let image = [0.5; 25];
        let mut target = [0u8; 25];
        for y in 1..4 {
            for x in 1..4 {
                target[y * 5 + x] = 1;
            }
        }
        let picture = segmentation_strip([5, 5], &image, [0.0, 1.0], &target, &[2; 25]).unwrap();
        let (grey, one, two) = ([128; 3], colour::class(1).unwrap(), colour::class(2).unwrap());
        let panel = 5 * 3 + GAP;
        assert_eq!(picture.pixel(0, 0), grey);
        assert_eq!(picture.pixel(panel, 0), grey);
        assert_eq!(picture.pixel(panel + 3, 3), colour::blend(grey, one, OUTLINE));
        assert_eq!(picture.pixel(panel + 7, 7), colour::blend(grey, one, INSIDE));
        // A mask that fills the slice has no outline at the picture's border.
        assert_eq!(picture.pixel(2 * panel, 0), colour::blend(grey, two, INSIDE));
        assert_eq!(picture.pixel(3 * panel, 0), colour::heat(1.0, [0.0, 1.0]));
    }

    #[test]
    fn usual_slices_are_doubled_and_large_ones_are_not() {
        let side = |n: usize| {
            let pixels = vec![0.0; n * n];
            strip([n, n], &[Panel::Grey { pixels: &pixels, range: [0.0, 1.0] }]).unwrap().size()
        };
        assert_eq!([side(96), side(64), side(448)], [[192; 2], [192; 2], [448; 2]]);
    }

    #[test]
    fn wrong_sizes_are_errors() {
        let error = segmentation_strip([2, 2], &[0.0; 4], [0.0, 1.0], &[0; 4], &[0; 3]).unwrap_err();
        assert_eq!(error.to_string(), "the mask has 3 values; a slice of 2 x 2 needs 4");
        assert!(matches!(strip([2, 2], &[]), Err(PreviewError::Extent { .. })));
        assert!(matches!(
            strip([usize::MAX, 2], &[Panel::Error { a: &[], b: &[], most: 1.0 }]),
            Err(PreviewError::Extent { .. })
        ));
    }
}
