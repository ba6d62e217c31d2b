//! Reading images and resampling them, against what nibabel and ITK make of the same files.

pub mod images;
mod itk;
mod metaimage;
mod nifti;
pub mod resample;
pub mod subject;
