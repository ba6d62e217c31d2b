//! DICOM's run-length encoding.
//!
//! # Source
//! DICOM PS3.5, annex G: a header of sixteen little-endian numbers (how many segments, and where each
//! starts), then a segment for each byte of a pixel, the most significant first, packed by PackBits.

use super::Layout;

const HEADER_BYTES: usize = 64;

/// The stored bits of a frame.
pub fn decode(bytes: &[u8], layout: &Layout) -> Result<Vec<u32>, String> {
    let count = layout.rows * layout.columns;
    let words: Vec<u32> = bytes
        .get(..HEADER_BYTES)
        .ok_or("truncated: no whole RLE header")?
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| u32::from_le_bytes(*b))
        .collect();
    let planes = layout.allocated as usize / 8;
    if words[0] as usize != planes {
        return Err(format!("{} RLE segments: {planes} were expected", words[0]));
    }
    let mut pixels = vec![0u32; count];
    for plane in 0..planes {
        let from = words[1 + plane] as usize;
        let to = if plane + 1 < planes { words[2 + plane] as usize } else { bytes.len() };
        let segment = bytes.get(from..to).ok_or("RLE segments that lie outside the fragment")?;
        unpack(segment, &mut pixels)?;
    }
    Ok(pixels)
}

/// Appends a byte to each pixel.
fn unpack(mut segment: &[u8], pixels: &mut [u32]) -> Result<(), String> {
    let total = pixels.len();
    let mut rest = pixels.iter_mut();
    let mut done = 0;
    while done < total {
        let short = || format!("truncated: RLE data of {done} pixels where {total} belong");
        let (&code, after) = segment.split_first().ok_or_else(short)?;
        let code = i32::from(code as i8);
        let (length, repeated) =
            if code >= 0 { (code as usize + 1, false) } else { ((1 - code) as usize, true) };
        if code == -128 {
            segment = after;
            continue;
        }
        let bytes = after.get(..if repeated { 1 } else { length }).ok_or_else(short)?;
        for (i, pixel) in rest.by_ref().take(length).enumerate() {
            *pixel = *pixel << 8 | u32::from(bytes[if repeated { 0 } else { i }]);
        }
        done += length;
        segment = &after[bytes.len()..];
    }
    Ok(())
}
