//! Prediction before training: what a backbone's frozen features say of a task, in one pass over the training
//! cases.
//!
//! A row of features is a part of a case (an octant of a volume, a slice), or the mean over a whole case where the
//! task has one label a case. What the features are asked to tell is the part's share of every class, or how bright
//! and how varied the change is that a restoration has to make; scores are those of
//! [`transferscope_study::transferability`].

use std::{ops::Range, path::Path, time::Instant};

use burn::tensor::backend::Backend;
use transferscope_domain::{
    Backbone, Head, Task, TaskKind, TrainingSpec, dataset::DatasetManifest, metric::Split,
    prediction::BackboneScores, run::DeviceChoice, task::Output,
};
use transferscope_study::{
    alignment::{AlignmentError, Features, Rows},
    transferability::{Scores, Target as Told, scores},
};

use crate::{
    backbone,
    checkpoint::load_encoder,
    device::{Device, resolve},
    family::Net,
    init,
    nn::kernels::Kernels,
    outcome::RunError,
    train::{
        batch::padded,
        evaluate::features_of_cases,
        example::{Example, Target, TaskPlan, load},
        features::{PER_CASE, joined},
        sampling::{SamplingGeometry, View},
    },
};

/// What features are asked to tell of a task, in words.
pub fn target(task: TaskKind) -> &'static str {
    match task.output() {
        Some(Output::Label) => "the label of a case, from the mean of its features",
        Some(Output::Classes) => "the share of every class in a part of a case",
        Some(Output::Image) | None => "mean and deviation of what has to change in a part of a case",
    }
}

/// Scores of a backbone with its checkpoint, or with random weights where `random` says so: the control.
///
/// # Errors
/// When data or checkpoint cannot be read, or the device is not there.
pub fn score(
    data_dir: &Path,
    dataset_dir: &Path,
    manifest: &DatasetManifest,
    task: Task,
    backbone: &Backbone,
    random: bool,
    device: DeviceChoice,
) -> Result<BackboneScores, RunError> {
    let job = Job { data_dir, dataset_dir, manifest, task, backbone, random };
    match resolve(device)? {
        Device::Cpu => job.score::<burn_flex::Flex>(&Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda { index, .. } => {
            job.score::<burn::backend::Cuda>(&burn::backend::cuda::CudaDevice::new(index))
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda { .. } => unreachable!("resolve finds no card in a build without CUDA"),
    }
}

/// Seed of random weights and of the folds of a score.
const SEED: u64 = 0;

struct Job<'a> {
    data_dir: &'a Path,
    dataset_dir: &'a Path,
    manifest: &'a DatasetManifest,
    task: Task,
    backbone: &'a Backbone,
    random: bool,
}

impl Job<'_> {
    fn score<B: Kernels>(&self, device: &B::Device) -> Result<BackboneScores, RunError> {
        let begun = Instant::now();
        let architecture = self.backbone.architecture.as_ref();
        let architecture = architecture
            .ok_or_else(|| RunError::Backbone(format!("{} does not tell its size", self.backbone.name)))?;
        let own = self.manifest.plan.as_ref();
        let sampling = SamplingGeometry::of(Some(architecture)).with(own);
        let usual = TrainingSpec::default_for(self.backbone.family, self.task.kind);
        let plan = TaskPlan::new(self.task, self.manifest, own, sampling.grid, &usual)
            .map_err(RunError::Unserved)?;
        if let Some(problem) = architecture.input_problem(plan.images().len()) {
            return Err(RunError::Settings(format!("{}: {problem}", self.backbone.name)));
        }
        let examples = load(self.dataset_dir, self.manifest, &plan, Split::Train)?;
        let output = self.task.output().ok_or_else(|| RunError::Settings("no downstream task".into()))?;
        let io = plan.io(output);
        let net = Net::<B>::new(Some(architecture), Head::Compact, io, device);
        let net = self.with_weights(init::random(net, SEED), &plan.image_names())?;

        let cases: Vec<_> = features_of_cases(&net, &examples, sampling, device).collect();
        let (layer, features) =
            joined(&cases).pop().ok_or_else(|| RunError::Unserved("no training case can be used".into()))?;
        let Scores { logme, h_score, leep, nce, knn, linear_probe } =
            told(&features, &examples, sampling, plan.out() - 1)
                .map_err(|e| RunError::Unserved(e.to_string()))?;
        Ok(BackboneScores {
            backbone: self.backbone.name.clone(),
            checkpoint_hash: self.backbone.checkpoint_hash.clone().filter(|_| !self.random),
            layer,
            rows: u32::try_from(features.n).unwrap_or(u32::MAX),
            parameters: self.backbone.parameters,
            logme,
            h_score,
            leep,
            nce,
            knn,
            linear_probe,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    fn with_weights<B: Backend>(&self, net: Net<B>, images: &[&str]) -> Result<Net<B>, RunError> {
        if self.random {
            return Ok(net);
        }
        // References in requests are relative to a run's directory; here it is the data folder itself.
        let reference = backbone::checkpoint_reference(self.data_dir, self.data_dir, self.backbone);
        let hash = self.backbone.checkpoint_hash.as_deref();
        let weights = backbone::read(self.data_dir, &reference, hash)?;
        Ok(load_encoder(net, &reference, &weights, images)?.0)
    }
}

/// The scores of features, [`PER_CASE`] rows for each example, whose labels have `classes` beside the background.
fn told(
    features: &Features,
    examples: &[Example],
    sampling: SamplingGeometry,
    classes: usize,
) -> Result<Scores, AlignmentError> {
    let patients: Vec<&str> = examples.iter().map(|e| e.patient_id.as_str()).collect();
    let patient = |case: usize| patients.iter().position(|p| *p == patients[case]).unwrap_or(case);
    if let Some(Target::Label(_)) = examples.first().map(|e| &e.target) {
        let labels: Vec<usize> = examples
            .iter()
            .map(|e| match e.target {
                Target::Label(label) => usize::from(label),
                Target::Labels(_) | Target::Image { .. } => 0,
            })
            .collect();
        let groups: Vec<usize> = (0..examples.len()).map(patient).collect();
        return scores(&case_means(features)?, Told::Classes(&labels), &groups, SEED);
    }
    let mut values = Vec::new();
    let mut width = 0;
    for example in examples {
        for part in 0..PER_CASE {
            let told = of_part(example, part, sampling, classes);
            width = told.len();
            values.extend(told);
        }
    }
    let groups: Vec<usize> = (0..examples.len()).flat_map(|case| [patient(case); PER_CASE]).collect();
    scores(&features.rows()?, Told::Values { width, data: &values }, &groups, SEED)
}

/// The mean of the rows of each case.
fn case_means(features: &Features) -> Result<Rows, AlignmentError> {
    let rows = features.rows()?;
    let cases = rows.n() / PER_CASE;
    let mut means = vec![0.0; cases * rows.dim()];
    for row in 0..cases * PER_CASE {
        let into = &mut means[row / PER_CASE * rows.dim()..][..rows.dim()];
        into.iter_mut().zip(rows.row(row)).for_each(|(m, v)| *m += v / PER_CASE as f64);
    }
    Rows::new(rows.dim(), means)
}

/// What a part of a case is: the shares of the classes but background, or mean and deviation of the change.
fn of_part(example: &Example, part: usize, sampling: SamplingGeometry, classes: usize) -> Vec<f64> {
    let range = part_of(example, part, sampling);
    let [_, height, width] = example.shape;
    let inside = range[0].clone().flat_map(|z| {
        let columns = range[2].clone();
        range[1].clone().flat_map(move |y| columns.clone().map(move |x| (z * height + y) * width + x))
    });
    match &example.target {
        Target::Labels(labels) => {
            let mut counts = vec![0.0; classes];
            let mut n = 0.0;
            for at in inside {
                n += 1.0;
                if let Some(count) = usize::from(labels[at]).checked_sub(1).and_then(|c| counts.get_mut(c)) {
                    *count += 1.0;
                }
            }
            counts.into_iter().map(|c| c / f64::max(n, 1.0)).collect()
        }
        Target::Image { sharp, degraded } => {
            let changes: Vec<f64> = inside.map(|at| f64::from(sharp[at] - degraded[at])).collect();
            let n = changes.len().max(1) as f64;
            let mean = changes.iter().sum::<f64>() / n;
            let variance = changes.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / n;
            vec![mean, variance.sqrt()]
        }
        Target::Label(label) => vec![f64::from(*label)],
    }
}

/// The voxels, by axis, that a row of features was made from; see [`crate::model::features`].
fn part_of(example: &Example, part: usize, sampling: SamplingGeometry) -> [Range<usize>; 3] {
    let [d, h, w] = example.shape;
    if sampling.view == View::Slabs {
        let z = (2 * part + 1) * d / (2 * PER_CASE);
        return [z..z + 1, 0..h, 0..w];
    }
    let padded = padded(example, sampling);
    std::array::from_fn(|axis| {
        let (middle, end) = ((padded[axis] / 2).min(example.shape[axis]), example.shape[axis]);
        if part >> (2 - axis) & 1 == 0 { 0..middle } else { middle..end }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use transferscope_domain::Family;

    fn example(target: Target) -> Example {
        Example::new(("c", "p"), [8, 32, 32], vec![vec![0.0; 8 * 32 * 32]; 3], target, Vec::new())
    }

    #[test]
    fn parts_of_a_volume_cover_it_once_and_those_of_slices_are_single() {
        let case = example(Target::Label(0));
        let mut seen = vec![0; 8 * 32 * 32];
        for part in 0..PER_CASE {
            let [z, y, x] = part_of(&case, part, Family::Unet.into());
            for (z, y, x) in z.flat_map(|z| {
                let x = x.clone();
                y.clone().flat_map(move |y| x.clone().map(move |x| (z, y, x)))
            }) {
                seen[(z * 32 + y) * 32 + x] += 1;
            }
        }
        assert!(seen.iter().all(|n| *n == 1));
        assert_eq!(part_of(&case, 3, Family::Provicnet.into()), [3..4, 0..32, 0..32]);
    }

    #[test]
    fn a_part_tells_shares_of_classes_and_changes() {
        let mut labels = vec![0u8; 8 * 32 * 32];
        // The first octant: half of it of class 2.
        for z in 0..2 {
            for y in 0..16 {
                labels[(z * 32 + y) * 32..][..16].fill(2);
            }
        }
        let sampling = Family::Unet.into();
        assert_eq!(of_part(&example(Target::Labels(labels.clone())), 0, sampling, 2), [0.0, 0.5]);
        assert_eq!(of_part(&example(Target::Labels(labels)), 1, sampling, 2), [0.0, 0.0]);
        let sharp = (0..8 * 32 * 32).map(|i| if i % 2 == 0 { 3.0 } else { 1.0 }).collect();
        let image = Target::Image { sharp, degraded: vec![1.0; 8 * 32 * 32] };
        assert_eq!(of_part(&example(image), 7, sampling, 0), [1.0, 1.0]);
    }

    #[test]
    fn the_rows_of_a_case_become_their_mean() {
        let data = (0..2 * PER_CASE).map(|i| i as f32).collect();
        let means = case_means(&Features { n: 2 * PER_CASE, dim: 1, data }).unwrap();
        assert_eq!((means.n(), means.row(0), means.row(1)), (2, &[3.5][..], &[11.5][..]));
    }
}
