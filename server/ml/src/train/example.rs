//! Examples: cases brought to the grid that a network works on, with the task's input and target.

use std::path::Path;

use rayon::prelude::*;
use transferscope_domain::{
    Name, Task, TaskKind, TrainingSpec,
    dataset::{Aim, CaseEntry, Contents, DatasetManifest, Goal, Plan},
    metric::Split,
    task::Output,
};
use transferscope_imaging::region::Region;

use super::{placement::Placement, prepare, sampling::WorkingGrid};
use crate::{
    data::{DataError, case},
    model::io::TaskIo,
};

/// One case, ready for a task.
#[derive(Debug, Clone)]
pub struct Example {
    pub case_id: String,
    pub patient_id: String,
    /// `[D, H, W]`; H and W are multiples of 16 where the grid is that of the study's networks.
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
    /// Some voxels of every class that the case shows, where training boxes are to find them.
    pub foreground: Vec<Vec<u32>>,
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
    /// A class for each voxel: 0 background, then the mask's values in their order; or [`IGNORED`].
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
            foreground: Vec::new(),
        }
    }

    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A label that is neither learnt nor scored.
pub const IGNORED: u8 = u8::MAX;

/// What a task needs to know of a data set.
#[derive(Debug, Clone)]
pub struct TaskPlan {
    pub aim: Aim,
    /// Everything that cases have.
    pub contents: Contents,
    /// How cases are brought to the network, where the data set says so; else the grid of the study's networks.
    pub plan: Option<Plan>,
    pub grid: WorkingGrid,
}

impl TaskPlan {
    /// The task of a request on a data set.
    ///
    /// # Errors
    /// When the data set does not have it.
    pub fn new(
        task: impl Into<Task>,
        manifest: &DatasetManifest,
        plan: Option<&Plan>,
        grid: WorkingGrid,
        training: &TrainingSpec,
    ) -> Result<Self, String> {
        let aim = manifest.aim(task, training)?;
        Ok(Self { aim, contents: manifest.contents.clone(), plan: plan.cloned(), grid })
    }

    /// Of prostate data with the usual settings on the smallest grid.
    #[cfg(test)]
    pub fn usual(task: &str) -> Self {
        let mut manifest: DatasetManifest = serde_json::from_str(
            r#"{"schema":1,"name":"set","source":"","synthetic":true,"hash":"","cases":[],"refused":[],"split_seed":0}"#,
        )
        .unwrap();
        manifest.contents = Contents::prostate();
        let task: Task = task.parse().unwrap();
        let usual = TrainingSpec::default_for(transferscope_domain::Family::Unet, task.kind);
        Self::new(task, &manifest, None, WorkingGrid::SMALL, &usual).unwrap()
    }

    pub fn kind(&self) -> TaskKind {
        self.aim.kind
    }

    /// Names of the images that go in.
    pub fn images(&self) -> &[Name] {
        &self.aim.inputs
    }

    /// The same as texts.
    pub fn image_names(&self) -> Vec<&str> {
        self.images().iter().map(Name::as_str).collect()
    }

    /// Classes of the label that is learnt; none of other tasks.
    pub fn classes(&self) -> &[String] {
        match &self.aim.goal {
            Goal::Label(label) => &label.classes,
            Goal::Mask(_) | Goal::Image(_) | Goal::Features => &[],
        }
    }

    /// What goes into a network for it and what comes out.
    pub fn io(&self, output: Output) -> TaskIo {
        TaskIo { images: self.images().len(), out: self.out(), output }
    }

    /// Channels of the network's output.
    pub fn out(&self) -> usize {
        match &self.aim.goal {
            Goal::Mask(mask) => mask.values().len() + 1,
            Goal::Label(label) => label.classes.len(),
            Goal::Image(_) => 1,
            Goal::Features => PRETRAINING_CLASSES,
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
    plan: &TaskPlan,
    split: Split,
) -> Result<Vec<Example>, DataError> {
    manifest.usable(&plan.aim, split).into_par_iter().map(|entry| example(dataset_dir, entry, plan)).collect()
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
    let plan = TaskPlan::new(TaskKind::Pretraining, manifest, None, grid, &TrainingSpec::pretraining())
        .map_err(DataError::Options)?;
    let cases: Vec<&CaseEntry> =
        manifest.cases.iter().filter(|c| c.split == split && needs.iter().all(|n| c.has(n))).collect();
    cases.into_par_iter().map(|entry| example(dataset_dir, entry, &plan)).collect()
}

fn example(dataset_dir: &Path, entry: &CaseEntry, plan: &TaskPlan) -> Result<Example, DataError> {
    let case = case::load(dataset_dir, entry)?;
    prepare::Prepared { entry, case: &case, plan }.example()
}
