//! Structural similarity of volumes.

use rayon::prelude::*;

use crate::region::{self, Region};

/// Widest window and its standard deviation, in voxels.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// Weights of the Gaussian window (standard deviation 1.5 voxels) on an axis of `length`
/// voxels, with sum 1: 11 weights, or the largest odd number that fits on a shorter axis.
pub fn gaussian_window(length: usize) -> Vec<f64> {
    let size = if length >= WINDOW { WINDOW } else { length.saturating_sub(1) / 2 * 2 + 1 };
    let centre = (size / 2) as f64;
    let weights: Vec<f64> = (0..size).map(|i| (-((i as f64 - centre) / SIGMA).powi(2) / 2.0).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

/// First and second moments of the window that belongs to a position.
const MOMENTS: usize = 5;

/// `[H, W]` filtered at the positions where the window fits: `[H - len(wh) + 1, W - len(ww) + 1]`.
fn filter_plane(plane: &[f64], [h, w]: [usize; 2], along_h: &[f64], along_w: &[f64]) -> Vec<f64> {
    let (out_h, out_w) = (h + 1 - along_h.len(), w + 1 - along_w.len());
    let mut rows = vec![0.0; h * out_w];
    for (row, out) in plane.chunks_exact(w).zip(rows.chunks_exact_mut(out_w)) {
        for (offset, weight) in along_w.iter().enumerate() {
            for (o, v) in out.iter_mut().zip(&row[offset..]) {
                *o += weight * v;
            }
        }
    }
    let mut filtered = vec![0.0; out_h * out_w];
    for (y, out) in filtered.chunks_exact_mut(out_w).enumerate() {
        for (weight, row) in along_h.iter().zip(rows[y * out_w..].chunks_exact(out_w)) {
            for (o, v) in out.iter_mut().zip(row) {
                *o += weight * v;
            }
        }
    }
    filtered
}

/// What is compared at each position: the window, and the estimator of its variances.
#[derive(Debug, Clone, PartialEq)]
pub struct Ssim {
    /// Weights along `[D, H, W]`, each with sum 1 and of an odd number.
    pub windows: [Vec<f64>; 3],
    /// Whether variances are those of a sample, `n / (n - 1)` times the biased ones.
    pub of_sample: bool,
}

/// Similarity at every position where the window lies wholly inside.
#[derive(Debug, Clone, PartialEq)]
pub struct SsimMap {
    /// `[D, H, W]` of the volume, less the window's size less 1.
    pub shape: [usize; 3],
    pub values: Vec<f64>,
}

impl Ssim {
    /// The [`gaussian_window`] of each axis.
    pub fn gaussian(shape: [usize; 3]) -> Self {
        Self { windows: shape.map(gaussian_window), of_sample: false }
    }

    /// The similarity at each position; empty where the window does not fit.
    ///
    /// # Shapes
    /// Both row-major `[D, H, W]` of `shape`.
    ///
    /// # Panics
    /// When a volume does not have the size of `shape`.
    pub fn map(&self, prediction: &[f32], reference: &[f32], shape: [usize; 3], data_range: f64) -> SsimMap {
        let [d, h, w] = shape;
        let plane = h * w;
        assert_eq!(prediction.len(), d * plane, "the volume has the size of its shape");
        assert_eq!(reference.len(), d * plane, "the volume has the size of its shape");
        let fits = |axis: usize| (shape[axis] + 1).saturating_sub(self.windows[axis].len());
        let size: [usize; 3] = std::array::from_fn(fits);
        if size.contains(&0) || prediction.is_empty() {
            return SsimMap { shape: [0; 3], values: Vec::new() };
        }
        let [along_d, along_h, along_w] = &self.windows;

        // Moments of every slice: E[x], E[y], E[x^2], E[y^2], E[xy].
        let slices: Vec<[Vec<f64>; MOMENTS]> = prediction
            .par_chunks_exact(plane)
            .zip(reference.par_chunks_exact(plane))
            .map(|(x, y)| {
                let moment = |f: fn(f64, f64) -> f64| {
                    let values: Vec<f64> =
                        x.iter().zip(y).map(|(x, y)| f(f64::from(*x), f64::from(*y))).collect();
                    filter_plane(&values, [h, w], along_h, along_w)
                };
                [
                    moment(|x, _| x),
                    moment(|_, y| y),
                    moment(|x, _| x * x),
                    moment(|_, y| y * y),
                    moment(|x, y| x * y),
                ]
            })
            .collect();

        let n: usize = self.windows.iter().map(Vec::len).product();
        let scale = if self.of_sample && n > 1 { n as f64 / (n - 1) as f64 } else { 1.0 };
        let (c1, c2) = ((K1 * data_range).powi(2), (K2 * data_range).powi(2));
        let values = (0..size[0])
            .into_par_iter()
            .flat_map_iter(|z| {
                let mut m: [Vec<f64>; MOMENTS] = std::array::from_fn(|_| vec![0.0; size[1] * size[2]]);
                for (weight, slice) in along_d.iter().zip(&slices[z..]) {
                    for (out, values) in m.iter_mut().zip(slice) {
                        for (o, v) in out.iter_mut().zip(values) {
                            *o += weight * v;
                        }
                    }
                }
                (0..size[1] * size[2]).map(move |i| {
                    let [ex, ey, exx, eyy, exy] = [m[0][i], m[1][i], m[2][i], m[3][i], m[4][i]];
                    let [vx, vy, cov] = [exx - ex * ex, eyy - ey * ey, exy - ex * ey].map(|v| v * scale);
                    (2.0 * ex * ey + c1) * (2.0 * cov + c2) / ((ex * ex + ey * ey + c1) * (vx + vy + c2))
                })
            })
            .collect();
        SsimMap { shape: size, values }
    }
}

impl SsimMap {
    /// The mean over all positions; none without any.
    pub fn mean(&self) -> Option<f64> {
        (!self.values.is_empty()).then(|| self.values.iter().sum::<f64>() / self.values.len() as f64)
    }
}

/// Structural similarity of two volumes, at most 1, which equal volumes reach exactly.
///
/// Gaussian window of 11 x 11 x 11 voxels with a standard deviation of 1.5 voxels, k1 0.01,
/// k2 0.03, biased covariances; the mean is over the positions where the window lies wholly
/// inside. On an axis shorter than 11 the window is the largest odd one that fits, so that
/// volumes of few slices can be scored; other implementations refuse those. `data_range` is
/// the largest minus the smallest value that images of this kind have. NaN for empty volumes.
///
/// # Shapes
/// Both row-major `[D, H, W]` of `shape`.
///
/// # Panics
/// When a volume does not have the size of `shape`.
///
/// # Source
/// Wang et al., "Image quality assessment: from error visibility to structural similarity"
/// (2004), with the window in three dimensions.
pub fn ssim3d(prediction: &[f32], reference: &[f32], shape: [usize; 3], data_range: f64) -> f64 {
    Ssim::gaussian(shape).map(prediction, reference, shape, data_range).mean().unwrap_or(f64::NAN)
}

/// [`ssim3d`] restricted to a box: the mean over the positions whose middle voxel lies in it. Windows reach
/// beyond the box and are those of the whole volume. None where no window's middle lies in the box.
///
/// # Panics
/// When a volume does not have the size of `shape`, or the box reaches over it.
pub fn ssim3d_in(
    prediction: &[f32],
    reference: &[f32],
    shape: [usize; 3],
    data_range: f64,
    region: &Region,
) -> Option<f64> {
    let ssim = Ssim::gaussian(shape);
    let half: [usize; 3] = std::array::from_fn(|a| ssim.windows[a].len() / 2);
    let reach = region::grown(region, half, shape);
    let part = |values: &[f32]| region::cut(values, shape, &reach);
    ssim.map(&part(prediction), &part(reference), region::size(&reach), data_range).mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, position by position, with a three-dimensional window.
    fn plain(x: &[f32], y: &[f32], [d, h, w]: [usize; 3], data_range: f64) -> f64 {
        let (gd, gh, gw) = (gaussian_window(d), gaussian_window(h), gaussian_window(w));
        let (c1, c2) = ((0.01 * data_range).powi(2), (0.03 * data_range).powi(2));
        let (mut sum, mut n) = (0.0, 0);
        for z in 0..=d - gd.len() {
            for r in 0..=h - gh.len() {
                for c in 0..=w - gw.len() {
                    let mut m = [0.0; 5];
                    for (i, a) in gd.iter().enumerate() {
                        for (j, b) in gh.iter().enumerate() {
                            for (k, e) in gw.iter().enumerate() {
                                let at = ((z + i) * h + r + j) * w + c + k;
                                let (p, q) = (f64::from(x[at]), f64::from(y[at]));
                                for (m, v) in m.iter_mut().zip([p, q, p * p, q * q, p * q]) {
                                    *m += a * b * e * v;
                                }
                            }
                        }
                    }
                    let [ex, ey, exx, eyy, exy] = m;
                    sum += (2.0 * ex * ey + c1) * (2.0 * (exy - ex * ey) + c2)
                        / ((ex * ex + ey * ey + c1) * (exx - ex * ex + eyy - ey * ey + c2));
                    n += 1;
                }
            }
        }
        sum / f64::from(n)
    }

    #[test]
    fn few_slices_use_the_largest_odd_window_that_fits() {
        assert_eq!([1, 2, 3, 8, 10, 11, 40].map(|n| gaussian_window(n).len()), [1, 1, 3, 7, 9, 11, 11]);
        for shape in [[8, 13, 12], [1, 12, 14], [2, 5, 11]] {
            let n = shape.iter().product::<usize>();
            let x: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin() * 0.5 + 0.5).collect();
            let y: Vec<f32> = x.iter().enumerate().map(|(i, v)| v + 0.1 * (i as f32 * 0.91).cos()).collect();
            let (ours, theirs) = (ssim3d(&y, &x, shape, 2.0), plain(&y, &x, shape, 2.0));
            assert!((ours - theirs).abs() < 1e-12, "{shape:?}: {ours} and {theirs}");
        }
        assert!(ssim3d(&[], &[], [0, 4, 4], 1.0).is_nan());
    }
    #[test]
    fn equal_volumes_reach_one_and_a_box_takes_its_positions() {
        let shape = [14, 20, 22];
        let x: Vec<f32> = (0..14 * 20 * 22).map(|i| (i as f32 * 0.37).sin()).collect();
        let y: Vec<f32> = x.iter().enumerate().map(|(i, v)| v + 0.3 * (i as f32 * 0.11).cos()).collect();
        assert_eq!(ssim3d(&x, &x, shape, 2.0), 1.0);
        let map = Ssim::gaussian(shape).map(&y, &x, shape, 2.0);
        assert_eq!(map.shape, [4, 10, 12]);
        // Middles lie from voxel 5 on; the box is cut by the volume's edge on one side.
        let region = [0..7, 8..11, 15..22];
        let mut inside = Vec::new();
        for z in 0..2 {
            for r in 3..6 {
                inside.extend_from_slice(&map.values[(z * 10 + r) * 12 + 10..(z * 10 + r) * 12 + 12]);
            }
        }
        let expected = inside.iter().sum::<f64>() / inside.len() as f64;
        let ours = ssim3d_in(&y, &x, shape, 2.0, &region).unwrap();
        assert!((ours - expected).abs() < 1e-12, "{ours} and {expected}");
        assert_eq!(ssim3d_in(&y, &x, shape, 2.0, &[0..3, 0..20, 0..22]), None);
        let whole = ssim3d_in(&y, &x, shape, 2.0, &[0..14, 0..20, 0..22]).unwrap();
        assert_eq!(whole, ssim3d(&y, &x, shape, 2.0));
    }
}
