//! Distances between the surfaces of two masks.

use super::{distance_map::squared_distance, quantile::quantile};
use crate::region::{self, Region};

/// Distances from each surface voxel of one mask to the nearest of the other, in the unit of the spacing.
///
/// A mask's surface is its voxels with at least one of six neighbours outside the mask; beyond the image is
/// outside. Distances are between voxel centres.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceDistances {
    pub prediction_to_truth: Vec<f64>,
    pub truth_to_prediction: Vec<f64>,
}

impl SurfaceDistances {
    /// Of one class; none where either mask has no voxel of it, since nothing is a distance to nothing.
    /// (MONAI says NaN or infinity there.)
    ///
    /// # Shapes
    /// Label maps `[D, H, W]` of `shape`; `spacing_mm` `[D, H, W]`, ones for distances in voxels.
    ///
    /// # Panics
    /// When a map does not have the size of `shape`.
    pub fn between(
        prediction: &[u8],
        truth: &[u8],
        class: u8,
        shape: [usize; 3],
        spacing_mm: [f64; 3],
    ) -> Option<Self> {
        let bounds = |labels: &[u8]| region::bounding_box(labels, shape, |label| label == class);
        let (a, b) = (bounds(prediction)?, bounds(truth)?);
        // No nearest voxel lies outside of both boxes.
        let both: Region = std::array::from_fn(|k| a[k].start.min(b[k].start)..a[k].end.max(b[k].end));
        let size = region::size(&both);
        let surface_of = |labels: &[u8]| surface(&region::cut(labels, shape, &both), size, class);
        let (prediction, truth) = (surface_of(prediction), surface_of(truth));
        let distances = |from: &[bool], to: &[bool]| {
            let map = squared_distance(to, size, spacing_mm);
            from.iter().zip(map).filter(|(from, _)| **from).map(|(_, d)| d.sqrt()).collect()
        };
        Some(Self {
            prediction_to_truth: distances(&prediction, &truth),
            truth_to_prediction: distances(&truth, &prediction),
        })
    }

    /// The larger of the two directed 95th percentiles, linearly interpolated, as MONAI computes it. MedPy pools the
    /// distances first.
    pub fn hd95(&self) -> f64 {
        let directed = [&self.prediction_to_truth, &self.truth_to_prediction];
        directed.into_iter().filter_map(|d| quantile(d, 0.95)).fold(0.0, f64::max)
    }

    /// Average symmetric surface distance: the mean over the distances of both directions pooled.
    pub fn assd(&self) -> f64 {
        mean(self.pooled())
    }

    fn pooled(&self) -> impl Iterator<Item = f64> + '_ {
        self.prediction_to_truth.iter().chain(&self.truth_to_prediction).copied()
    }
}

/// Every mask that has a voxel has a surface, so that there is something to take the mean of.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for v in values {
        sum += v;
        n += 1.0;
    }
    sum / n
}

/// 95th percentile of the surface distances of one class in mm, the larger of the two directions; none
/// where either mask is empty.
///
/// # Panics
/// When a map does not have the size of `shape`.
pub fn hd95_mm(
    prediction: &[u8],
    truth: &[u8],
    class: u8,
    shape: [usize; 3],
    spacing_mm: [f64; 3],
) -> Option<f64> {
    SurfaceDistances::between(prediction, truth, class, shape, spacing_mm).map(|d| d.hd95())
}

/// Average symmetric surface distance of one class in mm; none where either mask is empty.
///
/// # Panics
/// When a map does not have the size of `shape`.
pub fn assd_mm(
    prediction: &[u8],
    truth: &[u8],
    class: u8,
    shape: [usize; 3],
    spacing_mm: [f64; 3],
) -> Option<f64> {
    SurfaceDistances::between(prediction, truth, class, shape, spacing_mm).map(|d| d.assd())
}

/// Voxels of the class with a neighbour that is not of it.
fn surface(labels: &[u8], [depth, rows, columns]: [usize; 3], class: u8) -> Vec<bool> {
    let plane = rows * columns;
    let is = |i: usize| labels[i] == class;
    let mut out = vec![false; labels.len()];
    for z in 0..depth {
        for y in 0..rows {
            let row = z * plane + y * columns;
            let edge = z == 0 || z + 1 == depth || y == 0 || y + 1 == rows;
            for x in 0..columns {
                let i = row + x;
                out[i] = is(i)
                    && (edge
                        || x == 0
                        || x + 1 == columns
                        || !(is(i - 1)
                            && is(i + 1)
                            && is(i - columns)
                            && is(i + columns)
                            && is(i - plane)
                            && is(i + plane)));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed_distances() {
        // A bar of three voxels against one of its ends, 2 mm apart along the row.
        let (bar, end) = ([0, 1, 1, 1, 0], [0, 1, 0, 0, 0]);
        let d = SurfaceDistances::between(&bar, &end, 1, [1, 1, 5], [3.0, 1.0, 2.0]).unwrap();
        assert_eq!(d.prediction_to_truth, [0.0, 2.0, 4.0]);
        assert_eq!(d.truth_to_prediction, [0.0]);
        assert_eq!(d.assd(), 1.5);
        assert!((d.hd95() - 3.8).abs() < 1e-12);
        assert_eq!(hd95_mm(&end, &end, 1, [1, 1, 5], [1.0; 3]), Some(0.0));
        // Across slices the spacing is the slices'.
        assert_eq!(assd_mm(&[1, 0], &[0, 1], 1, [2, 1, 1], [3.0, 1.0, 1.0]), Some(3.0));
    }

    #[test]
    fn a_missing_mask_has_no_distance() {
        for (p, t) in [([0, 0], [0, 1]), ([1, 0], [0, 0]), ([0, 0], [0, 0]), ([2, 2], [1, 1])] {
            assert_eq!(SurfaceDistances::between(&p, &t, 1, [1, 1, 2], [1.0; 3]), None);
        }
    }

    #[test]
    fn the_inside_of_a_ball_is_no_surface() {
        let full = vec![1u8; 27];
        let mut expected = vec![true; 27];
        expected[13] = false;
        assert_eq!(surface(&full, [3, 3, 3], 1), expected);
    }
}
