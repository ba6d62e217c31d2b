//! PNG pictures, of every depth and kind of colour.

use std::io::{BufRead, Seek};

use ::png::{BitDepth, ColorType, Decoder, Limits, Transformations, Unit};

use super::{Raster, bands, physical, plausible, unpacked};

pub fn read(source: impl BufRead + Seek, size: u64) -> Result<Raster, String> {
    const METADATA: usize = 64 * 1024 * 1024;
    let mut decoder = Decoder::new_with_limits(source, Limits { bytes: METADATA });
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    let (stored, taken) = match info.color_type {
        ColorType::Grayscale | ColorType::Indexed => (1, 1),
        ColorType::GrayscaleAlpha => (2, 1),
        ColorType::Rgb => (3, 3),
        ColorType::Rgba => (4, 3),
    };
    let palette = match (info.color_type, &info.palette) {
        (ColorType::Indexed, Some(palette)) => Some(palette.as_chunks::<3>().0.to_vec()),
        (ColorType::Indexed, None) => return Err("its palette is missing".into()),
        _ => None,
    };
    let pixel_mm = info.pixel_dims.filter(|dims| dims.unit == Unit::Meter).and_then(|dims| {
        let mm = |per_metre: u32| 1000.0 / f64::from(per_metre);
        physical([mm(dims.xppu), mm(dims.yppu)])
    });
    let depth = info.bit_depth;
    let bytes = reader.output_buffer_size().ok_or("too large")?;
    plausible(width.into(), height.into(), 1, stored, bytes as u64, size)?;
    let mut buffer = vec![0; bytes];
    let line = reader.next_frame(&mut buffer).map_err(|e| e.to_string())?.line_size;
    let (width, height) = (width as usize, height as usize);
    let samples = match depth {
        BitDepth::Eight => bands(buffer.into_iter().map(f32::from), stored, taken),
        BitDepth::Sixteen => {
            let values = buffer.as_chunks::<2>().0.iter().map(|b| f32::from(u16::from_be_bytes(*b)));
            bands(values, stored, taken)
        }
        // Only pixels of one value have fewer bits.
        few => unpacked(&buffer, few as usize, line, width),
    };
    if samples.len() != width * height * taken {
        return Err(format!("{} values where {width}x{height} pixels were expected", samples.len()));
    }
    Ok(Raster {
        shape: [1, height, width],
        bands: taken,
        samples,
        palette,
        pixel_mm,
        slice_mm: None,
        lossy: false,
    })
}
