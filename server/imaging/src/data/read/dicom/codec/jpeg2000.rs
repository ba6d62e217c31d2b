//! JPEG 2000, reversible or not.

use jpeg2k::Image;

use super::Layout;

/// Start of a codestream and of the segment with its size.
const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];

/// More tiles are refused: each is memory, and images of this kind have one.
const MAX_TILES: u32 = 4096;

/// The stored bits of a frame.
pub fn decode(bytes: &[u8], layout: &Layout) -> Result<Vec<u32>, String> {
    size_fits(bytes, layout)?;
    let image =
        Image::from_bytes(bytes).map_err(|e| format!("JPEG 2000 data that cannot be decoded: {e}"))?;
    let [component] = image.components() else {
        return Err("JPEG 2000 data in colour: one value a pixel was expected".into());
    };
    // Signed values come with their sign; the stored bits are the lowest.
    Ok(component.data().iter().map(|v| (*v as u32) << layout.shift).collect())
}

/// Holds the size in the codestream, which decides what is allocated, against the header's.
fn size_fits(bytes: &[u8], layout: &Layout) -> Result<(), String> {
    let u32_at = |at: usize| {
        let bytes: Option<[u8; 4]> = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(u32::from_be_bytes).ok_or("truncated: JPEG 2000 data without a whole header")
    };
    if !bytes.starts_with(&START) {
        return Err("no JPEG 2000 codestream".into());
    }
    let [width, height, left, top, tile_width, tile_height] =
        [u32_at(8)?, u32_at(12)?, u32_at(16)?, u32_at(20)?, u32_at(24)?, u32_at(28)?];
    if (height as usize, width as usize) != (layout.rows, layout.columns) || (left, top) != (0, 0) {
        return Err(format!(
            "JPEG 2000 data of {height} rows and {width} columns: {} and {} were expected",
            layout.rows, layout.columns
        ));
    }
    if tile_width == 0 || tile_height == 0 {
        return Err("JPEG 2000 data with tiles of no size".into());
    }
    let tiles = width.div_ceil(tile_width).saturating_mul(height.div_ceil(tile_height));
    if tiles > MAX_TILES {
        return Err(format!("JPEG 2000 data of {tiles} tiles: at most {MAX_TILES} are read"));
    }
    Ok(())
}
