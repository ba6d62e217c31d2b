//! Pictures of a case: input, target, prediction and error side by side, as PNG.
//!
//! Rendering is a pure function from slices to an RGB buffer; only [`Picture::write`] touches the
//! disk. Colours are safe for colour-blind readers.

mod colour;
mod panel;
mod picture;

pub use panel::{ERROR_RANGE, Panel, restoration_strip, segmentation_strip, strip};
pub use picture::Picture;

/// Why a picture cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error("{what} has {values} values; a slice of {height} x {width} needs {needed}")]
    Size { what: &'static str, values: usize, height: usize, width: usize, needed: usize },
    #[error("a picture needs at least one panel of at least one pixel, and at most {most} pixels a side")]
    Extent { most: usize },
    #[error("could not write the picture {path}: {source}")]
    Write { path: std::path::PathBuf, source: std::io::Error },
}
