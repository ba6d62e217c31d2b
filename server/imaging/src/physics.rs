//! How images are degraded, after the scanner's physics.

pub mod bicubic;
pub mod kspace;
