//! Data sets: reading images, bringing them onto one grid, storing them, checking them, and the
//! phantoms that come with the program.
//!
//! A data set is the folder `DATA/datasets/<name>/` with `dataset.json` (a
//! [`transferscope_domain::dataset::DatasetManifest`]) and one file of prepared arrays a case.
//! Everything that trains goes through [`manifest::load`] and [`case::load`]; images from elsewhere
//! come in through [`import::add`], phantoms through [`synth::generate`].
//!
//! Conventions: arrays are row-major `[D, H, W]` (slice, row, column); world coordinates are
//! millimetres in LPS (x to the patient's left, y to the back, z to the head), as in DICOM and
//! MetaImage. NIfTI's RAS is turned into LPS when it is read. Stored intensities are raw; networks
//! get them through [`normalise`].

pub mod alignment;
pub mod archive;
pub mod case;
pub mod check;
mod error;
pub mod import;
pub mod kept_check;
pub mod manifest;
pub mod mask_place;
pub mod normalise;
pub mod placement;
pub mod plan;
pub mod prepared;
pub mod read;
pub mod resample;
pub mod slabs;
pub mod smooth;
mod spelling;
pub mod spline;
pub mod split;
pub mod split_export;
pub mod store;
pub mod synth;
pub mod volume;
pub mod window;
pub mod write;

#[cfg(test)]
pub(crate) mod fixtures;

pub use error::DataError;
pub use volume::{Geometry, Image, Volume};
