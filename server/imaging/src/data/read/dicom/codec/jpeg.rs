//! JPEG: baseline, extended with 8 bits, and lossless.

use jpeg_decoder::{Decoder, PixelFormat};

use super::Layout;

/// The stored bits of a frame.
pub fn decode(bytes: &[u8], layout: &Layout) -> Result<Vec<u32>, String> {
    let failed = |e: jpeg_decoder::Error| format!("JPEG data that cannot be decoded: {e}");
    let mut decoder = Decoder::new(bytes);
    // The size in the JPEG data decides what is allocated, so it is looked at first.
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or("JPEG data without a header")?;
    let [width, height] = [usize::from(info.width), usize::from(info.height)];
    if (height, width) != (layout.rows, layout.columns) {
        return Err(format!(
            "JPEG data of {height} rows and {width} columns: {} and {} were expected",
            layout.rows, layout.columns
        ));
    }
    if !matches!(info.pixel_format, PixelFormat::L8 | PixelFormat::L16) {
        return Err("JPEG data in colour: one value a pixel was expected".into());
    }
    let wide = info.pixel_format == PixelFormat::L16;
    let decoded = decoder.decode().map_err(failed)?;
    Ok(if wide {
        decoded.as_chunks::<2>().0.iter().map(|b| u32::from(u16::from_ne_bytes(*b))).collect()
    } else {
        decoded.into_iter().map(u32::from).collect()
    })
}
