//! Examples: cases brought to the grid that a network works on, with the task's input and target.

use std::path::Path;

use rayon::prelude::*;
use transferscope_domain::{
    Task,
    dataset::{CaseEntry, DatasetManifest, SegmentationTarget},
    metric::Split,
};

use super::view::WorkingGrid;
use crate::{
    data::{DataError, case, normalise::zscore_nonzero, volume::Volume, window::window},
    nn::resize::{antialiased_bicubic, resize},
    physics::{
        bicubic::{Grid, enlarge},
        kspace::truncate,
    },
};

/// In-plane factor of super-resolution: every second line of k-space in each direction is lost.
const FACTOR: usize = 2;

/// One case, ready for a task.
#[derive(Debug, Clone)]
pub struct Example {
    pub case_id: String,
    pub patient_id: String,
    /// `[D, H, W]`; H and W are multiples of 16.
    pub shape: [usize; 3],
    /// Image types in the task's order, each normalised to mean 0 and deviation 1 over non-zero voxels.
    pub inputs: Vec<Vec<f32>>,
    pub target: Target,
    /// What previews show as input, scaled to 0..1.
    pub display: Vec<f32>,
}

/// What the network should give.
#[derive(Debug, Clone)]
pub enum Target {
    /// A class for each voxel.
    Labels(Vec<u8>),
    /// The image, scaled so that its maximum is 1, and the degraded one in the same scale, to
    /// which the network adds its output.
    Image { sharp: Vec<f32>, degraded: Vec<f32>, bicubic: Vec<f32> },
}

impl Target {
    /// Sharp and degraded image.
    ///
    /// # Panics
    /// When the target is labels: examples of one task have targets of one kind.
    pub fn image_parts(&self) -> (&[f32], &[f32]) {
        match self {
            Target::Image { sharp, degraded, .. } => (sharp, degraded),
            Target::Labels(_) => unreachable!("examples of one task have targets of one kind"),
        }
    }
}

impl Example {
    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What a task needs to know of a data set.
#[derive(Debug, Clone, Copy)]
pub struct TaskPlan {
    pub task: Task,
    pub segmentation: SegmentationTarget,
    pub grid: WorkingGrid,
}

impl TaskPlan {
    pub fn new(task: Task, manifest: &DatasetManifest, grid: WorkingGrid) -> Self {
        Self { task, segmentation: manifest.segmentation_target(), grid }
    }

    /// Names of the image types that go in.
    pub fn sequences(&self) -> &'static [&'static str] {
        match self.task {
            Task::Segmentation | Task::Pretraining => &["t2w", "hbv", "adc"],
            Task::SuperResolution => &["t2w"],
        }
    }

    /// Channels of the network's output.
    pub fn out(&self) -> usize {
        match self.task {
            Task::Segmentation => self.segmentation.classes().len() + 1,
            Task::SuperResolution => 1,
            Task::Pretraining => PRETRAINING_CLASSES,
        }
    }
}

/// Labels of a case for pre-training: 0 background, 1 gland without lesions, 2 lesion.
pub const PRETRAINING_CLASSES: usize = 3;

/// Loads the usable cases of a split, in the manifest's order, in parallel.
///
/// # Errors
/// When a case cannot be read.
pub fn load(
    dataset_dir: &Path,
    manifest: &DatasetManifest,
    plan: TaskPlan,
    split: Split,
) -> Result<Vec<Example>, DataError> {
    manifest.usable(plan.task, split).into_par_iter().map(|entry| example(dataset_dir, entry, plan)).collect()
}

/// Loads the cases of a split that have all of `needs` for pre-training: the three image types, and
/// the labels of [`PRETRAINING_CLASSES`], all background where a case has no mask.
///
/// # Errors
/// When a case cannot be read.
pub fn load_for_pretraining(
    dataset_dir: &Path,
    manifest: &DatasetManifest,
    needs: &[&str],
    grid: WorkingGrid,
    split: Split,
) -> Result<Vec<Example>, DataError> {
    let plan = TaskPlan::new(Task::Pretraining, manifest, grid);
    let cases: Vec<&CaseEntry> =
        manifest.cases.iter().filter(|c| c.split == split && needs.iter().all(|n| c.has(n))).collect();
    cases.into_par_iter().map(|entry| example(dataset_dir, entry, plan)).collect()
}

fn example(dataset_dir: &Path, entry: &CaseEntry, plan: TaskPlan) -> Result<Example, DataError> {
    let case = case::load(dataset_dir, entry)?;
    let working = |name: &str, kind: Kind| -> Result<Volume, DataError> {
        Ok(to_working_grid(case.volume(name)?, entry.spacing_mm, plan.grid, kind))
    };
    let t2w = working("t2w", Kind::Image)?;
    let shape = t2w.shape;
    let make = |inputs: Vec<Vec<f32>>, target, display| Example {
        case_id: entry.case_id.clone(),
        patient_id: entry.patient_id.clone(),
        shape,
        inputs,
        target,
        display,
    };
    match plan.task {
        Task::Segmentation => {
            let mut inputs = Vec::new();
            for name in plan.sequences() {
                let mut volume = working(name, Kind::Image)?.data;
                zscore_nonzero(&mut volume);
                inputs.push(volume);
            }
            let labels = working(plan.segmentation.channel(), Kind::Labels)?;
            let classes = plan.segmentation.classes().len() as u8;
            // A gland mask is any non-zero value; zones keep theirs.
            let labels =
                labels.data.iter().map(|v| (v.round().clamp(0.0, 255.0) as u8).min(classes)).collect();
            let display = scaled_to_one(&t2w.data, 0.995);
            Ok(make(inputs, Target::Labels(labels), display))
        }
        Task::Pretraining => {
            let mut inputs = Vec::new();
            for name in plan.sequences() {
                let mut volume = working(name, Kind::Image)?.data;
                zscore_nonzero(&mut volume);
                inputs.push(volume);
            }
            let mask = |name: &str| -> Result<Vec<f32>, DataError> {
                if !entry.has(name) {
                    return Ok(vec![0.0; shape.iter().product()]);
                }
                Ok(working(name, Kind::Labels)?.data)
            };
            let (gland, lesion) = (mask("gland")?, mask("lesion")?);
            let labels = gland.iter().zip(&lesion);
            let labels = labels.map(|(g, l)| if *l > 0.0 { 2 } else { u8::from(*g > 0.0) }).collect();
            Ok(make(inputs, Target::Labels(labels), scaled_to_one(&t2w.data, 0.995)))
        }
        Task::SuperResolution => {
            let sharp = scaled_to_one(&t2w.data, 1.0);
            let sharp = Volume { shape, data: sharp };
            let cut = truncate(&sharp, [FACTOR; 2])
                .map_err(|e| DataError::refused(dataset_dir.join(&entry.prepared), e.to_string()))?;
            let bicubic = enlarge(&cut.low, [shape[1], shape[2]], Grid::KSpace).data;
            let degraded = cut.zero_filled.data;
            let mut input = degraded.clone();
            zscore_nonzero(&mut input);
            let display = degraded.clone();
            let target = Target::Image { sharp: sharp.data, degraded, bicubic };
            Ok(make(vec![input], target, display))
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Image,
    Labels,
}

/// Resamples within slices to the grid's pixels, crops to its size around the centre, where the
/// prostate is, and pads H and W with zeros to multiples of 16. Slices keep their spacing.
fn to_working_grid(volume: &Volume, spacing_mm: [f64; 3], grid: WorkingGrid, kind: Kind) -> Volume {
    let WorkingGrid { pixel_mm, pixels, slices } = grid;
    let [d, h, w] = volume.shape;
    let target = |n: usize, spacing: f64| ((n as f64 * spacing / pixel_mm).round() as usize).max(1);
    let (h2, w2) = (target(h, spacing_mm[1]), target(w, spacing_mm[2]));
    let resized = if (h2, w2) == (h, w) {
        volume.data.clone()
    } else {
        match kind {
            Kind::Image => {
                let rows = antialiased_bicubic(h, h2);
                let columns = antialiased_bicubic(w, w2);
                let mut out = Vec::with_capacity(d * h2 * w2);
                for z in 0..d {
                    // The kernel overshoots at edges; intensities and ADC values are never negative.
                    let slice = resize(volume.slice(z), [h, w], [h2, w2], &rows, &columns);
                    out.extend(slice.into_iter().map(|v| v.max(0.0)));
                }
                out
            }
            Kind::Labels => {
                let nearest = |i: usize, n: usize, n2: usize| {
                    (((i as f64 + 0.5) * n as f64 / n2 as f64) as usize).min(n - 1)
                };
                let mut out = Vec::with_capacity(d * h2 * w2);
                for z in 0..d {
                    for y in 0..h2 {
                        for x in 0..w2 {
                            out.push(volume.at(z, nearest(y, h, h2), nearest(x, w, w2)));
                        }
                    }
                }
                out
            }
        }
    };
    let crop = [d.min(slices), h2.min(pixels).next_multiple_of(16), w2.min(pixels).next_multiple_of(16)];
    let start = |n: usize, to: usize| (n as isize - to as isize).div_euclid(2);
    let data =
        window(&resized, [d, h2, w2], [start(d, crop[0]), start(h2, crop[1]), start(w2, crop[2])], crop);
    Volume { shape: crop, data }
}

/// Divides by the given quantile (1 = maximum) of the values; all zero stays so.
fn scaled_to_one(data: &[f32], quantile: f64) -> Vec<f32> {
    let mut sorted = data.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = ((sorted.len() as f64 - 1.0) * quantile).round() as usize;
    let top = sorted.get(at).copied().unwrap_or(0.0);
    let scale = if top > 0.0 { 1.0 / top } else { 0.0 };
    data.iter().map(|v| v * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fine_grid_is_halved_and_centred() {
        let mut volume = Volume::filled([3, 192, 200], 2.0);
        volume.data[0] = 0.0;
        let out = to_working_grid(&volume, [3.0, 0.5, 0.5], WorkingGrid::SMALL, Kind::Image);
        assert_eq!(out.shape, [3, 96, 96]);
        assert!(out.data[96 * 96 + 48 * 96 + 48] > 1.99);
        let full = to_working_grid(&volume, [3.0, 0.5, 0.5], WorkingGrid::FULL, Kind::Image);
        assert_eq!(full.shape, [3, 192, 208]);
        let short = Volume::filled([40, 20, 33], 1.0);
        let small = to_working_grid(&short, [3.0, 1.0, 1.0], WorkingGrid::SMALL, Kind::Labels);
        assert_eq!(small.shape, [32, 32, 48]);
        assert_eq!(small.data.iter().sum::<f32>(), (32 * 20 * 33) as f32);
    }

    #[test]
    fn scaling_leaves_an_empty_image_empty() {
        assert_eq!(scaled_to_one(&[0.0; 3], 1.0), [0.0; 3]);
        assert_eq!(scaled_to_one(&[1.0, 4.0, 2.0], 1.0), [0.25, 1.0, 0.5]);
    }
}
