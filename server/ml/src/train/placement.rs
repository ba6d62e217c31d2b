//! Where a network's grid lies in a case's own, and the way there and back.

use super::sampling::WorkingGrid;
use crate::{
    data::{volume::Volume, window::window},
    nn::resize::{antialiased_bicubic, linear, resize},
};

/// How the values of a volume are resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Intensities, which are never negative.
    Image,
    /// Whole numbers.
    Labels,
}

/// A case's grid, and the part of it that a network sees: resampled within slices, cut around the
/// centre, where the prostate is, and padded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Voxels of the case, `[D, H, W]`.
    native: [usize; 3],
    /// The same with the working grid's pixels.
    resized: [usize; 3],
    /// First voxel of the part, negative where it is padded.
    start: [isize; 3],
    /// Voxels of the part; H and W are multiples of 16.
    pub shape: [usize; 3],
    /// Size of its voxels in mm.
    pub spacing_mm: [f64; 3],
}

impl Placement {
    /// Of a case of this shape and voxel size. Slices keep their spacing.
    pub fn new(native: [usize; 3], spacing_mm: [f64; 3], grid: WorkingGrid) -> Self {
        let WorkingGrid { pixel_mm, pixels, slices } = grid;
        let [d, h, w] = native;
        let target = |n: usize, spacing: f64| ((n as f64 * spacing / pixel_mm).round() as usize).max(1);
        let resized = [d, target(h, spacing_mm[1]), target(w, spacing_mm[2])];
        let side = |n: usize| n.min(pixels).next_multiple_of(16);
        let shape = [d.min(slices), side(resized[1]), side(resized[2])];
        let start = std::array::from_fn(|axis| (resized[axis] as isize - shape[axis] as isize).div_euclid(2));
        let spacing_mm =
            std::array::from_fn(|axis| spacing_mm[axis] * native[axis] as f64 / resized[axis] as f64);
        Self { native, resized, start, shape, spacing_mm }
    }

    /// A volume of the case on the working grid.
    ///
    /// # Panics
    /// When the volume is not of the case's shape.
    pub fn to_working_grid(&self, volume: &Volume, kind: Kind) -> Volume {
        assert_eq!(volume.shape, self.native, "volumes of one case have one shape");
        let ([d, h, w], [_, h2, w2]) = (self.native, self.resized);
        let resized = if (h2, w2) == (h, w) {
            volume.data.clone()
        } else {
            match kind {
                Kind::Image => {
                    let (rows, columns) = (antialiased_bicubic(h, h2), antialiased_bicubic(w, w2));
                    let slices =
                        (0..d).flat_map(|z| resize(volume.slice(z), [h, w], [h2, w2], &rows, &columns));
                    // The kernel overshoots at edges.
                    slices.map(|v| v.max(0.0)).collect()
                }
                Kind::Labels => {
                    let nearest = |i: usize, n: usize, n2: usize| {
                        (((i as f64 + 0.5) * n as f64 / n2 as f64) as usize).min(n - 1)
                    };
                    let mut out = Vec::with_capacity(d * h2 * w2);
                    for z in 0..d {
                        for y in 0..h2 {
                            out.extend((0..w2).map(|x| volume.at(z, nearest(y, h, h2), nearest(x, w, w2))));
                        }
                    }
                    out
                }
            }
        };
        Volume { shape: self.shape, data: window(&resized, self.resized, self.start, self.shape) }
    }

    /// Values of the working grid on the case's own, linearly between pixels; `outside` where the network
    /// has seen nothing.
    ///
    /// # Shapes
    /// `values` as [`Placement::shape`] -> as the case.
    pub fn to_native_grid(&self, values: &[f32], outside: f32) -> Vec<f32> {
        let ([d, h, w], [_, h2, w2]) = (self.native, self.resized);
        // Zeros of the window stand for `outside`.
        let shifted: Vec<f32> = values.iter().map(|v| v - outside).collect();
        let mut whole = window(&shifted, self.shape, self.start.map(|s| -s), self.resized);
        whole.iter_mut().for_each(|v| *v += outside);
        if (h2, w2) == (h, w) {
            return whole;
        }
        let (rows, columns) = (linear(h2, h), linear(w2, w));
        (0..d)
            .flat_map(|z| {
                let slice = &whole[z * h2 * w2..(z + 1) * h2 * w2];
                resize(slice, [h2, w2], [h, w], &rows, &columns)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fine_grid_is_halved_and_centred() {
        let mut volume = Volume::filled([3, 192, 200], 2.0);
        volume.data[0] = 0.0;
        let small = Placement::new(volume.shape, [3.0, 0.5, 0.5], WorkingGrid::SMALL);
        let out = small.to_working_grid(&volume, Kind::Image);
        assert_eq!((out.shape, small.spacing_mm), ([3, 96, 96], [3.0, 1.0, 1.0]));
        assert!(out.data[96 * 96 + 48 * 96 + 48] > 1.99);
        let full = Placement::new(volume.shape, [3.0, 0.5, 0.5], WorkingGrid::FULL);
        assert_eq!(full.to_working_grid(&volume, Kind::Image).shape, [3, 192, 208]);
        let short = Volume::filled([40, 20, 33], 1.0);
        let small = Placement::new(short.shape, [3.0, 1.0, 1.0], WorkingGrid::SMALL)
            .to_working_grid(&short, Kind::Labels);
        assert_eq!(small.shape, [32, 32, 48]);
        assert_eq!(small.data.iter().sum::<f32>(), (32 * 20 * 33) as f32);
    }

    /// What is smooth comes back nearly as it was; what the network has not seen is `outside`.
    #[test]
    fn to_the_working_grid_and_back_again() {
        let shape = [4, 120, 250];
        let value = |y: usize, x: usize| 1.0 + (y as f32 * 0.05).sin() + (x as f32 * 0.03).cos();
        let data = (0..4 * 120 * 250).map(|i| value(i / 250 % 120, i % 250)).collect();
        let volume = Volume { shape, data };
        let place = Placement::new(shape, [3.0, 0.5, 0.5], WorkingGrid::SMALL);
        let back = place.to_native_grid(&place.to_working_grid(&volume, Kind::Image).data, -1.0);
        assert_eq!(back.len(), volume.data.len());
        // 125 pixels of 1 mm are cut to 96: 14 on the left, 28 of the case's.
        assert_eq!(back[60 * 250 + 20], -1.0);
        for (y, x) in [(60, 125), (30, 60), (90, 200)] {
            let at = 250 * 120 + y * 250 + x;
            assert!((back[at] - volume.data[at]).abs() < 0.02, "{y} {x}: {} {}", back[at], volume.data[at]);
        }
        let same = Placement::new([2, 32, 48], [3.0, 1.0, 1.0], WorkingGrid::SMALL);
        let ramp: Vec<f32> = (0..2 * 32 * 48).map(|i| i as f32).collect();
        assert_eq!(same.to_native_grid(&ramp, 0.0), ramp);
    }
}
