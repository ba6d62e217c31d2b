//! The specialist: a residual 3-D U-Net of one size, trained from random weights for one task.

use super::{Facts, Rules};
use crate::train::sampling::{SamplingGeometry, View, WorkingGrid};

pub mod network;

pub use network::{Unet, UnetEnd};

/// What is said of the family.
pub(crate) static FACTS: Facts = Facts {
    kind: "residual 3-D U-Net",
    encoder: None,
    forms: &[],
    modules: &[],
    image_output: &["out.weight"],
    resized: Facts::NEVER_RESIZED,
};

/// The size of a family that has one only.
#[derive(Debug, Clone, Copy)]
pub struct OneSize;

/// That of the network.
pub const SIZE: OneSize = OneSize;

impl Rules for OneSize {
    fn sampling(&self) -> SamplingGeometry {
        SamplingGeometry {
            view: View::Volumes { channels: None },
            grid: WorkingGrid::SMALL,
            multiple: network::MULTIPLE,
            crop: SamplingGeometry::SMALL_CROP,
            slides: false,
        }
    }
}
