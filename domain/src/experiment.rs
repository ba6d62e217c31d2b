//! An experiment: backbones x tasks x arms x seeds, and the runs that it stands for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Arm, Overrides, Task,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    #[serde(default)]
    pub overrides: Overrides,
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedRun {
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    pub seed: u64,
}

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
            tasks: Task::ALL.to_vec(),
            arms: Arm::ALL.to_vec(),
            dataset: dataset.into(),
            seeds: vec![0, 1, 2],
            epochs: Some(QUICK_EPOCHS),
            overrides: Overrides::default(),
        }
    }

    /// The runs that it stands for, without doubles. Runs that belong to one pair stand next to
    /// each other; the specialist is one run per task and seed, shared by the backbones.
    pub fn plan(&self) -> Vec<PlannedRun> {
        let mut runs: Vec<PlannedRun> = Vec::new();
        let mut push = |run: PlannedRun| {
            if !runs.contains(&run) {
                runs.push(run);
            }
        };
        for &seed in &self.seeds {
            for &task in &self.tasks {
                if self.arms.contains(&Arm::Specialist) {
                    push(PlannedRun { backbone: SPECIALIST.into(), task, arm: Arm::Specialist, seed });
                }
                for backbone in self.backbones.iter().filter(|b| *b != SPECIALIST) {
                    for &arm in self.arms.iter().filter(|a| **a != Arm::Specialist) {
                        push(PlannedRun { backbone: backbone.clone(), task, arm, seed });
                    }
                }
            }
        }
        runs
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
        } else if self.tasks.contains(&Task::Pretraining) {
            add("tasks", "Pre-training is no downstream task: start it from the backbones page.".into());
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
        if let Some(epochs) = self.epochs
            && !EPOCHS.contains(&epochs)
        {
            add("epochs", format!("{epochs} is out of range: use {} to {}.", EPOCHS.start(), EPOCHS.end()));
        }
        // An upper bound by multiplication first: a plan must not be built to find it too large.
        let bound = (self.backbones.len() * self.arms.len() + 1)
            .saturating_mul(self.tasks.len())
            .saturating_mul(self.seeds.len());
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

    #[test]
    fn an_absurd_size_is_refused() {
        let mut spec = ExperimentSpec::quick("phantom");
        spec.seeds = (0..100_000).collect();
        assert!(spec.errors()["seeds"].contains("more than"));
    }
}
