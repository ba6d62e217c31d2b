//! Slices of a case as PNG files: one, or all of a volume on a sheet.
//!
//! Images come in eight-bit grey; masks come in colours on a transparent ground, to be laid over them.

use transferscope_domain::dataset::sheet::Sheet;

use super::{PreviewError, colour};
use crate::data::Volume;

/// Most voxels of a slice's side.
const SIDE_MAX: usize = 8192;
/// Classes that have a colour of their own; later ones start over.
const CLASSES: u8 = 7;
/// Opacity of a tinted inside; outlines are opaque. The page dims both further.
const INSIDE: u8 = 90;

/// How a volume is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look {
    /// From black at the window's low end to white at its high end; black where there is no number.
    Grey { window: [f32; 2] },
    /// Each class in a colour, the first one in colour `first` (counted from 1).
    Mask { first: u8, tint: bool },
}

/// One slice, a pixel a voxel.
///
/// # Errors
/// When the volume has no such slice or is too large for a picture.
pub fn slice(volume: &Volume, look: Look, z: usize) -> Result<Vec<u8>, PreviewError> {
    let [depth, height, width] = checked(volume)?;
    if z >= depth {
        return Err(PreviewError::Slice { asked: z, slices: depth });
    }
    let mut pixels = vec![0; height * width];
    paint(volume, look, z, &mut pixels, width);
    png(&pixels, [height, width], look)
}

/// All slices on one picture.
///
/// # Errors
/// When the volume is too large for a sheet.
pub fn sheet(volume: &Volume, look: Look) -> Result<Vec<u8>, PreviewError> {
    let [depth, height, width] = checked(volume)?;
    let too_large = PreviewError::Extent { most: SIDE_MAX };
    let Some((sheet, [full_height, full_width])) =
        Sheet::of(volume.shape).and_then(|s| Some((s, s.size([height, width])?)))
    else {
        return Err(too_large);
    };
    let mut pixels = vec![0; full_height * full_width];
    for z in 0..depth {
        let [row, column] = sheet.tile(z);
        let gap = transferscope_domain::dataset::sheet::GAP;
        let corner = row * (height + gap) * full_width + column * (width + gap);
        paint(volume, look, z, &mut pixels[corner..], full_width);
    }
    png(&pixels, [full_height, full_width], look)
}

fn checked(volume: &Volume) -> Result<[usize; 3], PreviewError> {
    let [_, height, width] = volume.shape;
    if volume.is_empty() || height > SIDE_MAX || width > SIDE_MAX {
        return Err(PreviewError::Extent { most: SIDE_MAX });
    }
    Ok(volume.shape)
}

/// Paints slice `z` at the beginning of `pixels`, whose rows are `stride` long.
fn paint(volume: &Volume, look: Look, z: usize, pixels: &mut [u8], stride: usize) {
    let [_, height, width] = volume.shape;
    let values = volume.slice(z);
    let rows = values.chunks_exact(width).zip(pixels.chunks_mut(stride)).enumerate();
    for (y, (row, out)) in rows {
        for (x, value) in row.iter().enumerate() {
            out[x] = match look {
                Look::Grey { window } => grey(*value, window),
                Look::Mask { tint, .. } => {
                    // A label is a whole number; casting takes what is none to the background.
                    let label = *value as u8;
                    let at = y * width + x;
                    let differs = |inside: bool, other: usize| inside && values[other] as u8 != label;
                    let edge = differs(y > 0, at.wrapping_sub(width))
                        || differs(y + 1 < height, at + width)
                        || differs(x > 0, at.wrapping_sub(1))
                        || differs(x + 1 < width, at + 1);
                    match label {
                        0 => 0,
                        _ if edge => 1 + (label - 1) % CLASSES,
                        _ if tint => 1 + CLASSES + (label - 1) % CLASSES,
                        _ => 0,
                    }
                }
            };
        }
    }
}

fn grey(value: f32, [low, high]: [f32; 2]) -> u8 {
    if high <= low {
        return 0;
    }
    // The cast takes a NaN to 0 and keeps what is outside at the ends.
    ((value - low) / (high - low) * 255.0).round() as u8
}

/// Colours of a mask's pixels: nothing, outlines by class, insides by class.
fn palette(first: u8) -> (Vec<u8>, Vec<u8>) {
    let colours = (0..CLASSES).filter_map(|class| colour::class(first.saturating_add(class)));
    let both: Vec<colour::Rgb> = colours.clone().chain(colours).collect();
    let rgb = std::iter::once([0; 3]).chain(both.iter().copied()).flatten().collect();
    let classes = usize::from(CLASSES);
    let alpha = std::iter::once(0).chain([255].repeat(classes)).chain([INSIDE].repeat(classes)).collect();
    (rgb, alpha)
}

fn png(pixels: &[u8], [height, width]: [usize; 2], look: Look) -> Result<Vec<u8>, PreviewError> {
    let side = |n: usize| u32::try_from(n).map_err(|_| PreviewError::Extent { most: SIDE_MAX });
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(width)?, side(height)?);
    encoder.set_depth(png::BitDepth::Eight);
    match look {
        Look::Grey { .. } => encoder.set_color(png::ColorType::Grayscale),
        Look::Mask { first, .. } => {
            let (rgb, alpha) = palette(first);
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(rgb);
            encoder.set_trns(alpha);
        }
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width, height and the pixels as RGBA.
    fn decoded(file: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let pixels = match info.color_type {
            png::ColorType::GrayscaleAlpha => {
                bytes.chunks_exact(2).map(|p| [p[0], p[0], p[0], p[1]]).collect()
            }
            png::ColorType::Rgba => bytes.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect(),
            other => panic!("{other:?}"),
        };
        (info.width, info.height, pixels)
    }

    fn ramp() -> Volume {
        Volume { shape: [3, 2, 2], data: (0..12).map(|v| v as f32).collect() }
    }

    #[test]
    fn grey_goes_from_the_window_s_low_end_to_its_high_end() {
        let look = Look::Grey { window: [5.0, 6.0] };
        let (width, height, pixels) = decoded(&slice(&ramp(), look, 1).unwrap());
        assert_eq!((width, height), (2, 2));
        let values: Vec<u8> = pixels.iter().map(|p| p[0]).collect();
        assert_eq!(values, [0, 0, 255, 255]);
        let odd = Volume { shape: [1, 1, 4], data: vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5] };
        let look = Look::Grey { window: [0.0, 1.0] };
        let values: Vec<u8> = decoded(&slice(&odd, look, 0).unwrap()).2.iter().map(|p| p[0]).collect();
        assert_eq!(values, [0, 255, 0, 128]);
    }

    #[test]
    fn a_sheet_holds_every_slice_at_its_tile() {
        let look = Look::Grey { window: [0.0, 255.0] };
        let (width, height, pixels) = decoded(&sheet(&ramp(), look).unwrap());
        assert_eq!((width, height), (6, 6));
        let at = |x: usize, y: usize| pixels[y * 6 + x][0];
        assert_eq!([at(0, 0), at(1, 1)], [0, 3]);
        assert_eq!([at(4, 0), at(5, 1)], [4, 7]);
        assert_eq!([at(0, 4), at(1, 5)], [8, 11]);
        assert_eq!([at(2, 0), at(3, 3), at(5, 5)], [0; 3]);
    }

    #[test]
    fn masks_have_outlines_and_a_tint_and_no_ground() {
        let mut mask = Volume::filled([1, 7, 7], 0.0);
        for y in 1..6 {
            for x in 1..6 {
                mask.data[y * 7 + x] = if x < 3 { 1.0 } else { 2.0 };
            }
        }
        let colour = |class: u8, alpha: u8| {
            let [r, g, b] = colour::class(class).unwrap();
            [r, g, b, alpha]
        };
        let draw = |tint| decoded(&slice(&mask, Look::Mask { first: 1, tint }, 0).unwrap()).2;
        let (outline, tint) = (draw(false), draw(true));
        assert_eq!(outline[0][3], 0);
        assert_eq!(outline[7 + 1], colour(1, 255));
        // Where the zones touch, both have an edge.
        assert_eq!([outline[3 * 7 + 2], outline[3 * 7 + 3]], [colour(1, 255), colour(2, 255)]);
        assert_eq!(outline[3 * 7 + 4][3], 0);
        assert_eq!(tint[3 * 7 + 4], colour(2, INSIDE));
        let lesion = decoded(&slice(&mask, Look::Mask { first: 6, tint: false }, 0).unwrap()).2;
        assert_eq!(lesion[7 + 1], colour(6, 255));
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let look = Look::Grey { window: [0.0, 1.0] };
        assert!(slice(&ramp(), look, 3).unwrap_err().to_string().contains("no slice 3"));
        assert!(slice(&Volume::filled([0, 4, 4], 0.0), look, 0).is_err());
        assert!(slice(&Volume::filled([1, 1, 9000], 0.0), look, 0).is_err());
        assert!(sheet(&Volume::filled([1, 1, 9000], 0.0), look).is_err());
    }
}
