//! Pictures of a case, as PNG: input, target, prediction and error side by side, and its slices for
//! the viewer ([`slices`]).
//!
//! Rendering is a pure function from slices to a buffer; only [`Picture::write`] touches the disk. Colours are safe for colour-blind readers.

mod colour;
mod levels;
mod panel;
mod picture;
pub mod slices;

pub use levels::levels;
pub use panel::{ERROR_RANGE, Panel, restoration_strip, segmentation_strip, strip};
pub use picture::Picture;

/// Why a picture cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error("{what} has {values} values; a slice of {height} x {width} needs {needed}")]
    Size { what: &'static str, values: usize, height: usize, width: usize, needed: usize },
    #[error("a picture needs at least one panel of at least one pixel, and at most {most} pixels a side")]
    Extent { most: usize },
    #[error("there is no slice {asked} (counted from 0): the volume has {slices}")]
    Slice { asked: usize, slices: usize },
    #[error("the picture cannot be encoded: {0}")]
    Encode(#[from] png::EncodingError),
    #[error("could not write the picture {path}: {source}")]
    Write { path: std::path::PathBuf, source: std::io::Error },
}
