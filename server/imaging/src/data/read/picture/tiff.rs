//! TIFF pictures; several pages are slices of one stack.

use std::io::{BufRead, Seek};

use ::tiff::{
    ColorType,
    decoder::{Decoder, DecodingResult, Limits, ifd::Value},
    tags::Tag,
};

use super::{Colour, Raster, bands, physical, plausible, unpacked};

/// A stack of more pages is refused.
const MAX_PAGES: usize = 10_000;

/// What all pages of a file must have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Page {
    width: u32,
    height: u32,
    colour: ColorType,
}

pub fn read(source: impl BufRead + Seek, size: u64) -> Result<Raster, String> {
    let mut decoder = Decoder::new(source).map_err(|e| e.to_string())?;
    let mut first: Option<Page> = None;
    let (mut samples, mut pages) = (Vec::new(), 0);
    let (mut palette, mut pixel_mm, mut slice_mm) = (None, None, None);
    let taken = loop {
        let (width, height) = decoder.dimensions().map_err(|e| e.to_string())?;
        let colour = decoder.colortype().map_err(|e| e.to_string())?;
        let page = Page { width, height, colour };
        match &first {
            None => {
                palette = colours(&mut decoder, colour);
                (pixel_mm, slice_mm) = sizes(&mut decoder);
                first = Some(page);
            }
            Some(first) if *first != page => {
                return Err(format!(
                    "page {} has {width}x{height} pixels ({colour:?}), the first one {}x{} ({:?}): the pages of a stack must be alike",
                    pages + 1,
                    first.width,
                    first.height,
                    first.colour
                ));
            }
            Some(_) => {}
        }
        let (stored, of_it) = match colour {
            ColorType::Gray(_) | ColorType::Palette(_) => (1, 1),
            ColorType::GrayA(_) => (2, 1),
            ColorType::RGB(_) => (3, 3),
            ColorType::RGBA(_) => (4, 3),
            other => {
                return Err(format!("colours of the kind {other:?} are not read: save it as grey or RGB"));
            }
        };
        pages += 1;
        if pages > MAX_PAGES {
            return Err(format!("more than {MAX_PAGES} pages"));
        }
        let bits = u64::from(colour.bit_depth());
        let bytes = (u64::from(width) * stored as u64 * bits).div_ceil(8).saturating_mul(u64::from(height));
        plausible(width.into(), height.into(), pages, stored, bytes, size)?;
        let planes = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration);
        if stored > 1 && planes.map_err(|e| e.to_string())? == Some(2) {
            return Err("its colours are stored one after the other: save it with the colours of a pixel side by side".into());
        }
        // Strips and tiles may be larger than the picture; what they unpack to is bounded as well.
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(1024 * 1024);
        let mut limits = Limits::default();
        limits.decoding_buffer_size = limit;
        limits.intermediate_buffer_size = limit.max(limits.intermediate_buffer_size.min(size as usize * 4));
        decoder = decoder.with_limits(limits);
        let page = decoder.read_image().map_err(|e| e.to_string())?;
        let count = width as usize * height as usize * of_it;
        let before = samples.len();
        match page {
            DecodingResult::U8(values) if bits < 8 => {
                let line = (width as usize * bits as usize).div_ceil(8);
                if stored != 1 || ![1, 2, 4].contains(&bits) {
                    return Err(format!("{bits} bits a value are not read"));
                }
                samples.extend(unpacked(&values, bits as usize, line, width as usize));
            }
            DecodingResult::U8(v) => samples.extend(bands(v.into_iter().map(f32::from), stored, of_it)),
            DecodingResult::I8(v) => samples.extend(bands(v.into_iter().map(f32::from), stored, of_it)),
            DecodingResult::U16(v) => samples.extend(bands(v.into_iter().map(f32::from), stored, of_it)),
            DecodingResult::I16(v) => samples.extend(bands(v.into_iter().map(f32::from), stored, of_it)),
            DecodingResult::U32(v) => samples.extend(bands(v.into_iter().map(|v| v as f32), stored, of_it)),
            DecodingResult::I32(v) => samples.extend(bands(v.into_iter().map(|v| v as f32), stored, of_it)),
            DecodingResult::F32(v) => samples.extend(bands(v.into_iter(), stored, of_it)),
            DecodingResult::F64(v) => samples.extend(bands(v.into_iter().map(|v| v as f32), stored, of_it)),
            _ => {
                return Err(format!("values of the kind {colour:?} are not read: save it with 8 or 16 bits"));
            }
        }
        if samples.len() - before != count {
            let got = samples.len() - before;
            return Err(format!("page {pages}: {got} values where {width}x{height} pixels were expected"));
        }
        if !decoder.more_images() {
            break of_it;
        }
        decoder.next_image().map_err(|e| format!("page {}: {e}", pages + 1))?;
    };
    let Some(Page { width, height, .. }) = first else { return Err("it has no page".into()) };
    Ok(Raster {
        shape: [pages, height as usize, width as usize],
        bands: taken,
        samples,
        palette,
        pixel_mm,
        slice_mm,
        lossy: false,
    })
}

/// The colours of a palette: all red values, then all green, then all blue ones, of 16 bits each.
fn colours<R: BufRead + Seek>(decoder: &mut Decoder<R>, colour: ColorType) -> Option<Vec<Colour>> {
    let ColorType::Palette(_) = colour else { return None };
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).ok()?;
    let n = map.len() / 3;
    let at = |i: usize| (map[i] >> 8) as u8;
    Some((0..n).map(|i| [at(i), at(n + i), at(2 * n + i)]).collect())
}

/// Size of a pixel (x, y) and step from page to page in mm, as the file or ImageJ's description in it says.
fn sizes<R: BufRead + Seek>(decoder: &mut Decoder<R>) -> (Option<[f64; 2]>, Option<f64>) {
    let mut per_unit = |tag| {
        let number = match decoder.find_tag(tag).ok()?? {
            Value::Rational(n, d) => f64::from(n) / f64::from(d),
            Value::Float(v) => f64::from(v),
            Value::Double(v) => v,
            _ => return None,
        };
        (number.is_finite() && number > 0.0).then_some(number)
    };
    let resolution = per_unit(Tag::XResolution).zip(per_unit(Tag::YResolution));
    let unit = decoder.find_tag_unsigned::<u16>(Tag::ResolutionUnit).ok().flatten();
    let about = decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
    let said = |key: &str| about.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
    let imagej = match said("unit").map(str::trim) {
        Some("mm") => Some(1.0),
        Some("cm") => Some(10.0),
        Some("um" | "micron" | "microns" | "\\u00B5m" | "\u{b5}m") => Some(1e-3),
        _ => None,
    };
    let unit_mm = imagej.or(match unit {
        Some(2) => Some(25.4),
        Some(3) => Some(10.0),
        _ => None,
    });
    let pixel = resolution.zip(unit_mm).and_then(|((x, y), mm)| physical([mm / x, mm / y]));
    let step = said("spacing").and_then(|text| text.trim().parse::<f64>().ok()).zip(imagej);
    let step = step.map(|(step, mm)| step * mm).filter(|mm| super::PIXELS_MM.contains(mm));
    (pixel, step)
}
