//! Bicubic enlargement of each slice, the simple baseline against which super-resolution is measured.

use rayon::prelude::*;

use crate::data::Volume;

/// Where the coarse samples lie among the fine ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Both grids cover the same rectangle of pixels with corners aligned, so the centre of fine pixel i
    /// is at `(i + 0.5) n_coarse / n_fine - 0.5`: images that were averaged or resized.
    HalfPixel,
    /// Sample `floor(n / 2)` of both grids coincides, so fine pixel i is at
    /// `floor(n_coarse / 2) + (i - floor(n_fine / 2)) n_coarse / n_fine`: images whose k-space was
    /// truncated. With the other grid they would come back shifted by half a fine pixel.
    KSpace,
}

/// Keys' kernel with a = -0.5, which reproduces quadratic functions.
fn kernel(distance: f64) -> f64 {
    const A: f64 = -0.5;
    let t = distance.abs();
    if t < 1.0 {
        ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0
    } else if t < 2.0 {
        ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A
    } else {
        0.0
    }
}

/// For each fine sample, four coarse samples and their weights; edges repeat.
fn taps(coarse: usize, fine: usize, grid: Grid) -> Vec<[(usize, f64); 4]> {
    let ratio = coarse as f64 / fine as f64;
    (0..fine)
        .map(|i| {
            let at = match grid {
                Grid::HalfPixel => (i as f64 + 0.5) * ratio - 0.5,
                Grid::KSpace => (coarse / 2) as f64 + (i as f64 - (fine / 2) as f64) * ratio,
            };
            let first = at.floor() as isize - 1;
            std::array::from_fn(|k| {
                let index = first + k as isize;
                (index.clamp(0, coarse as isize - 1) as usize, kernel(at - index as f64))
            })
        })
        .collect()
}

/// Enlarges every slice to `size` (rows, columns).
///
/// # Shapes
/// `[D, h, w]` -> `[D, H, W]`.
///
/// # Source
/// Keys, Cubic convolution interpolation for digital image processing, 1981, equation 15.
pub fn enlarge(low: &Volume, size: [usize; 2], grid: Grid) -> Volume {
    let [depth, rows, columns] = low.shape;
    let (down, across) = (taps(rows, size[0], grid), taps(columns, size[1], grid));
    let slices: Vec<Vec<f32>> = (0..depth)
        .into_par_iter()
        .map(|d| {
            let slice = low.slice(d);
            let mut wide = Vec::with_capacity(rows * size[1]);
            for line in slice.chunks_exact(columns) {
                wide.extend(
                    across.iter().map(|t| t.iter().map(|(i, w)| w * f64::from(line[*i])).sum::<f64>()),
                );
            }
            let mut out = Vec::with_capacity(size[0] * size[1]);
            for t in &down {
                for x in 0..size[1] {
                    out.push(t.iter().map(|(i, w)| w * wide[i * size[1] + x]).sum::<f64>() as f32);
                }
            }
            out
        })
        .collect();
    Volume { shape: [depth, size[0], size[1]], data: slices.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::kspace;

    #[test]
    fn the_kernel_is_keys() {
        assert_eq!([kernel(0.0), kernel(1.0), kernel(-2.0)], [1.0, 0.0, 0.0]);
        assert!((kernel(0.5) - 0.5625).abs() < 1e-12 && (kernel(1.5) + 0.0625).abs() < 1e-12);
    }

    #[test]
    fn quadratics_come_back_inside() {
        let f = |x: f64| 0.3 * x * x - 2.0 * x + 1.0;
        let low = Volume { shape: [1, 2, 12], data: (0..24).map(|i| f((i % 12) as f64) as f32).collect() };
        let up = enlarge(&low, [2, 36], Grid::HalfPixel);
        assert_eq!(up.shape, [1, 2, 36]);
        for i in 6..30 {
            let at = (i as f64 + 0.5) / 3.0 - 0.5;
            assert!((f64::from(up.at(0, 1, i)) - f(at)).abs() < 1e-4, "{i}");
        }
    }

    /// A smooth image that was truncated comes back in place on the k-space grid only.
    #[test]
    fn the_k_space_grid_does_not_shift() {
        let n = 48usize;
        let wave = |i: usize| (i as f64 * std::f64::consts::TAU * 2.0 / n as f64).sin();
        let data = (0..n * n).map(|i| (5.0 + wave(i / n) + wave(i % n)) as f32).collect();
        let volume = Volume { shape: [1, n, n], data };
        let low = kspace::truncate(&volume, [2, 2]).unwrap().low;
        let error = |grid| {
            let up = enlarge(&low, [n, n], grid);
            let inner = |v: &Volume| -> Vec<f32> {
                (8..40).flat_map(|y| (8..40).map(move |x| (y, x))).map(|(y, x)| v.at(0, y, x)).collect()
            };
            crate::data::fixtures::relative_l2(&inner(&up), &inner(&volume))
        };
        assert!(error(Grid::KSpace) < 1e-3, "{}", error(Grid::KSpace));
        assert!(error(Grid::HalfPixel) > 1e-2);
    }
}
