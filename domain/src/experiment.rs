//! An experiment: backbones x tasks x arms x seeds, and the runs that it stands for.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{
    Adaptation, Arm, Augmentation, Backbone, Family, Overrides, Target, Task, TaskKind, TrainingSpec,
    backbone::{SPECIALIST, is_name},
    training::EPOCHS,
};

/// What is posted to start an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    #[serde(default)]
    pub name: String,
    pub backbones: Vec<String>,
    pub tasks: Vec<Task>,
    pub arms: Vec<Arm>,
    pub dataset: String,
    pub seeds: Vec<u64>,
    /// Shares of the training cases, each of which makes cells of its own; none is that of the overrides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_shares: Vec<f64>,
    /// Ways to adapt a backbone, each of which makes cells of its own; none is that of the overrides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adaptations: Vec<Adaptation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    #[serde(default)]
    pub overrides: Overrides,
}

/// What makes runs of the same backbone and task cells of their own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    pub adaptation: Adaptation,
    /// Share of the training cases that were learnt from.
    pub label_share: f64,
}

impl Variant {
    /// What it is unless something else was asked for.
    pub const USUAL: Variant = Variant { adaptation: Adaptation::Full, label_share: 1.0 };
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRun {
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    pub seed: u64,
    /// The specialist is always trained in full.
    pub variant: Variant,
}

impl PlannedRun {
    /// What tells it from every other run of a plan.
    fn identity(&self) -> (String, Task, Arm, u64, Adaptation, u64) {
        let Variant { adaptation, label_share } = self.variant;
        (self.backbone.clone(), self.task, self.arm, self.seed, adaptation, label_share.to_bits())
    }
}

/// Parameters of a backbone of published size: the smallest has about three million.
const PUBLISHED_PARAMETERS: u64 = 3_000_000;
/// Budget of the `paper` preset.
const PAPER_EPOCHS: u32 = 400;
/// Budget of the `quick` preset.
const QUICK_EPOCHS: u32 = 5;
/// Most runs that one experiment may start.
pub const RUNS_MAX: usize = 2000;
/// Largest accepted seed: exact in JavaScript and in SQLite.
pub const SEED_MAX: u64 = (1 << 53) - 1;

impl ExperimentSpec {
    /// The `quick` preset: two backbones, all tasks, all arms, three seeds on the built-in data, in less than an
    /// hour on two cores.
    pub fn quick(dataset: &str) -> Self {
        Self {
            name: "quick".into(),
            backbones: vec!["profound-conv-mini".into(), "provicnet-mini".into()],
            tasks: TaskKind::ALL.map(Task::from).to_vec(),
            arms: Arm::ALL.to_vec(),
            dataset: dataset.into(),
            seeds: vec![0, 1, 2],
            label_shares: Vec::new(),
            adaptations: Vec::new(),
            epochs: Some(QUICK_EPOCHS),
            overrides: Overrides::default(),
        }
    }

    /// The `paper` preset: backbones of published size on all tasks and arms with three seeds, fine-tuned as
    /// ProFound's release does. It is made for a CUDA card.
    ///
    /// # Source
    /// The defaults of the release's demonstrations: AdamW, 400 epochs of which 40 warm up, a cosine to zero, weight
    /// decay 1e-5, 32 bits, no clipping. Its learning rates and layer decay are not published: those are ours.
    pub fn paper(dataset: &str, backbones: Vec<String>) -> Self {
        Self {
            name: "paper".into(),
            backbones,
            tasks: TaskKind::ALL.map(Task::from).to_vec(),
            arms: Arm::ALL.to_vec(),
            dataset: dataset.into(),
            seeds: vec![0, 1, 2],
            label_shares: Vec::new(),
            adaptations: Vec::new(),
            epochs: Some(PAPER_EPOCHS),
            overrides: Overrides {
                weight_decay: Some(1e-5),
                warmup_epochs: Some(40.0),
                clip_norm: Some(1e6),
                augmentation: Some(Augmentation::Standard),
                ..Overrides::default()
            },
        }
    }

    /// Backbones that the `paper` preset takes: pre-trained ones that are not small.
    pub fn published<'a>(all: impl IntoIterator<Item = &'a Backbone>) -> Vec<String> {
        let fits = |b: &&Backbone| b.pretrained && b.parameters >= PUBLISHED_PARAMETERS;
        all.into_iter().filter(fits).map(|b| b.name.clone()).collect()
    }

    /// The variants of which every backbone, task, arm and seed has a run, the specialist aside.
    fn variants(&self) -> Vec<Variant> {
        let shares = match self.label_shares.as_slice() {
            [] => vec![self.overrides.label_share.unwrap_or(Variant::USUAL.label_share)],
            given => given.to_vec(),
        };
        let adaptations = match self.adaptations.as_slice() {
            [] => vec![self.overrides.adaptation.unwrap_or_default()],
            given => given.to_vec(),
        };
        let of_share =
            |label_share: f64| adaptations.iter().map(move |a| Variant { adaptation: *a, label_share });
        shares.into_iter().flat_map(of_share).collect()
    }

    /// The tasks, with the target of each that the old setting says.
    pub fn tasks(&self) -> Vec<Task> {
        let target = self.overrides.target.unwrap_or_default();
        self.tasks.iter().map(|task| target.of(*task)).collect()
    }

    /// The runs that it stands for, without doubles. Runs that belong to one pair stand next to
    /// each other; the specialist is one run per task, seed and share of cases, shared by the backbones.
    pub fn plan(&self) -> Vec<PlannedRun> {
        let mut runs: Vec<PlannedRun> = Vec::new();
        let tasks = self.tasks();
        let variants = self.variants();
        for &seed in &self.seeds {
            for &task in &tasks {
                for &variant in &variants {
                    if self.arms.contains(&Arm::Specialist) {
                        let variant = Variant { adaptation: Adaptation::Full, ..variant };
                        let backbone = SPECIALIST.into();
                        runs.push(PlannedRun { backbone, task, arm: Arm::Specialist, seed, variant });
                    }
                    for backbone in self.backbones.iter().filter(|b| *b != SPECIALIST) {
                        for &arm in self.arms.iter().filter(|a| **a != Arm::Specialist) {
                            runs.push(PlannedRun { backbone: backbone.clone(), task, arm, seed, variant });
                        }
                    }
                }
            }
        }
        let mut seen = HashSet::new();
        runs.retain(|run| seen.insert(run.identity()));
        runs
    }

    /// How a run of the plan is trained.
    pub fn training(&self, family: Family, run: &PlannedRun) -> TrainingSpec {
        let spec = TrainingSpec::default_for(family, run.task.kind).with(self.epochs, &self.overrides);
        let spec = TrainingSpec {
            adaptation: run.variant.adaptation,
            label_share: run.variant.label_share,
            // The task says it.
            target: Target::default(),
            ..spec.for_task(run.task.kind)
        };
        if run.arm == Arm::Specialist { spec.without_encoder() } else { spec }
    }

    /// What is wrong with it on its own, by field; what depends on the server (known backbones,
    /// data sets) is checked by [`crate::form::check_against`].
    pub fn errors(&self) -> BTreeMap<String, String> {
        let mut errors = self.overrides.errors();
        let mut add = |field: &str, message: String| {
            errors.entry(field.to_owned()).or_insert(message);
        };
        if self.name.chars().count() > 120 {
            add("name", "The name is too long: 120 characters at most.".into());
        }
        if self.tasks.is_empty() {
            add("tasks", "Choose at least one task.".into());
        } else if self.tasks.iter().any(|task| *task == TaskKind::Pretraining) {
            add("tasks", "Pre-training is not a downstream task: start it from the backbones page.".into());
        }
        if self.arms.is_empty() {
            add("arms", "Choose at least one arm.".into());
        }
        if self.backbones.is_empty() && self.arms != [Arm::Specialist] {
            add("backbones", "Choose at least one backbone.".into());
        }
        if let Some(bad) = self.backbones.iter().find(|b| !is_name(b)) {
            add("backbones", format!("{bad:?} is not a backbone name."));
        }
        if self.dataset.is_empty() {
            add("dataset", "Choose a data set.".into());
        } else if !is_name(&self.dataset) {
            add("dataset", format!("{:?} is not a data set name.", self.dataset));
        }
        if self.seeds.is_empty() {
            add("seeds", "Give at least one seed, for example 0 or 0, 1, 2.".into());
        }
        if let Some(big) = self.seeds.iter().find(|s| **s > SEED_MAX) {
            add("seeds", format!("{big} is too large for a seed: {SEED_MAX} at most."));
        }
        for share in &self.label_shares {
            let one = Overrides { label_share: Some(*share), ..Overrides::default() };
            if let Some(message) = one.errors().remove("label_share") {
                add("label_share", message);
            }
        }
        for adaptation in &self.adaptations {
            let one = Overrides {
                adaptation: Some(*adaptation),
                head: self.overrides.head,
                ..Overrides::default()
            };
            for (field, message) in one.errors() {
                add(&field, message);
            }
        }
        if let Some(epochs) = self.epochs
            && !EPOCHS.contains(&epochs)
        {
            add("epochs", format!("{epochs} is out of range: use {} to {}.", EPOCHS.start(), EPOCHS.end()));
        }
        // An upper bound by multiplication first: a plan must not be built to find it too large.
        let bound = (self.backbones.len() * self.arms.len() + 1)
            .saturating_mul(self.tasks.len())
            .saturating_mul(self.seeds.len())
            .saturating_mul(self.label_shares.len().max(1))
            .saturating_mul(self.adaptations.len().max(1));
        if bound > 4 * RUNS_MAX || self.plan().len() > RUNS_MAX {
            add(
                "seeds",
                format!("This would start more than {RUNS_MAX} runs; split it into several experiments."),
            );
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Degradation;

    #[test]
    fn the_specialist_is_shared_by_the_backbones() {
        let spec = ExperimentSpec::quick("phantom");
        let plan = spec.plan();
        // Per task and seed: one specialist, two backbones in two arms.
        assert_eq!(plan.len(), 3 * 5 * (1 + 2 * 2));
        assert_eq!(plan.iter().filter(|r| r.arm == Arm::Specialist).count(), 3 * 5);
        assert!(spec.errors().is_empty());
    }

    #[test]
    fn doubles_are_run_once_and_nothing_is_an_error_by_field() {
        let mut spec = ExperimentSpec::quick("phantom");
        spec.seeds = vec![1, 1];
        assert_eq!(spec.plan().len(), 25);
        spec.seeds.clear();
        spec.tasks.clear();
        spec.dataset = "../x".into();
        let errors = spec.errors();
        assert_eq!(errors.keys().collect::<Vec<_>>(), ["dataset", "seeds", "tasks"]);
    }

    /// Shares and adaptations multiply the runs of backbones; the specialist knows of shares alone.
    #[test]
    fn shares_and_adaptations_are_axes() {
        let mut spec = ExperimentSpec::quick("phantom");
        spec.seeds = vec![0];
        spec.tasks = vec![TaskKind::Segmentation.into()];
        spec.label_shares = vec![0.25, 1.0];
        spec.adaptations = vec![Adaptation::Full, Adaptation::Lora];
        spec.overrides.label_share = Some(0.5);
        assert!(spec.errors().is_empty());
        let plan = spec.plan();
        assert_eq!(plan.len(), 2 * (1 + 2 * 2 * 2));
        assert!(plan.iter().all(|r| r.variant.label_share != 0.5));
        let lora = plan.iter().find(|r| r.variant.adaptation == Adaptation::Lora).unwrap();
        let training = spec.training(Family::Provicnet, lora);
        assert_eq!((training.adaptation, training.label_share), (Adaptation::Lora, 0.25));
        spec.label_shares = vec![2.0];
        spec.overrides.head = Some(crate::Head::Unetr);
        spec.adaptations = vec![Adaptation::LinearProbe];
        let errors = spec.errors();
        assert!(errors["label_share"].contains("out of range") && errors["head"].contains("linear probe"));
    }

    /// What is chosen for one task leaves the runs of others as they were.
    #[test]
    fn settings_of_a_task_stay_with_it() {
        let mut spec = ExperimentSpec::quick("phantom");
        spec.overrides.set("target", "lesion").unwrap();
        spec.overrides.set("degradation", "in-plane-4").unwrap();
        for run in spec.plan() {
            let training = spec.training(Family::Provicnet, &run);
            assert_eq!(run.task.target.is_some(), run.task == TaskKind::Segmentation, "{run:?}");
            assert_eq!(training.target, Target::default());
            let cut = training.degradation == Degradation::InPlane4;
            assert_eq!(cut, run.task == TaskKind::SuperResolution, "{run:?}");
        }
    }

    #[test]
    fn an_absurd_size_is_refused() {
        let mut spec = ExperimentSpec::quick("phantom");
        spec.seeds = (0..100_000).collect();
        assert!(spec.errors()["seeds"].contains("more than"));
    }
}
