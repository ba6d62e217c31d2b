//! How a network looks at a case: the grid of its images, and the boxes that it takes of them.

use transferscope_domain::{
    Architecture, Family,
    family::{profound_conv, profound_vit},
};

use crate::model::{convnext::STRIDE, provicnet::CELL, unet::MULTIPLE};

/// The grid on which a network works: in-plane pixels of one size, cut around the centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkingGrid {
    /// Side of a pixel in the slice plane.
    pub pixel_mm: f64,
    /// Most pixels in each direction of the slice plane.
    pub pixels: usize,
    /// Most slices; they keep their spacing.
    pub slices: usize,
}

impl WorkingGrid {
    /// For what fine-tunes on two CPU cores.
    pub const SMALL: Self = Self { pixel_mm: 1.0, pixels: 96, slices: 32 };
    /// The in-plane resolution that both published models were trained at.
    pub const FULL: Self = Self { pixel_mm: 0.5, pixels: 256, slices: 64 };
}

/// What batches must know of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingGeometry {
    pub family: Family,
    /// Input channels of a 3-D encoder, of which those without an image are zero; none for a network that has
    /// one for each image.
    pub channels: Option<usize>,
    pub grid: WorkingGrid,
    /// Voxels D, H, W that inputs must be multiples of.
    pub multiple: [usize; 3],
    /// Box D, H, W that a 3-D network trains on.
    pub crop: [usize; 3],
    /// Whether whole cases go through it box by box: small ones go at once, and positions are absolute in
    /// a transformer.
    pub slides: bool,
}

/// Box of the small 3-D networks.
const SMALL_CROP: [usize; 3] = [16, 64, 64];
/// Box of the published ones, a quarter of the volume that they were pre-trained on.
const FULL_CROP: [usize; 3] = [64, 112, 112];

impl SamplingGeometry {
    /// That of a network with this encoder; none stands for the specialist.
    pub fn of(architecture: Option<&Architecture>) -> Self {
        let small = architecture.is_none_or(Architecture::is_small);
        let grid = if small { WorkingGrid::SMALL } else { WorkingGrid::FULL };
        let (family, multiple, crop) = match architecture {
            Some(Architecture::ProfoundConv(_)) => {
                (Family::ProfoundConv, [STRIDE; 3], if small { SMALL_CROP } else { FULL_CROP })
            }
            // Positions are absolute: what is learnt of a part of the grid says nothing of the rest.
            Some(Architecture::ProfoundVit(profound_vit::Size { image, patch, .. })) => {
                (Family::ProfoundVit, *patch, *image)
            }
            Some(Architecture::Provicnet(_)) => (Family::Provicnet, [1, CELL, CELL], SMALL_CROP),
            None => (Family::Unet, MULTIPLE, SMALL_CROP),
        };
        let channels = match architecture {
            Some(
                Architecture::ProfoundConv(profound_conv::Size { in_channels, .. })
                | Architecture::ProfoundVit(profound_vit::Size { in_channels, .. }),
            ) => Some(*in_channels),
            Some(Architecture::Provicnet(_)) | None => None,
        };
        Self { family, channels, grid, multiple, crop, slides: !small && family == Family::ProfoundConv }
    }

    /// The box that is taken of a case of `shape`.
    pub fn crop_of(&self, shape: [usize; 3]) -> [usize; 3] {
        let side = |axis: usize| self.crop[axis].min(shape[axis].next_multiple_of(self.multiple[axis]));
        // A short stack of slices is padded to the crop's.
        [self.crop[0], side(1), side(2)]
    }
}

/// That of the family's small network.
impl From<Family> for SamplingGeometry {
    fn from(family: Family) -> Self {
        Self::of(Architecture::mini(family).as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_fit_the_network_and_stay_within_the_case() {
        let conv = SamplingGeometry::from(Family::ProfoundConv);
        assert_eq!(conv.crop_of([24, 96, 96]), [16, 64, 64]);
        assert_eq!(conv.crop_of([5, 32, 48]), [16, 32, 48]);
        let vit = SamplingGeometry::from(Family::ProfoundVit);
        assert_eq!(vit.crop_of([24, 96, 80]), [24, 96, 80]);
        let large = Architecture::ProfoundConv(profound_conv::Size {
            in_channels: 3,
            depths: [3, 3, 9, 3],
            dims: [96, 192, 384, 768],
        });
        assert_eq!(SamplingGeometry::of(Some(&large)).grid, WorkingGrid::FULL);
        assert_eq!(SamplingGeometry::from(Family::Unet).grid, WorkingGrid::SMALL);
    }
}
