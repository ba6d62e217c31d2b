//! Where a network's grid lies in a case's own, and the way there and back.

use super::sampling::WorkingGrid;
use crate::{
    data::{volume::Volume, window::window},
    nn::resize::{antialiased_bicubic, linear, resize},
};

/// How the values of a volume are resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Intensities. On the grids of the study's networks they are never negative; elsewhere they stay between the
    /// volume's lowest and highest.
    Image,
    /// Whole numbers.
    Labels,
}

/// A case's grid, and the part of it that a network sees: on the grids of the study's networks resampled within slices,
/// cut around the centre, where the prostate is, and padded; on the grid of a data set's plan all of it, resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Voxels of the case, `[D, H, W]`.
    native: [usize; 3],
    /// The same with the working grid's pixels.
    resized: [usize; 3],
    /// First voxel of the part, negative where it is padded.
    start: [isize; 3],
    /// Voxels of the part; H and W are multiples of 16 on the study's grids.
    pub shape: [usize; 3],
    /// Size of its voxels in mm.
    pub spacing_mm: [f64; 3],
    /// Whether values may be negative.
    signed: bool,
}

/// Voxel sizes that differ by less than this share are one.
const SAME: f64 = 1e-3;

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
        Self { native, resized, start, shape, spacing_mm, signed: false }
    }

    /// All of a case, with the voxel size of its data set's plan.
    pub fn planned(native: [usize; 3], spacing_mm: [f64; 3], wanted_mm: [f64; 3]) -> Self {
        let resized: [usize; 3] = std::array::from_fn(|axis| {
            let factor = spacing_mm[axis] / wanted_mm[axis];
            if (factor - 1.0).abs() < SAME {
                return native[axis];
            }
            ((native[axis] as f64 * factor).round() as usize).max(1)
        });
        let spacing_mm =
            std::array::from_fn(|axis| spacing_mm[axis] * native[axis] as f64 / resized[axis] as f64);
        Self { native, resized, start: [0; 3], shape: resized, spacing_mm, signed: true }
    }

    /// A volume of the case on the working grid.
    ///
    /// # Panics
    /// When the volume is not of the case's shape.
    pub fn to_working_grid(&self, volume: &Volume, kind: Kind) -> Volume {
        assert_eq!(volume.shape, self.native, "volumes of one case have one shape");
        let ([d, h, w], [d2, h2, w2]) = (self.native, self.resized);
        let mut resized = if (h2, w2) == (h, w) {
            volume.data.clone()
        } else {
            match kind {
                Kind::Image => {
                    let (rows, columns) = (antialiased_bicubic(h, h2), antialiased_bicubic(w, w2));
                    (0..d).flat_map(|z| resize(volume.slice(z), [h, w], [h2, w2], &rows, &columns)).collect()
                }
                Kind::Labels => {
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
        if d2 != d {
            resized = match kind {
                Kind::Image => across_slices(&resized, [d, d2], &antialiased_bicubic(d, d2)),
                Kind::Labels => {
                    let n = h2 * w2;
                    (0..d2).flat_map(|z| resized[nearest(z, d, d2) * n..][..n].to_vec()).collect()
                }
            };
        }
        if kind == Kind::Image && self.resized != self.native {
            // The kernel overshoots at edges.
            let (low, high) =
                if self.signed { volume.range().unwrap_or((0.0, 0.0)) } else { (0.0, f32::INFINITY) };
            resized.iter_mut().for_each(|v| *v = v.clamp(low, high));
        }
        Volume { shape: self.shape, data: window(&resized, self.resized, self.start, self.shape) }
    }

    /// Values of the working grid on the case's own, linearly between pixels; `outside` where the network
    /// has seen nothing.
    ///
    /// # Shapes
    /// `values` as [`Placement::shape`] -> as the case.
    pub fn to_native_grid(&self, values: &[f32], outside: f32) -> Vec<f32> {
        let ([d, h, w], [d2, h2, w2]) = (self.native, self.resized);
        // Zeros of the window stand for `outside`.
        let shifted: Vec<f32> = values.iter().map(|v| v - outside).collect();
        let mut whole = window(&shifted, self.shape, self.start.map(|s| -s), self.resized);
        whole.iter_mut().for_each(|v| *v += outside);
        if d2 != d {
            whole = across_slices(&whole, [d2, d], &linear(d2, d));
        }
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

/// The voxel of `n` that lies nearest to voxel `i` of `n2`.
fn nearest(i: usize, n: usize, n2: usize) -> usize {
    (((i as f64 + 0.5) * n as f64 / n2 as f64) as usize).min(n - 1)
}

/// Applies a resizing matrix across slices.
///
/// # Shapes
/// `data [from, ...]`, `matrix [to, from]` -> `[to, ...]`, all row-major.
fn across_slices(data: &[f32], [from, to]: [usize; 2], matrix: &[f32]) -> Vec<f32> {
    let n = data.len() / from;
    let mut out = vec![0.0f32; to * n];
    for (z, slice) in out.chunks_mut(n.max(1)).enumerate() {
        for (tap, source) in matrix[z * from..(z + 1) * from].iter().zip(data.chunks(n.max(1))) {
            if *tap != 0.0 {
                slice.iter_mut().zip(source).for_each(|(to, v)| *to += tap * v);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan's grid is all of the case, there and back, in every direction and for negative values.
    #[test]
    fn a_plan_resamples_all_of_a_case_and_back() {
        let shape = [12, 20, 30];
        let value = |z: usize, y: usize, x: usize| {
            (z as f32 * 0.2).sin() * 100.0 - 500.0 + (y as f32 * 0.1).cos() * 50.0 + x as f32
        };
        let data = (0..12 * 20 * 30).map(|i| value(i / 600, i / 30 % 20, i % 30)).collect();
        let volume = Volume { shape, data };
        let place = Placement::planned(shape, [3.0, 1.0, 1.0], [1.5, 0.8, 1.0]);
        assert_eq!(place.shape, [24, 25, 30]);
        assert!((place.spacing_mm[1] - 0.8).abs() < 1e-12);
        let there = place.to_working_grid(&volume, Kind::Image);
        assert!(there.data.iter().all(|v| *v < -300.0));
        let back = place.to_native_grid(&there.data, 0.0);
        let inner = |i: &usize| (1..11).contains(&(i / 600)) && (1..19).contains(&(i / 30 % 20));
        let worst =
            (0..back.len()).filter(inner).map(|i| (back[i] - volume.data[i]).abs()).fold(0.0, f32::max);
        assert!(worst < 2.0, "{worst}");
        let labels = Volume { shape, data: (0..12 * 20 * 30).map(|i| f32::from(i / 600 >= 6)).collect() };
        let there = place.to_working_grid(&labels, Kind::Labels);
        assert_eq!(there.data.iter().sum::<f32>(), 12.0 * 25.0 * 30.0);
        let same = Placement::planned(shape, [1.0; 3], [1.0; 3]);
        assert_eq!(same.to_working_grid(&volume, Kind::Image), volume);
        assert_eq!(same.to_native_grid(&volume.data, 0.0), volume.data);
    }

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
