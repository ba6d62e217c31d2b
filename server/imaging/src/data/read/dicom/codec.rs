//! One frame's stored bytes to values.

mod jpeg;
mod jpeg2000;
mod rle;

use std::borrow::Cow;

use super::{
    header::{Header, Layout, Pixels},
    syntax::Syntax,
};

/// Decodes frame `frame` of a file into `out`, which has its number of pixels, as slope times stored value
/// plus intercept (`rescale`).
///
/// # Errors
/// In words: bytes are missing, or not what the transfer syntax promises.
pub fn frame(
    pixels: &Pixels,
    header: &Header,
    frame: usize,
    rescale: [f64; 2],
    out: &mut [f32],
) -> Result<(), String> {
    let layout = &header.layout;
    let scale = |bits: u32| (rescale[0] * value(bits, layout) + rescale[1]) as f32;
    let stored = match (header.syntax, pixels) {
        // The parser has turned words of two bytes round, and those alone.
        (Syntax::Native { big_endian: true, .. }, _) if layout.allocated != 16 => {
            return Err(format!("big-endian pixels of {} bits: 16 were expected", layout.allocated));
        }
        (Syntax::Native { .. }, Pixels::Native(bytes)) => native(bytes, layout, frame, out.len())?,
        (syntax, Pixels::Fragments { .. }) if syntax.is_encapsulated() => {
            let bytes = fragments(pixels, frame, header.frames.len())?;
            let decoded = match syntax {
                Syntax::Rle => rle::decode(&bytes, layout),
                Syntax::Jpeg => jpeg::decode(&bytes, layout),
                _ => jpeg2000::decode(&bytes, layout),
            };
            decoded.map_err(|reason| format!("frame {}: {reason}", frame + 1))?
        }
        _ => return Err("its pixel data are not as its transfer syntax promises".into()),
    };
    if stored.len() != out.len() {
        return Err(format!("{} pixels where {} belong", stored.len(), out.len()));
    }
    for (to, bits) in out.iter_mut().zip(stored) {
        *to = scale(bits);
    }
    Ok(())
}

/// The number in the stored bits.
fn value(bits: u32, layout: &Layout) -> f64 {
    let unused = 32 - layout.stored;
    let bits = (bits >> layout.shift) << unused;
    if layout.signed { f64::from(bits as i32 >> unused) } else { f64::from(bits >> unused) }
}

/// A frame of uncompressed pixels.
fn native(bytes: &[u8], layout: &Layout, frame: usize, count: usize) -> Result<Vec<u32>, String> {
    let width = layout.allocated as usize / 8;
    let part = bytes.get(frame * count * width..(frame + 1) * count * width).ok_or_else(|| {
        let wanted = (frame + 1) * count * width;
        format!("truncated: {} bytes of pixel data where {wanted} belong", bytes.len())
    })?;
    Ok(part
        .chunks_exact(width)
        .map(|b| b.iter().rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte)))
        .collect())
}

/// The compressed bytes of one frame.
fn fragments(pixels: &Pixels, frame: usize, frames: usize) -> Result<Cow<'_, [u8]>, String> {
    let Pixels::Fragments { offsets, fragments } = pixels else { return Err("no fragments".into()) };
    if fragments.len() == frames {
        return Ok(Cow::Borrowed(&fragments[frame]));
    }
    if frames == 1 {
        return Ok(Cow::Owned(fragments.concat()));
    }
    if offsets.len() != frames {
        return Err(format!(
            "{} fragments of {frames} frames, and no table of which is whose",
            fragments.len()
        ));
    }
    let (from, to) = (offsets[frame], offsets.get(frame + 1).copied().unwrap_or(u32::MAX));
    let mut at = 0u32;
    let mut bytes = Vec::new();
    for fragment in fragments {
        if (from..to).contains(&at) {
            bytes.extend_from_slice(fragment);
        }
        // An item's own tag and length take eight bytes.
        at = at.saturating_add(fragment.len() as u32).saturating_add(8);
    }
    Ok(Cow::Owned(bytes))
}
