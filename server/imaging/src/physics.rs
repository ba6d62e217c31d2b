//! How images are degraded, after the scanner's physics.
//!
//! Resolution lost in the slice plane ([`kspace`]) and across it ([`thick_slices`]), what an echo-planar
//! image does in an uneven field ([`epi`], [`field_map`]), and noise ([`rician`]). [`distortion`] puts the
//! last three together: it is what the task of distortion correction calls.

pub mod bicubic;
pub mod distortion;
pub mod epi;
pub mod field_map;
pub mod kspace;
pub mod rician;
pub mod thick_slices;
