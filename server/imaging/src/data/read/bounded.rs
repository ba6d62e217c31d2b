//! Reading no more than is asked for.

use std::io::{self, Read};

/// Reads exactly `wanted` bytes; memory grows with what really arrives, not with what is wanted.
///
/// # Errors
/// In words, with how many bytes there were.
pub fn exactly(mut source: impl Read, wanted: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let outcome = source.by_ref().take(wanted as u64).read_to_end(&mut bytes);
    match outcome {
        Ok(_) if bytes.len() == wanted => Ok(bytes),
        Ok(n) => Err(format!("truncated: {n} bytes of image data where {wanted} belong")),
        Err(e) => Err(format!("damaged after {} of {wanted} bytes of image data: {e}", bytes.len())),
    }
}

/// Passes over `count` bytes.
///
/// # Errors
/// In words, when there are fewer.
pub fn skip(source: impl Read, count: u64) -> Result<(), String> {
    match io::copy(&mut source.take(count), &mut io::sink()) {
        Ok(n) if n == count => Ok(()),
        Ok(n) => Err(format!("truncated: it ends {} bytes before the image data", count - n)),
        Err(e) => Err(format!("damaged before the image data: {e}")),
    }
}
