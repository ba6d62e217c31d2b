//! Predictors that look at no input, or do nothing with it: what a network has to beat.
//!
//! Learnt here from the training cases: [`MeanImage`], [`MeanShape`], [`majority`] and [`prevalence`]. The
//! others need nothing: identity is the degraded input itself, zero-filling is
//! [`Truncated::zero_filled`](crate::physics::kspace::Truncated), enlargement
//! [`bicubic::enlarge`](crate::physics::bicubic::enlarge) and
//! [`thick_slices::restore`](crate::physics::thick_slices::restore), and the true field's correction
//! [`Distortion::undo`](crate::physics::distortion::Distortion::undo).
//!
//! Cases differ in size: they lie with their middles on each other on a common grid of one voxel size, and what
//! of them does not fit is cut off.

use crate::data::window::centred;

/// The mean of the training cases' images, voxel by voxel.
#[derive(Debug, Clone)]
pub struct MeanImage {
    shape: [usize; 3],
    sums: Vec<f64>,
    /// Cases that cover each voxel.
    counts: Vec<u32>,
}

impl MeanImage {
    /// No case yet, on a common grid `[D, H, W]`.
    pub fn new(shape: [usize; 3]) -> Self {
        let voxels = shape.iter().product();
        Self { shape, sums: vec![0.0; voxels], counts: vec![0; voxels] }
    }

    /// Adds a training case.
    ///
    /// # Shapes
    /// `image [D, H, W]` of `shape`.
    ///
    /// # Panics
    /// When the image does not have the size of `shape`.
    pub fn add(&mut self, image: &[f32], shape: [usize; 3]) {
        assert_eq!(image.len(), shape.iter().product::<usize>(), "the image has the size of its shape");
        let covered = centred(&vec![1u8; image.len()], shape, self.shape);
        let image = centred(image, shape, self.shape);
        for (((sum, count), value), covered) in
            self.sums.iter_mut().zip(&mut self.counts).zip(image).zip(covered)
        {
            *sum += f64::from(value);
            *count += u32::from(covered);
        }
    }

    /// The prediction for a case of `shape`: the mean over the cases that cover a voxel, 0 where none does.
    ///
    /// # Shapes
    /// -> `[D, H, W]` of `shape`
    pub fn predict(&self, shape: [usize; 3]) -> Vec<f32> {
        let means = self.sums.iter().zip(&self.counts);
        let means: Vec<f32> = means.map(|(sum, n)| (sum / f64::from((*n).max(1))) as f32).collect();
        centred(&means, self.shape, shape)
    }
}

/// The labels that most training cases have, voxel by voxel.
#[derive(Debug, Clone)]
pub struct MeanShape {
    shape: [usize; 3],
    cases: u32,
    /// `[class - 1, D, H, W]`: cases that have the class at a voxel.
    counts: Vec<u32>,
}

impl MeanShape {
    /// No case yet, on a common grid `[D, H, W]`, of labels 1 to `classes`.
    pub fn new(shape: [usize; 3], classes: u8) -> Self {
        let voxels: usize = shape.iter().product();
        Self { shape, cases: 0, counts: vec![0; voxels * usize::from(classes)] }
    }

    /// Adds a training case; labels beyond the classes count as background.
    ///
    /// # Shapes
    /// `labels [D, H, W]` of `shape`.
    ///
    /// # Panics
    /// When the map does not have the size of `shape`.
    pub fn add(&mut self, labels: &[u8], shape: [usize; 3]) {
        assert_eq!(labels.len(), shape.iter().product::<usize>(), "the map has the size of its shape");
        let labels = centred(labels, shape, self.shape);
        for (class, counts) in (1..=u8::MAX).zip(self.counts.chunks_exact_mut(labels.len().max(1))) {
            for (count, label) in counts.iter_mut().zip(&labels) {
                *count += u32::from(*label == class);
            }
        }
        self.cases += 1;
    }

    /// The prediction for a case of `shape`: where at least half of the cases have a label, the one that most of
    /// them have (of equally frequent ones the first); background elsewhere, and everywhere without cases.
    ///
    /// # Shapes
    /// -> `[D, H, W]` of `shape`
    pub fn predict(&self, shape: [usize; 3]) -> Vec<u8> {
        let voxels: usize = self.shape.iter().product();
        let mut best = vec![(0u8, 0u32, 0u32); voxels];
        for (class, counts) in (1..=u8::MAX).zip(self.counts.chunks_exact(voxels.max(1))) {
            for ((label, most, all), count) in best.iter_mut().zip(counts) {
                *all += count;
                if count > most {
                    (*label, *most) = (class, *count);
                }
            }
        }
        let labels: Vec<u8> = best
            .into_iter()
            .map(|(label, _, all)| if all > 0 && 2 * all >= self.cases { label } else { 0 })
            .collect();
        centred(&labels, self.shape, shape)
    }
}

/// The most frequent class of the training cases, of equally frequent ones the lowest; none without cases.
pub fn majority(classes: &[usize]) -> Option<usize> {
    let mut sorted = classes.to_vec();
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a == b).rev().max_by_key(|run| run.len()).map(|run| run[0])
}

/// Share of positive training cases, the best probability to give to everyone; none without cases.
pub fn prevalence(truth: &[bool]) -> Option<f64> {
    (!truth.is_empty()).then(|| truth.iter().filter(|t| **t).count() as f64 / truth.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_the_cases_that_cover_a_voxel() {
        let mut mean = MeanImage::new([1, 1, 3]);
        mean.add(&[1.0, 2.0, 3.0], [1, 1, 3]);
        mean.add(&[4.0], [1, 1, 1]);
        mean.add(&[9.0, 0.0, 0.0, 0.0, 9.0], [1, 1, 5]);
        assert_eq!(mean.predict([1, 1, 3]), [0.5, 2.0, 1.5]);
        assert_eq!(mean.predict([1, 1, 5]), [0.0, 0.5, 2.0, 1.5, 0.0]);
        assert_eq!(MeanImage::new([1, 1, 1]).predict([1, 1, 1]), [0.0]);
    }

    #[test]
    fn labels_of_at_least_half_of_the_cases() {
        let mut shape = MeanShape::new([1, 1, 4], 2);
        assert_eq!(shape.predict([1, 1, 4]), [0; 4]);
        for labels in [[1, 1, 0, 0], [1, 2, 0, 1], [2, 2, 3, 0], [2, 0, 0, 0]] {
            shape.add(&labels, [1, 1, 4]);
        }
        // Both classes twice, class 2 twice of three, nothing known, one of four.
        assert_eq!(shape.predict([1, 1, 4]), [1, 2, 0, 0]);
        assert_eq!(shape.predict([1, 1, 2]), [2, 0]);
    }

    #[test]
    fn frequencies() {
        assert_eq!(majority(&[3, 1, 3, 1, 2]), Some(1));
        assert_eq!(majority(&[0, 2, 2]), Some(2));
        assert_eq!(majority(&[]), None);
        assert_eq!((prevalence(&[true, false, false, false]), prevalence(&[])), (Some(0.25), None));
    }
}
