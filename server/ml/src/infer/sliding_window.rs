//! Whole volumes from overlapping windows.

use crate::data::window::window;

/// How much a voxel's place in its window counts where windows overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blending {
    /// Every place the same.
    Constant,
    /// A Gaussian around the window's centre, its deviation an eighth of the window: predictions near
    /// the border know less of their surroundings.
    Gaussian,
}

/// Deviation of [`Blending::Gaussian`] as a share of the window.
const SIGMA: f64 = 0.125;
/// Least weight of a place, so that every voxel has a sum to be divided by.
const LEAST_WEIGHT: f32 = 1e-3;

/// Where windows lie and how their predictions are joined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlidingWindow {
    /// `[D, H, W]`
    pub size: [usize; 3],
    /// Share of a window that the next one covers again, from 0 to below 1.
    pub overlap: f64,
    pub blending: Blending,
}

impl SlidingWindow {
    /// Runs `predict` on windows of the image, a volume that is smaller than a window padded with
    /// zeros around it, and averages what it gives for every voxel.
    ///
    /// # Shapes
    /// - `image`: `[C, D, H, W]` row-major, `shape` its last three sizes
    /// - `predict`: `[C, d, h, w]` -> `[out, d, h, w]` for windows of [`SlidingWindow::size`]
    /// - result: `[out, D, H, W]`
    ///
    /// # Errors
    /// The first error of `predict`.
    ///
    /// # Panics
    /// When an axis is empty, or `predict` gives no whole number of channels.
    ///
    /// # Source
    /// MONAI's `sliding_window_inference` with zero padding.
    pub fn run<E>(
        &self,
        image: &[f32],
        shape: [usize; 3],
        mut predict: impl FnMut(&[f32]) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<f32>, E> {
        assert!(!shape.contains(&0) && !self.size.contains(&0), "images and windows have voxels");
        // The volume with its padding, and where the volume begins in it.
        let padded: [usize; 3] = std::array::from_fn(|a| shape[a].max(self.size[a]));
        let margin: [usize; 3] = std::array::from_fn(|a| (padded[a] - shape[a]) / 2);
        let voxels = shape.iter().product::<usize>();
        let weights = self.weights();
        let mut sums: Vec<f32> = Vec::new();
        let mut total = vec![0.0f32; voxels];
        for start in self.starts(padded) {
            let start: [isize; 3] = std::array::from_fn(|a| start[a] as isize - margin[a] as isize);
            let part: Vec<f32> =
                image.chunks(voxels).flat_map(|channel| window(channel, shape, start, self.size)).collect();
            let prediction = predict(&part)?;
            assert_eq!(prediction.len() % weights.len(), 0, "a prediction is of the window's size");
            sums.resize(prediction.len() / weights.len() * voxels, 0.0);
            for (sum, channel) in sums.chunks_mut(voxels).zip(prediction.chunks(weights.len())) {
                self.each_inside(start, shape, |at, from| sum[at] += weights[from] * channel[from]);
            }
            self.each_inside(start, shape, |at, from| total[at] += weights[from]);
        }
        for sum in sums.chunks_mut(voxels) {
            sum.iter_mut().zip(&total).for_each(|(sum, total)| *sum /= total);
        }
        Ok(sums)
    }

    /// First voxels of the windows, the last axis fastest. Windows are a fixed step apart; the last
    /// one of an axis ends where the axis does.
    fn starts(&self, shape: [usize; 3]) -> Vec<[usize; 3]> {
        let [z, y, x] = std::array::from_fn(|a| {
            let (n, size) = (shape[a], self.size[a]);
            let step = ((size as f64 * (1.0 - self.overlap)) as usize).max(1);
            let count = (n - size).div_ceil(step) + 1;
            (0..count).map(|i| (i * step).min(n - size)).collect::<Vec<usize>>()
        });
        let mut starts = Vec::with_capacity(z.len() * y.len() * x.len());
        for &z in &z {
            for &y in &y {
                starts.extend(x.iter().map(|&x| [z, y, x]));
            }
        }
        starts
    }

    /// Weights of a window's voxels.
    fn weights(&self) -> Vec<f32> {
        let [d, h, w] = self.size;
        if self.blending == Blending::Constant {
            return vec![1.0; d * h * w];
        }
        let bell = |n: usize| -> Vec<f32> {
            let sigma = SIGMA * n as f64;
            (0..n)
                .map(|i| (-(i as f64 - (n as f64 - 1.0) / 2.0).powi(2) / (2.0 * sigma * sigma)).exp() as f32)
                .collect()
        };
        let (along_d, along_h, along_w) = (bell(d), bell(h), bell(w));
        let mut weights = Vec::with_capacity(d * h * w);
        for z in &along_d {
            for y in &along_h {
                weights.extend(along_w.iter().map(|x| (z * y * x).max(LEAST_WEIGHT)));
            }
        }
        weights
    }

    /// Calls `each` with the index in the volume and in the window of every voxel of a window that lies
    /// in the volume.
    fn each_inside(&self, start: [isize; 3], shape: [usize; 3], mut each: impl FnMut(usize, usize)) {
        let inside = |a: usize| {
            let from = (-start[a]).max(0);
            let to = (shape[a] as isize - start[a]).min(self.size[a] as isize);
            from..to
        };
        for z in inside(0) {
            for y in inside(1) {
                for x in inside(2) {
                    let at = ((z + start[0]) as usize * shape[1] + (y + start[1]) as usize) * shape[2]
                        + (x + start[2]) as usize;
                    let from = (z as usize * self.size[1] + y as usize) * self.size[2] + x as usize;
                    each(at, from);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn what_does_not_depend_on_the_window_comes_out_as_it_is() {
        for (shape, overlap) in [([5, 7, 9], 0.5), ([2, 3, 4], 0.0), ([4, 11, 3], 0.25), ([9, 9, 9], 0.9)] {
            let voxels = shape.iter().product::<usize>();
            let image: Vec<f32> = (0..2 * voxels).map(|i| (i as f32).sin()).collect();
            for blending in [Blending::Constant, Blending::Gaussian] {
                let plan = SlidingWindow { size: [3, 4, 5], overlap, blending };
                let out = plan.run(&image, shape, |part| Ok::<_, Infallible>(part.to_vec())).unwrap();
                assert!(out.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-6), "{shape:?}");
            }
        }
    }

    #[test]
    fn windows_cover_an_axis_and_end_with_it() {
        let plan = SlidingWindow { size: [1, 1, 4], overlap: 0.5, blending: Blending::Constant };
        let along = |n: usize| plan.starts([1, 1, n]).into_iter().map(|s| s[2]).collect::<Vec<_>>();
        assert_eq!((along(4), along(5), along(8)), (vec![0], vec![0, 1], vec![0, 2, 4]));
    }

    #[test]
    fn an_error_ends_it() {
        let plan = SlidingWindow { size: [1; 3], overlap: 0.0, blending: Blending::Constant };
        assert_eq!(plan.run(&[1.0, 2.0], [1, 1, 2], |part| Err(part[0])), Err(1.0));
    }
}
