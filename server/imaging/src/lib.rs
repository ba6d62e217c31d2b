//! Images of Transferscope, without networks: file formats and geometry, data sets, phantoms, the
//! physics that degrades images, augmentation, simple baselines, measures of a result, and pictures
//! of it.
//!
//! Arrays are row-major `[D, H, W]` (slice, row, column); world coordinates are millimetres in LPS.
//! Start reading at [`data`].

pub mod augment;
pub mod baseline;
pub mod data;
pub mod metrics;
pub mod physics;
pub mod preview;
pub mod random;
pub mod region;
