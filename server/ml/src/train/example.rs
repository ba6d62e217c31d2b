//! Examples: cases brought to the grid that a network works on, with the task's input and target.

use std::path::Path;

use rayon::prelude::*;
use transferscope_domain::{
    Degradation, Target as Mask, Task, TrainingSpec,
    dataset::{Aim, CaseEntry, DatasetManifest, SegmentationTarget},
    metric::Split,
};
use transferscope_imaging::region::Region;

use super::{placement::Placement, prepare, sampling::WorkingGrid};
use crate::data::{DataError, case};

/// One case, ready for a task.
#[derive(Debug, Clone)]
pub struct Example {
    pub case_id: String,
    pub patient_id: String,
    /// `[D, H, W]`; H and W are multiples of 16.
    pub shape: [usize; 3],
    /// Voxel size in mm, `[D, H, W]`.
    pub spacing_mm: [f64; 3],
    /// Images in the task's order, each normalised to mean 0 and deviation 1 over non-zero voxels.
    pub inputs: Vec<Vec<f32>>,
    pub target: Target,
    /// What previews show as input, scaled to 0..1.
    pub display: Vec<f32>,
    /// The truth on the case's own grid, where labels are scored; none where this grid is it.
    pub native: Option<Native>,
    /// What simple baselines make of an image, by their name.
    pub baselines: Vec<(&'static str, Vec<f32>)>,
    /// The box of the grid in which images are scored; all of it where there is none.
    pub region: Option<Region>,
    /// What was done to the images, for people.
    pub note: Option<String>,
}

/// Labels of a case on its own grid.
#[derive(Debug, Clone)]
pub struct Native {
    pub placement: Placement,
    /// `[D, H, W]`
    pub shape: [usize; 3],
    pub spacing_mm: [f64; 3],
    pub labels: Vec<u8>,
}

/// What the network should give.
#[derive(Debug, Clone)]
pub enum Target {
    /// A class for each voxel.
    Labels(Vec<u8>),
    /// The image, and the one to which the network adds its output: the degraded one in the same scale,
    /// or zeros where there is none.
    Image { sharp: Vec<f32>, degraded: Vec<f32> },
    /// A class of the whole case.
    Label(u8),
}

impl Example {
    /// An example of voxels of 1 mm that is scored on this grid, in all of it.
    pub fn new(
        entry: (&str, &str),
        shape: [usize; 3],
        inputs: Vec<Vec<f32>>,
        target: Target,
        display: Vec<f32>,
    ) -> Self {
        Self {
            case_id: entry.0.to_owned(),
            patient_id: entry.1.to_owned(),
            shape,
            spacing_mm: [1.0; 3],
            inputs,
            target,
            display,
            native: None,
            baselines: Vec::new(),
            region: None,
            note: None,
        }
    }

    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What a task needs to know of a data set.
#[derive(Debug, Clone, Copy)]
pub struct TaskPlan {
    pub task: Task,
    /// What a segmentation was asked to learn, and which mask that is on this data set.
    pub target: Mask,
    pub segmentation: SegmentationTarget,
    pub degradation: Degradation,
    pub grid: WorkingGrid,
}

impl TaskPlan {
    pub fn new(task: Task, manifest: &DatasetManifest, grid: WorkingGrid, training: &TrainingSpec) -> Self {
        let segmentation = manifest.segmentation_target(training.target);
        let TrainingSpec { target, degradation, .. } = training;
        Self { task, target: *target, segmentation, degradation: *degradation, grid }
    }

    /// With the usual settings on the smallest grid.
    #[cfg(test)]
    pub fn usual(task: Task, segmentation: SegmentationTarget) -> Self {
        let (target, degradation) = (Mask::default(), Degradation::default());
        Self { task, target, segmentation, degradation, grid: WorkingGrid::SMALL }
    }

    /// What cases must have for it.
    fn aim(&self) -> Aim {
        Aim { task: self.task, target: self.target, degradation: self.degradation }
    }

    /// Names of the images that go in.
    pub fn images(&self) -> &'static [&'static str] {
        self.task.inputs()
    }

    /// Channels of the network's output.
    pub fn out(&self) -> usize {
        match self.task {
            Task::Segmentation => self.segmentation.classes().len() + 1,
            Task::Classification => 2,
            Task::DistortionCorrection | Task::SuperResolution | Task::ModalityTranslation => 1,
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
    manifest
        .usable(plan.aim(), split)
        .into_par_iter()
        .map(|entry| example(dataset_dir, entry, plan))
        .collect()
}

/// Loads the cases of a split that have all of `needs` for pre-training: the three images, and
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
    let plan = TaskPlan::new(Task::Pretraining, manifest, grid, &TrainingSpec::pretraining());
    let cases: Vec<&CaseEntry> =
        manifest.cases.iter().filter(|c| c.split == split && needs.iter().all(|n| c.has(n))).collect();
    cases.into_par_iter().map(|entry| example(dataset_dir, entry, plan)).collect()
}

fn example(dataset_dir: &Path, entry: &CaseEntry, plan: TaskPlan) -> Result<Example, DataError> {
    let case = case::load(dataset_dir, entry)?;
    let prepared = prepare::Prepared { entry, case: &case, plan };
    let refused = |reason: String| DataError::refused(dataset_dir.join(&entry.prepared), reason);
    match plan.task {
        Task::Segmentation => prepared.segmentation(),
        Task::Classification => prepared.classification(),
        Task::DistortionCorrection => prepared.distortion(),
        Task::SuperResolution => prepared.super_resolution().map_err(refused),
        Task::ModalityTranslation => prepared.translation(),
        Task::Pretraining => prepared.pretraining(),
    }
}
