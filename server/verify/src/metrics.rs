//! Measures of a result.

pub mod classification;
pub mod image_quality;
pub mod segmentation;
