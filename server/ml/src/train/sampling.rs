//! How a network looks at a case: the grid of its images, and the boxes that it takes of them.

use transferscope_domain::{Architecture, Family, dataset::Plan};

use crate::family;

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

    /// That of our small networks, or of the published ones.
    pub fn of(small: bool) -> Self {
        if small { Self::SMALL } else { Self::FULL }
    }
}

/// What a network is shown of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Boxes of the case, all images as channels.
    Volumes {
        /// Input channels of the encoder, of which those without an image are zero; none for a network that has
        /// one for each image.
        channels: Option<usize>,
    },
    /// Slices of every image, each with its neighbours.
    Slabs,
}

/// What batches must know of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingGeometry {
    pub view: View,
    pub grid: WorkingGrid,
    /// Voxels D, H, W that inputs must be multiples of.
    pub multiple: [usize; 3],
    /// Box D, H, W that a 3-D network trains on.
    pub crop: [usize; 3],
    /// Whether whole cases go through it box by box: small ones go at once, and positions are absolute in
    /// a transformer.
    pub slides: bool,
    /// Axes D, H, W along which samples are mirrored at random.
    pub mirror: [bool; 3],
    /// Whether a data set's plan decides, so that every box has the same size, and boxes find what the masks show.
    pub planned: bool,
    /// Whether the box is the only one that the network can see, since its positions are absolute.
    pub fixed: bool,
}

impl SamplingGeometry {
    /// Mirrored from left to right, as the study does.
    pub const LEFT_RIGHT: [bool; 3] = [false, false, true];

    /// Box of the small 3-D networks.
    pub const SMALL_CROP: [usize; 3] = [16, 64, 64];

    /// That of a network with this encoder; none stands for the specialist.
    pub fn of(architecture: Option<&Architecture>) -> Self {
        family::sampling(architecture)
    }

    /// The same for cases that a data set's plan brings to it.
    pub fn with(self, plan: Option<&Plan>) -> Self {
        let Some(plan) = plan else { return self };
        let side = |axis: usize| plan.patch[axis].next_multiple_of(self.multiple[axis]);
        let crop = if self.fixed { self.crop } else { std::array::from_fn(side) };
        let slides = self.view != View::Slabs;
        Self { crop, slides, mirror: plan.mirror, planned: true, ..self }
    }

    /// The box that is taken of a case of `shape`.
    pub fn crop_of(&self, shape: [usize; 3]) -> [usize; 3] {
        if self.planned {
            return self.crop;
        }
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
        let large = Architecture::named("profound-conv-tiny");
        assert_eq!(SamplingGeometry::of(large.as_ref()).grid, WorkingGrid::FULL);
        assert_eq!(SamplingGeometry::from(Family::Unet).grid, WorkingGrid::SMALL);
    }
}
