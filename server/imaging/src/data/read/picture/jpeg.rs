//! JPEG pictures. The sizes of pixels in them are those of screens and are not read.

use std::io::Read;

use jpeg_decoder::{Decoder, PixelFormat};

use super::{Raster, bands, plausible};

pub fn read(source: impl Read, size: u64) -> Result<Raster, String> {
    let mut decoder = Decoder::new(source);
    decoder.read_info().map_err(|e| e.to_string())?;
    let info = decoder.info().ok_or("it has no image")?;
    let stored = match info.pixel_format {
        PixelFormat::L8 | PixelFormat::L16 => 1,
        PixelFormat::RGB24 => 3,
        PixelFormat::CMYK32 => return Err("colours for printing (CMYK) are not read: save it as RGB".into()),
    };
    let (width, height) = (u64::from(info.width), u64::from(info.height));
    let bytes = width * height * info.pixel_format.pixel_bytes() as u64;
    plausible(width, height, 1, stored, bytes, size)?;
    decoder.set_max_decoding_buffer_size(bytes as usize);
    let buffer = decoder.decode().map_err(|e| e.to_string())?;
    let samples: Vec<f32> = match info.pixel_format {
        PixelFormat::L16 => {
            buffer.as_chunks::<2>().0.iter().map(|b| f32::from(u16::from_ne_bytes(*b))).collect()
        }
        _ => bands(buffer.into_iter().map(f32::from), stored, stored),
    };
    let (width, height) = (width as usize, height as usize);
    if samples.len() != width * height * stored {
        return Err(format!("{} values where {width}x{height} pixels were expected", samples.len()));
    }
    Ok(Raster {
        shape: [1, height, width],
        bands: stored,
        samples,
        palette: None,
        pixel_mm: None,
        slice_mm: None,
        // Without loss it is rare; then the values of a mask are the same with and without.
        lossy: true,
    })
}
