//! Pre-training: what makes a backbone, as it is asked for.

mod form;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::objective::Objective;
pub use form::PretrainForm;

use crate::{
    Architecture, Family, Precision,
    backbone::{Backbone, is_name},
    dataset::DatasetManifest,
    experiment::SEED_MAX,
    form::FieldErrors,
    training::{EPOCHS, Overrides, TrainingSpec},
};

/// Names of the architectures that can be pre-trained here, in the order in which pages list them: the
/// small ones, then the published ones.
pub fn trainable_names() -> Vec<String> {
    let names = |family: Family| family.sizes().iter().map(move |size| format!("{}-{size}", family.as_str()));
    let all = Family::ALL.into_iter().flat_map(names);
    let (small, published): (Vec<_>, Vec<_>) = all.partition(|name| name.ends_with("-mini"));
    small.into_iter().chain(published).collect()
}

/// The architecture of one of [`trainable_names`].
pub fn trainable(name: &str) -> Option<Architecture> {
    trainable_names().iter().any(|known| known == name).then(|| Architecture::named(name)).flatten()
}

/// What a pre-training run does besides its [`TrainingSpec`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pretraining {
    pub objective: Objective,
    /// Name of the backbone that it makes.
    pub name: String,
    /// Batches whose gradients are added up for one optimiser step.
    pub accumulate: u32,
    /// Folder that the finished backbone is put into as `NAME/`, relative to the run directory;
    /// none leaves it in the run directory alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<String>,
}

/// What is posted to start a pre-training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PretrainSpec {
    /// Name of the new backbone.
    pub name: String,
    /// One of [`trainable_names`].
    pub architecture: String,
    pub objective: Objective,
    pub dataset: String,
    #[serde(default)]
    pub seed: u64,
    /// Backbone to go on from; random weights unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accumulate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    #[serde(default)]
    pub precision: Precision,
}

/// Limits of `accumulate`.
pub const ACCUMULATE: std::ops::RangeInclusive<u32> = 1..=1024;

impl PretrainSpec {
    /// Passes over the data unless given.
    pub const DEFAULT_EPOCHS: u32 = 50;

    /// The training that it stands for.
    pub fn training(&self) -> TrainingSpec {
        let (batch_size, samples_per_case) = match self.objective {
            Objective::Mae => (2, 1),
            Objective::PatchContrast => (8, 4),
            Objective::SelfDistillation => (4, 2),
        };
        let epochs = self.epochs.unwrap_or(Self::DEFAULT_EPOCHS);
        TrainingSpec {
            epochs,
            batch_size: self.batch_size.unwrap_or(batch_size),
            samples_per_case,
            lr: self.lr.unwrap_or(1e-3),
            warmup_epochs: f64::from(epochs) * 0.05,
            precision: self.precision,
            ..TrainingSpec::pretraining()
        }
    }

    /// What is wrong with it on its own, by field.
    pub fn errors(&self) -> FieldErrors {
        let mut errors = BTreeMap::new();
        let mut add = |field: &str, message: String| {
            errors.insert(field.to_owned(), message);
        };
        if !is_name(&self.name) {
            add("name", "Give the backbone a name: letters, digits, '-', '_' and '.', 64 at most.".into());
        }
        if !is_name(&self.dataset) {
            add("dataset", "Choose a data set.".into());
        }
        match trainable(&self.architecture) {
            None => add("architecture", format!("Choose an architecture: {}.", trainable_names().join(", "))),
            Some(t) if !t.family().objectives().contains(&self.objective) => {
                let fitting: Vec<_> = Family::trained_by(self.objective).map(Family::label).collect();
                add(
                    "objective",
                    format!(
                        "{} trains {}, not {}.",
                        self.objective.label(),
                        fitting.join(" or "),
                        self.architecture
                    ),
                );
            }
            Some(_) => {}
        }
        if self.seed > SEED_MAX {
            add("seed", format!("{} is too large: use 0 to {SEED_MAX}", self.seed));
        }
        let mut range = |field: &str, value: Option<u32>, range: std::ops::RangeInclusive<u32>| {
            if let Some(v) = value.filter(|v| !range.contains(v)) {
                add(field, format!("{v} is out of range: use {} to {}", range.start(), range.end()));
            }
        };
        range("epochs", self.epochs, EPOCHS);
        range("accumulate", self.accumulate, ACCUMULATE);
        let settings = Overrides { batch_size: self.batch_size, lr: self.lr, ..Overrides::default() };
        errors.extend(settings.errors());
        errors
    }
}

/// Checks a specification on its own and against what the server has.
pub fn check_pretraining(
    spec: &PretrainSpec,
    backbones: &[impl AsRef<Backbone>],
    datasets: &[DatasetManifest],
) -> FieldErrors {
    let mut errors = spec.errors();
    let backbones: Vec<&Backbone> = backbones.iter().map(AsRef::as_ref).collect();
    let mut add = |field: &str, message: String| {
        errors.entry(field.to_owned()).or_insert(message);
    };
    if backbones.iter().any(|b| b.name == spec.name) {
        add("name", format!("There is a backbone {:?} already; choose another name.", spec.name));
    }
    match datasets.iter().find(|d| d.name == spec.dataset) {
        None => add("dataset", format!("Unknown data set {:?}.", spec.dataset)),
        Some(dataset) => {
            if let Some(problem) = spec.objective.data_problem(dataset) {
                add("dataset", problem);
            }
        }
    }
    if let Some(from) = &spec.from {
        let wanted = trainable(&spec.architecture);
        match backbones.iter().find(|b| b.name == *from) {
            None => add("from", format!("Unknown backbone {from:?}.")),
            Some(b) if !b.pretrained => {
                add("from", format!("{from} has no checkpoint to continue from."));
            }
            Some(b) if b.architecture != wanted => {
                let found = b.architecture.as_ref().map_or("no encoder".to_owned(), |a| a.name());
                add("from", format!("{from} is of another architecture ({found})."));
            }
            Some(_) => {}
        }
    }
    errors
}
