//! Pictures: PNG, JPEG and TIFF as volumes of one slice, or of a slice a page.
//!
//! What a file is, is told from its first bytes, not from its name. No more memory is taken than a file of its size can
//! fill: compression has a limit, and a header that promises more is not believed.

mod jpeg;
mod png;
mod tiff;

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use super::{Kind, voxels};
use crate::data::{Geometry, Image, Volume};

/// Endings of pictures, small.
pub const PICTURE_ENDINGS: [&str; 5] = [".png", ".jpg", ".jpeg", ".tif", ".tiff"];

/// A red, green and blue value.
pub type Colour = [u8; 3];

/// What of a picture is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Its brightness; of a mask its values, or the numbers of the palette's colours.
    Grey,
    Red,
    Green,
    Blue,
    /// A mask in which each of these colours is a class, the first one 1; black is background.
    Colours(Arc<[Colour]>),
}

impl Part {
    /// Whether it is one of three colours.
    pub fn is_colour(&self) -> bool {
        matches!(self, Part::Red | Part::Green | Part::Blue)
    }
}

/// A picture, or the pages of one.
#[derive(Debug, Clone)]
pub struct Raster {
    /// `[D, H, W]`
    pub shape: [usize; 3],
    /// Values of a pixel that lie side by side: 1 or 3.
    pub bands: usize,
    pub samples: Vec<f32>,
    /// The samples are numbers of these colours.
    pub palette: Option<Vec<Colour>>,
    /// Size of a pixel in mm (x, y), where the file has one that is not a screen's or a printer's.
    pub pixel_mm: Option<[f64; 2]>,
    /// From page to page.
    pub slice_mm: Option<f64>,
    /// Whether storing it changed its values.
    pub lossy: bool,
}

/// Sizes of pixels that can be a patient's.
const PIXELS_MM: std::ops::RangeInclusive<f64> = 1e-3..=100.0;

/// Dots an inch of screens and printers: programs write them when they know nothing.
const SCREENS_DPI: [f64; 16] = [
    1.0, 36.0, 72.0, 75.0, 90.0, 96.0, 100.0, 120.0, 144.0, 150.0, 192.0, 200.0, 240.0, 300.0, 600.0, 1200.0,
];

/// A pixel's size, where it can be a patient's and is none of a screen's or printer's.
fn physical(pixel_mm: [f64; 2]) -> Option<[f64; 2]> {
    let screen = |mm: f64| SCREENS_DPI.iter().any(|dpi| (25.4 / mm - dpi).abs() < 0.01 * dpi);
    let sane = pixel_mm.iter().all(|mm| PIXELS_MM.contains(mm));
    (sane && !pixel_mm.iter().all(|mm| screen(*mm))).then_some(pixel_mm)
}

/// Checks the size of a picture before memory is taken for it: `bytes` are those of its decoded pixels, `file` those of
/// the file.
fn plausible(
    width: u64,
    height: u64,
    pages: usize,
    bands: usize,
    bytes: u64,
    file: u64,
) -> Result<(), String> {
    /// More than what is flat all over can be compressed.
    const RATIO: u64 = 2048;
    let side = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    voxels([side(width), side(height), pages])?;
    voxels([side(width).saturating_mul(bands), side(height), pages])
        .map_err(|why| format!("{bands} values a pixel: {why}"))?;
    if bytes / RATIO > file {
        return Err(format!("its header promises {width}x{height} pixels, more than {file} bytes can hold"));
    }
    Ok(())
}

/// Whether a name has the ending of a picture.
pub fn is_picture(name: &str) -> bool {
    stem(name).is_some()
}

/// A picture's name without its ending; none where it has none of a picture.
pub fn stem(name: &str) -> Option<&str> {
    let lower = name.to_ascii_lowercase();
    let ending = PICTURE_ENDINGS.iter().find(|ending| lower.ends_with(**ending))?;
    Some(&name[..name.len() - ending.len()]).filter(|stem| !stem.is_empty())
}

/// Reads a picture; reasons of refusal in words.
pub fn read(path: &Path) -> Result<Raster, String> {
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(|e| e.to_string())?;
    file.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let source = BufReader::new(file);
    match start.as_slice() {
        [0x89, b'P', b'N', b'G'] => png::read(source, size).map_err(|e| format!("a PNG picture: {e}")),
        [0xff, 0xd8, 0xff, _] => jpeg::read(source, size).map_err(|e| format!("a JPEG picture: {e}")),
        [b'I', b'I', 42 | 43, 0] | [b'M', b'M', 0, 42 | 43] => {
            tiff::read(source, size).map_err(|e| format!("a TIFF picture: {e}"))
        }
        [] => Err("not a picture: it is empty".into()),
        _ => Err("not a picture: neither PNG nor JPEG nor TIFF".into()),
    }
}

impl Raster {
    /// Whether its pixels have colours that are no greys.
    pub fn is_coloured(&self) -> bool {
        match &self.palette {
            Some(colours) => {
                let grey = |colour: &Colour| colour[0] == colour[1] && colour[1] == colour[2];
                let mut used = vec![false; colours.len()];
                for sample in &self.samples {
                    if let Some(used) = used.get_mut(*sample as usize) {
                        *used = true;
                    }
                }
                colours.iter().zip(used).any(|(colour, used)| used && !grey(colour))
            }
            None => {
                self.bands == 3 && self.samples.as_chunks::<3>().0.iter().any(|[r, g, b]| r != g || g != b)
            }
        }
    }

    /// Its colours with 8 bits each; none where there are more than `most`, or it has no colours.
    pub fn colours(&self, most: usize) -> Option<std::collections::BTreeSet<Colour>> {
        let mut found = std::collections::BTreeSet::new();
        if self.bands != 3 {
            return None;
        }
        let mut last = None;
        for pixel in self.samples.as_chunks::<3>().0 {
            if last == Some(pixel) {
                continue;
            }
            last = Some(pixel);
            found.insert(eight_bits(*pixel)?);
            if found.len() > most {
                return None;
            }
        }
        Some(found)
    }

    /// One number a pixel: a colour's as `pick` says, others as they are.
    fn plane(&self, pick: impl Fn([f32; 3]) -> f32) -> Vec<f32> {
        match (&self.palette, self.bands) {
            (Some(colours), _) => {
                let values: Vec<f32> = colours.iter().map(|colour| pick(colour.map(f32::from))).collect();
                // Numbers beyond the palette are black, as programs show them.
                self.samples.iter().map(|v| values.get(*v as usize).copied().unwrap_or(0.0)).collect()
            }
            (None, 3) => self.samples.as_chunks::<3>().0.iter().map(|pixel| pick(*pixel)).collect(),
            (None, _) => self.samples.clone(),
        }
    }

    /// The part that is asked for, and what was decided.
    ///
    /// # Errors
    /// In words: what cannot be a mask.
    pub fn part(&self, part: &Part, kind: Kind) -> Result<(Vec<f32>, Option<String>), String> {
        let intensities = kind == Kind::Intensities;
        Ok(match part {
            Part::Red if intensities => (self.plane(|[r, _, _]| r), None),
            Part::Green if intensities => (self.plane(|[_, g, _]| g), None),
            Part::Blue if intensities => (self.plane(|[_, _, b]| b), None),
            _ if intensities => {
                let coloured = self.is_coloured();
                let plane = if coloured {
                    self.plane(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b)
                } else {
                    self.plane(|[r, _, _]| r)
                };
                (plane, coloured.then(|| "a picture in colour, of which the brightness was taken".to_owned()))
            }
            Part::Colours(classes) if self.bands == 3 => (self.classes(classes)?, None),
            _ if self.lossy => self.of_two_values()?,
            _ if self.is_soft() => (
                self.bright(),
                Some("a mask with soft edges: values of 128 and more were taken as 255".into()),
            ),
            _ if self.bands == 1 => (self.samples.clone(), None),
            _ if self.is_coloured() => {
                return Err(
                    "a mask in many colours: one of a few colours, or of whole numbers, was expected".into(),
                );
            }
            _ => (self.plane(|[r, _, _]| r), None),
        })
    }

    /// The class of every pixel by its colour.
    fn classes(&self, classes: &[Colour]) -> Result<Vec<f32>, String> {
        let class = |pixel: &[f32; 3]| {
            let colour = eight_bits(*pixel);
            let at = colour.and_then(|colour| classes.iter().position(|known| *known == colour));
            match (at, pixel.iter().all(|v| *v == 0.0)) {
                (Some(at), _) => Ok(at as f32 + 1.0),
                (None, true) => Ok(0.0),
                (None, false) => Err(format!(
                    "a mask with the colour {}, which no other mask has",
                    colour.map_or_else(|| format!("{pixel:?}"), |colour| named(&colour))
                )),
            }
        };
        self.samples.as_chunks::<3>().0.iter().map(class).collect()
    }

    /// A mask that was stored with loss, where it can only have had two values: its bright part.
    fn of_two_values(&self) -> Result<(Vec<f32>, Option<String>), String> {
        const BETWEEN: std::ops::RangeInclusive<f32> = 48.0..=207.0;
        let plane = self.plane(|[r, g, b]| (r + g + b) / 3.0);
        let between = plane.iter().filter(|v| BETWEEN.contains(v)).count();
        if self.is_coloured() && between * 10 > plane.len() || between * 20 > plane.len() {
            return Err("JPEG changes the values of a mask: PNG or TIFF was expected".into());
        }
        let bright = plane.iter().map(|v| if *v >= 128.0 { 255.0 } else { 0.0 }).collect();
        Ok((
            bright,
            Some("JPEG changes the values of a mask: those of 128 and more were taken as 255".into()),
        ))
    }

    /// Its bright part as 255.
    fn bright(&self) -> Vec<f32> {
        self.plane(|[r, g, b]| (r + g + b) / 3.0)
            .iter()
            .map(|v| if *v >= 128.0 { 255.0 } else { 0.0 })
            .collect()
    }

    /// Whether it is a mask of 0 and 255 that was drawn or scaled with smooth edges: a few pixels between, of many values.
    fn is_soft(&self) -> bool {
        const MANY: usize = 30;
        if self.bands != 1 || self.palette.is_some() {
            return false;
        }
        let mut seen = [false; 256];
        let mut between = 0;
        for v in &self.samples {
            if !(0.0..=255.0).contains(v) || v.fract() != 0.0 {
                return false;
            }
            seen[*v as usize] = true;
            between += usize::from(*v != 0.0 && *v != 255.0);
        }
        seen[0]
            && seen[255]
            && between * 5 < self.samples.len()
            && seen.iter().filter(|seen| **seen).count() > MANY
    }

    /// Its grid, with its own pixel size or 1 mm.
    fn geometry(&self, sized: bool) -> Geometry {
        let [x, y] = self.pixel_mm.filter(|_| sized).unwrap_or([1.0; 2]);
        let z = self.slice_mm.filter(|_| sized).unwrap_or(x);
        Geometry::new([x, y, z], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    }

    /// A part as an image, and what was decided.
    ///
    /// # Errors
    /// In words: what cannot be a mask.
    pub fn image(&self, part: &Part, sized: bool, kind: Kind) -> Result<(Image, Option<String>), String> {
        let (data, note) = self.part(part, kind)?;
        let geometry = self.geometry(sized);
        Ok((Image { volume: Volume { shape: self.shape, data }, geometry }, note))
    }
}

/// A colour as people write it.
pub fn named(colour: &Colour) -> String {
    let [r, g, b] = colour;
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn eight_bits(pixel: [f32; 3]) -> Option<Colour> {
    let byte = |v: f32| ((0.0..=255.0).contains(&v) && v.fract() == 0.0).then_some(v as u8);
    Some([byte(pixel[0])?, byte(pixel[1])?, byte(pixel[2])?])
}

/// Samples of fewer than 8 bits, packed with the highest bits first and every line begun anew.
fn unpacked(bytes: &[u8], bits: usize, line: usize, width: usize) -> Vec<f32> {
    let mask = (1u16 << bits) - 1;
    let per_byte = 8 / bits;
    let value = |line: &[u8], x: usize| {
        let byte = line.get(x / per_byte).copied().unwrap_or(0);
        f32::from((u16::from(byte) >> (8 - bits * (x % per_byte + 1))) & mask)
    };
    bytes.chunks(line.max(1)).flat_map(|line| (0..width).map(move |x| value(line, x))).collect()
}

/// The first or first three of the values of every pixel, without transparency.
fn bands(samples: impl Iterator<Item = f32>, stored: usize, taken: usize) -> Vec<f32> {
    if stored == taken {
        return samples.collect();
    }
    samples.enumerate().filter(|(i, _)| i % stored < taken).map(|(_, v)| v).collect()
}

#[cfg(test)]
mod tests;
