//! Pre-training: what makes a backbone, as it is asked for.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Family,
    api::BackboneView,
    backbone::is_name,
    dataset::DatasetManifest,
    event::LeftOut,
    experiment::SEED_MAX,
    form::FieldErrors,
    metric::Split,
    training::{EPOCHS, TrainingSpec},
};

/// What a backbone learns from images before any task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Masked autoencoding: hidden patches are reconstructed from visible ones (ProFound).
    Mae,
    /// Supervised segmentation of gland and lesion, with patches of cancer pulled together and
    /// pushed from distant healthy ones (ProViCNet).
    PatchContrast,
    /// A student learns to say of crops what a slowly following teacher says of whole slices
    /// (DINO), which ProViCNet's backbone started from.
    SelfDistillation,
}

impl Objective {
    /// All objectives, in the order in which pages list them.
    pub const ALL: [Objective; 3] = [Objective::Mae, Objective::PatchContrast, Objective::SelfDistillation];

    /// The name in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Objective::Mae => "mae",
            Objective::PatchContrast => "patch-contrast",
            Objective::SelfDistillation => "self-distillation",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            Objective::Mae => "Masked autoencoding",
            Objective::PatchContrast => "Segmentation with patch contrast",
            Objective::SelfDistillation => "Self-distillation (DINO)",
        }
    }

    /// One line of help for the form.
    pub fn help(self) -> &'static str {
        match self {
            Objective::Mae => "Reconstructs hidden patches from visible ones. Needs images only.",
            Objective::PatchContrast => {
                "Segments gland and lesion, and pulls patches of cancer together. Needs gland and lesion masks."
            }
            Objective::SelfDistillation => {
                "Student and teacher agree about crops of a slice. Needs images only."
            }
        }
    }

    /// Families that the objective can train.
    pub fn families(self) -> &'static [Family] {
        match self {
            Objective::Mae => &[Family::ProfoundConv, Family::ProfoundVit],
            Objective::PatchContrast | Objective::SelfDistillation => &[Family::Provicnet],
        }
    }

    /// Images and masks that a case must have.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Objective::Mae | Objective::SelfDistillation => &["t2w", "hbv", "adc"],
            Objective::PatchContrast => &["t2w", "hbv", "adc", "gland", "lesion"],
        }
    }

    /// Cases that cannot serve, with the reason.
    pub fn left_out(self, dataset: &DatasetManifest) -> Vec<LeftOut> {
        let reason = |missing: Vec<&str>| {
            format!("{self} needs {}; not at hand: {}", self.needs().join(", "), missing.join(", "))
        };
        dataset
            .cases
            .iter()
            .filter_map(|case| {
                let missing: Vec<_> = self.needs().iter().filter(|n| !case.has(n)).copied().collect();
                (!missing.is_empty())
                    .then(|| LeftOut { case_id: case.case_id.clone(), reason: reason(missing) })
            })
            .collect()
    }

    /// Says why the objective cannot learn from a data set; none where it can. Training and test
    /// patients are learnt from, validation patients tell how well it goes.
    pub fn data_problem(self, dataset: &DatasetManifest) -> Option<String> {
        let usable = |val: bool| {
            let cases = dataset.cases.iter().filter(|c| (c.split == Split::Val) == val);
            cases.filter(|c| self.needs().iter().all(|n| c.has(n))).count()
        };
        let (learn, validate) = (usable(false), usable(true));
        (learn == 0 || validate == 0).then(|| {
            format!(
                "{} needs cases with {}; {:?} has {learn} to learn from and {validate} to validate with.",
                self.label(),
                self.needs().join(", "),
                dataset.name,
            )
        })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Objective {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Objective::ALL.into_iter().find(|o| o.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Objective::ALL.iter().map(|o| o.as_str()).collect();
            format!("unknown objective {text:?}: use one of {}", known.join(", "))
        })
    }
}

/// An architecture that can be pre-trained here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trainable {
    /// The name in JSON and on the command line.
    pub name: &'static str,
    pub family: Family,
    /// One line for people.
    pub help: &'static str,
}

/// All of them, in the order in which pages list them.
pub const TRAINABLE: [Trainable; 3] = [
    Trainable {
        name: "profound-conv-mini",
        family: Family::ProfoundConv,
        help: "Small 3-D ConvNeXt-V2; a CPU is enough.",
    },
    Trainable {
        name: "profound-vit-mini",
        family: Family::ProfoundVit,
        help: "Small 3-D vision transformer; a CPU is enough.",
    },
    Trainable {
        name: "provicnet-mini",
        family: Family::Provicnet,
        help: "Small 2.5-D vision transformer with registers; a CPU is enough.",
    },
];

/// The architecture of a name.
pub fn trainable(name: &str) -> Option<Trainable> {
    TRAINABLE.into_iter().find(|t| t.name == name)
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
    /// One of [`TRAINABLE`].
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
            None => {
                let known: Vec<_> = TRAINABLE.iter().map(|t| t.name).collect();
                add("architecture", format!("Choose an architecture: {}.", known.join(", ")));
            }
            Some(t) if !self.objective.families().contains(&t.family) => {
                let fitting: Vec<_> = TRAINABLE
                    .iter()
                    .filter(|t| self.objective.families().contains(&t.family))
                    .map(|t| t.name)
                    .collect();
                add(
                    "objective",
                    format!("{} trains {}, not {}.", self.objective.label(), fitting.join(" or "), t.name),
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
        range("batch_size", self.batch_size, 1..=256);
        range("accumulate", self.accumulate, ACCUMULATE);
        if let Some(lr) = self.lr.filter(|v| !(1e-8..=1.0).contains(v)) {
            add("lr", format!("{lr} is out of range: use 1e-8 to 1"));
        }
        errors
    }
}

/// Checks a specification on its own and against what the server has.
pub fn check_pretraining(
    spec: &PretrainSpec,
    backbones: &[BackboneView],
    datasets: &[DatasetManifest],
) -> FieldErrors {
    let mut errors = spec.errors();
    let mut add = |field: &str, message: String| {
        errors.entry(field.to_owned()).or_insert(message);
    };
    if backbones.iter().any(|b| b.backbone.name == spec.name) {
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
        let wanted = trainable(&spec.architecture).map(|t| t.family);
        match backbones.iter().find(|b| b.backbone.name == *from) {
            None => add("from", format!("Unknown backbone {from:?}.")),
            Some(b) if !b.backbone.pretrained => {
                add("from", format!("{from} has no checkpoint to go on from."));
            }
            Some(b) if Some(b.backbone.family) != wanted => {
                add("from", format!("{from} is of another architecture ({}).", b.backbone.family.label()));
            }
            Some(_) => {}
        }
    }
    errors
}

/// The pre-training form: text fields as they travel in a posted form or a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PretrainForm {
    pub name: String,
    pub architecture: String,
    pub objective: String,
    pub dataset: String,
    pub seed: String,
    pub from: String,
    pub epochs: String,
    pub batch_size: String,
    pub accumulate: String,
    pub lr: String,
}

impl PretrainForm {
    /// Names of the fields.
    pub const FIELDS: [&'static str; 10] = [
        "name",
        "architecture",
        "objective",
        "dataset",
        "seed",
        "from",
        "epochs",
        "batch_size",
        "accumulate",
        "lr",
    ];

    fn field_mut(&mut self, key: &str) -> Option<&mut String> {
        Some(match key {
            "name" => &mut self.name,
            "architecture" => &mut self.architecture,
            "objective" => &mut self.objective,
            "dataset" => &mut self.dataset,
            "seed" => &mut self.seed,
            "from" => &mut self.from,
            "epochs" => &mut self.epochs,
            "batch_size" => &mut self.batch_size,
            "accumulate" => &mut self.accumulate,
            "lr" => &mut self.lr,
            _ => return None,
        })
    }

    /// The text of a field; empty for an unknown one.
    pub fn field(&self, key: &str) -> String {
        self.clone().field_mut(key).map(std::mem::take).unwrap_or_default()
    }

    /// Reads the fields from the pairs of a query or a posted form; unknown keys are ignored.
    pub fn from_pairs<K: AsRef<str>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut form = Self::default();
        for (key, value) in pairs {
            if let Some(field) = form.field_mut(key.as_ref()) {
                *field = value.into();
            }
        }
        form
    }

    /// The fields as pairs, empty ones left out.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        Self::FIELDS.into_iter().map(|key| (key, self.field(key))).filter(|(_, v)| !v.is_empty()).collect()
    }

    /// Parses the fields.
    ///
    /// # Errors
    /// Messages by field.
    pub fn parse(&self) -> Result<PretrainSpec, FieldErrors> {
        fn optional<T: FromStr>(errors: &mut FieldErrors, field: &str, text: &str, what: &str) -> Option<T> {
            match text.trim() {
                "" => None,
                text => text.parse().map_or_else(
                    |_| {
                        errors.insert(field.into(), format!("{text:?} is not {what}."));
                        None
                    },
                    Some,
                ),
            }
        }
        let mut errors = FieldErrors::new();
        let objective = self.objective.trim().parse::<Objective>().unwrap_or_else(|_| {
            errors.insert("objective".into(), "Choose what it learns.".into());
            Objective::Mae
        });
        let spec = PretrainSpec {
            name: self.name.trim().to_owned(),
            architecture: self.architecture.trim().to_owned(),
            objective,
            dataset: self.dataset.trim().to_owned(),
            seed: optional(&mut errors, "seed", &self.seed, "a whole number").unwrap_or(0),
            from: Some(self.from.trim().to_owned()).filter(|f| !f.is_empty()),
            epochs: optional(&mut errors, "epochs", &self.epochs, "a whole number"),
            batch_size: optional(&mut errors, "batch_size", &self.batch_size, "a whole number"),
            accumulate: optional(&mut errors, "accumulate", &self.accumulate, "a whole number"),
            lr: optional(&mut errors, "lr", &self.lr, "a number"),
        };
        for (field, message) in spec.errors() {
            errors.entry(field).or_insert(message);
        }
        if errors.is_empty() { Ok(spec) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form() -> PretrainForm {
        PretrainForm {
            name: "mine".into(),
            architecture: "profound-conv-mini".into(),
            objective: "mae".into(),
            dataset: "phantom".into(),
            ..PretrainForm::default()
        }
    }

    #[test]
    fn a_good_form_parses_and_every_wrong_field_is_named() {
        let spec = PretrainForm { lr: "3e-4".into(), accumulate: "4".into(), ..form() }.parse().unwrap();
        assert_eq!((spec.lr, spec.accumulate, spec.seed), (Some(3e-4), Some(4), 0));
        assert_eq!(spec.training().lr, 3e-4);
        let errors = PretrainForm {
            name: "../x".into(),
            seed: "x".into(),
            epochs: "0".into(),
            lr: "nan".into(),
            ..PretrainForm::default()
        }
        .parse()
        .unwrap_err();
        for field in ["name", "architecture", "objective", "dataset", "seed", "epochs", "lr"] {
            assert!(errors.contains_key(field), "{field}: {errors:?}");
        }
    }

    proptest! {
        #[test]
        fn pairs_go_round_and_any_text_is_survived(name in ".{0,12}", seed in ".{0,8}", lr in ".{0,8}") {
            let form = PretrainForm { name, seed, lr, ..form() };
            let _ = form.parse();
            prop_assert_eq!(PretrainForm::from_pairs(form.to_pairs()), form);
        }
    }
}
