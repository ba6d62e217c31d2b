//! The specialist: a residual 3-D U-Net, trained from random weights for one task. Of one size in the study; elsewhere its
//! levels follow from the plan of the data set.

use transferscope_domain::dataset::Plan;

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

/// Channels by level where a plan decides; a network has as many levels as its box allows.
const PLANNED: [usize; 5] = [16, 32, 64, 96, 128];

/// A side is halved while this much of it is left at least.
const LEAST_SIDE: usize = 4;

/// An axis whose voxels are this much larger than the smallest is not halved, until the others have caught up.
///
/// # Source
/// nnU-Net's rule for its strides.
const ANISOTROPIC: f64 = 2.0;

/// Levels of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Channels by level, the finest first.
    pub channels: Vec<usize>,
    /// Voxels of a level that become one of the next, by axis; one less than there are levels.
    pub strides: Vec<[usize; 3]>,
    /// Whether every level has a residual block, on the way down and up, and maps are normalised one by one. The study's
    /// network has none at full resolution and one convolution a level on the way up.
    pub blocks: bool,
}

/// That of the study: the first stride keeps the slices apart, since voxels are three times as thick as wide.
impl Default for Size {
    fn default() -> Self {
        Self { channels: vec![8, 16, 32, 64], strides: vec![[1, 2, 2], [2, 2, 2], [2, 2, 2]], blocks: false }
    }
}

impl Size {
    /// The levels for cases that a plan brings to the network.
    pub fn planned(plan: &Plan) -> Self {
        let (mut side, mut mm) = (plan.patch, plan.spacing_mm);
        let mut strides = Vec::new();
        while strides.len() + 1 < PLANNED.len() {
            let finest = (0..3).filter(|a| side[*a] > 1).map(|a| mm[a]).fold(f64::INFINITY, f64::min);
            let halved = |a: usize| side[a] >= 2 * LEAST_SIDE && mm[a] < ANISOTROPIC * finest;
            let stride: [usize; 3] = std::array::from_fn(|a| if halved(a) { 2 } else { 1 });
            if stride == [1; 3] {
                break;
            }
            side = std::array::from_fn(|a| side[a].div_ceil(stride[a]));
            mm = std::array::from_fn(|a| mm[a] * stride[a] as f64);
            strides.push(stride);
        }
        Self { channels: PLANNED[..=strides.len()].to_vec(), strides, blocks: true }
    }

    /// Voxels, by axis, that an input must be a multiple of.
    pub fn multiple(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.strides.iter().map(|stride| stride[axis]).product())
    }
}

impl Rules for Size {
    fn sampling(&self) -> SamplingGeometry {
        SamplingGeometry {
            view: View::Volumes { channels: None },
            grid: WorkingGrid::SMALL,
            multiple: self.multiple(),
            crop: SamplingGeometry::SMALL_CROP,
            slides: false,
            mirror: SamplingGeometry::LEFT_RIGHT,
            planned: false,
            fixed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(patch: [usize; 3], spacing_mm: [f64; 3]) -> Plan {
        Plan {
            spacing_mm,
            patch,
            normalisation: Default::default(),
            mirror: [true; 3],
            fingerprint: Default::default(),
            changed: Vec::new(),
        }
    }

    #[test]
    fn levels_follow_the_box_and_the_voxels() {
        let isotropic = Size::planned(&plan([40, 56, 40], [1.0; 3]));
        assert_eq!(isotropic.strides, [[2, 2, 2]; 3]);
        assert_eq!((isotropic.channels.len(), isotropic.multiple()), (4, [8; 3]));
        let thick = Size::planned(&plan([16, 128, 128], [4.0, 1.0, 1.0]));
        assert_eq!(thick.strides, [[1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2]]);
        let picture = Size::planned(&plan([1, 64, 64], [1.0; 3]));
        assert_eq!(picture.strides, [[1, 2, 2]; 4]);
        let tiny = Size::planned(&plan([1, 4, 4], [1.0; 3]));
        assert_eq!((tiny.channels.as_slice(), tiny.multiple()), (&[16][..], [1; 3]));
        assert_eq!(Size::default().multiple(), [4, 8, 8]);
    }
}
