//! How a run is trained: defaults, and what a request may change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    adaptation::Adaptation,
    backbone::Family,
    dataset::Aim,
    recipe::{Augmentation, Degradation, Head, Inference, Loss, Precision, Target},
    task::{Output, Task},
};

/// Everything that decides a training, after defaults and overrides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrainingSpec {
    pub epochs: u32,
    /// Samples (crops of a volume, or slices) in one optimiser step.
    pub batch_size: u32,
    /// Crops (3-D families) or slices (2.5-D) drawn from each training case in one epoch.
    pub samples_per_case: u32,
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay on tensors of rank 2 and more.
    pub weight_decay: f64,
    /// Epochs of linear warm-up, may be fractional.
    pub warmup_epochs: f64,
    /// Largest norm of all gradients together; larger ones are scaled down.
    pub clip_norm: f64,
    /// Learning rate at the end of the schedule.
    #[serde(default)]
    pub min_lr: f64,
    /// Which mask a segmentation learns.
    #[serde(default)]
    pub target: Target,
    /// What a super-resolution's input has lost.
    #[serde(default)]
    pub degradation: Degradation,
    #[serde(default)]
    pub adaptation: Adaptation,
    /// Rank of LoRA's additions.
    #[serde(default = "TrainingSpec::default_lora_rank")]
    pub lora_rank: u32,
    /// Each layer of the encoder learns at this share of the rate of the one above it; 1 is the same
    /// rate everywhere.
    #[serde(default = "TrainingSpec::default_layer_decay")]
    pub layer_decay: f64,
    /// Chance that a sample skips the encoder's last block in training; the first one is never
    /// skipped, those between in proportion. Full fine-tuning only.
    #[serde(default)]
    pub drop_path: f64,
    #[serde(default)]
    pub head: Head,
    #[serde(default)]
    pub loss: Loss,
    #[serde(default)]
    pub augmentation: Augmentation,
    #[serde(default)]
    pub inference: Inference,
    #[serde(default)]
    pub precision: Precision,
    /// Share of the training cases that are learnt from; the others are left out, the same ones in every arm.
    #[serde(default = "TrainingSpec::default_label_share")]
    pub label_share: f64,
}

impl TrainingSpec {
    /// The defaults of a family on a task.
    pub fn default_for(family: Family, task: Task) -> Self {
        let (batch_size, samples_per_case, lr) = match family {
            Family::ProfoundConv | Family::ProfoundVit => (2, 1, 1e-3),
            Family::Provicnet => (4, 2, 1e-3),
            Family::Unet => (2, 1, 2e-3),
        };
        // A label of a whole case takes several slices already.
        let samples_per_case = if task.output() == Some(Output::Label) { 1 } else { samples_per_case };
        // What restores an image is new in every arm and small: it wants longer steps.
        let lr = if task.output() == Some(Output::Image) { 2.0 * lr } else { lr };
        Self {
            epochs: Self::DEFAULT_EPOCHS,
            batch_size,
            samples_per_case,
            lr,
            weight_decay: 0.05,
            warmup_epochs: 1.0,
            clip_norm: 1.0,
            min_lr: 0.0,
            target: Target::default(),
            degradation: Degradation::default(),
            adaptation: Adaptation::Full,
            lora_rank: Self::default_lora_rank(),
            layer_decay: Self::default_layer_decay(),
            drop_path: 0.0,
            head: Head::default(),
            loss: Loss::default(),
            augmentation: Augmentation::default(),
            inference: Inference::default(),
            precision: Precision::default(),
            label_share: Self::default_label_share(),
        }
    }

    /// What every pre-training starts from.
    pub fn pretraining() -> Self {
        Self::default_for(Family::ProfoundConv, Task::Pretraining)
    }

    pub const DEFAULT_EPOCHS: u32 = 10;

    fn default_lora_rank() -> u32 {
        4
    }

    fn default_layer_decay() -> f64 {
        1.0
    }

    fn default_label_share() -> f64 {
        1.0
    }

    /// The same for a network without an encoder to adapt: what is said of encoders does not count.
    pub fn without_encoder(self) -> Self {
        Self {
            adaptation: Adaptation::Full,
            lora_rank: Self::default_lora_rank(),
            layer_decay: Self::default_layer_decay(),
            drop_path: 0.0,
            head: Head::Compact,
            ..self
        }
    }

    /// The same with what is said of other tasks than `task` at its default, so that it does not tell runs apart.
    pub fn for_task(self, task: Task) -> Self {
        Self {
            target: if task == Task::Segmentation { self.target } else { Target::default() },
            degradation: if task == Task::SuperResolution {
                self.degradation
            } else {
                Degradation::default()
            },
            ..self
        }
    }

    /// What it makes of a task.
    pub fn aim(&self, task: Task) -> Aim {
        Aim { task, target: self.target, degradation: self.degradation }
    }

    /// Applies what a request changes.
    pub fn with(mut self, epochs: Option<u32>, overrides: &Overrides) -> Self {
        if let Some(v) = epochs {
            self.epochs = v;
        }
        if let Some(v) = overrides.batch_size {
            self.batch_size = v;
        }
        if let Some(v) = overrides.samples_per_case {
            self.samples_per_case = v;
        }
        if let Some(v) = overrides.lr {
            self.lr = v;
        }
        if let Some(v) = overrides.weight_decay {
            self.weight_decay = v;
        }
        if let Some(v) = overrides.warmup_epochs {
            self.warmup_epochs = v;
        }
        if let Some(v) = overrides.clip_norm {
            self.clip_norm = v;
        }
        if let Some(v) = overrides.min_lr {
            self.min_lr = v;
        }
        if let Some(v) = overrides.target {
            self.target = v;
        }
        if let Some(v) = overrides.degradation {
            self.degradation = v;
        }
        if let Some(v) = overrides.adaptation {
            self.adaptation = v;
        }
        if let Some(v) = overrides.lora_rank {
            self.lora_rank = v;
        }
        if let Some(v) = overrides.layer_decay {
            self.layer_decay = v;
        }
        if let Some(v) = overrides.drop_path {
            self.drop_path = v;
        }
        if let Some(v) = overrides.head {
            self.head = v;
        }
        if let Some(v) = overrides.loss {
            self.loss = v;
        }
        if let Some(v) = overrides.augmentation {
            self.augmentation = v;
        }
        if let Some(v) = overrides.inference {
            self.inference = v;
        }
        if let Some(v) = overrides.precision {
            self.precision = v;
        }
        if let Some(v) = overrides.label_share {
            self.label_share = v;
        }
        self.warmup_epochs = self.warmup_epochs.min(f64::from(self.epochs) / 2.0);
        self.min_lr = self.min_lr.min(self.lr);
        self
    }
}

/// What a request changes in the defaults; unknown keys are an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples_per_case: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_epochs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_lr: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degradation: Option<Degradation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<Adaptation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora_rank: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_decay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_path: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augmentation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Inference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_share: Option<f64>,
}

/// Limits of `epochs`.
pub const EPOCHS: std::ops::RangeInclusive<u32> = 1..=10_000;

fn check<T: PartialOrd + std::fmt::Display>(
    errors: &mut BTreeMap<String, String>,
    field: &str,
    value: Option<T>,
    low: T,
    high: T,
) {
    if let Some(v) = value
        && !(v >= low && v <= high)
    {
        errors.insert(field.to_owned(), format!("{v} is out of range: use {low} to {high}"));
    }
}

impl Overrides {
    /// The settings that are numbers.
    pub const NUMBERS: [&'static str; 11] = [
        "lora_rank",
        "layer_decay",
        "drop_path",
        "batch_size",
        "samples_per_case",
        "lr",
        "min_lr",
        "weight_decay",
        "warmup_epochs",
        "clip_norm",
        "label_share",
    ];

    /// The settings that are choices.
    pub const CHOICES: [&'static str; 8] =
        ["target", "degradation", "adaptation", "head", "loss", "augmentation", "inference", "precision"];

    /// The names that [`Overrides::set`] knows.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        Self::CHOICES.into_iter().chain(Self::NUMBERS)
    }

    /// Everything that a training was given, so that another one is given the same. What belongs to other tasks stays
    /// away.
    pub fn of(spec: &TrainingSpec, task: Task) -> Self {
        Self {
            batch_size: Some(spec.batch_size),
            samples_per_case: Some(spec.samples_per_case),
            lr: Some(spec.lr),
            weight_decay: Some(spec.weight_decay),
            warmup_epochs: Some(spec.warmup_epochs),
            clip_norm: Some(spec.clip_norm),
            min_lr: Some(spec.min_lr),
            target: (task == Task::Segmentation).then_some(spec.target),
            degradation: (task == Task::SuperResolution).then_some(spec.degradation),
            adaptation: Some(spec.adaptation),
            lora_rank: Some(spec.lora_rank),
            layer_decay: Some(spec.layer_decay),
            drop_path: Some(spec.drop_path),
            head: Some(spec.head),
            loss: Some(spec.loss),
            augmentation: Some(spec.augmentation),
            inference: Some(spec.inference),
            precision: Some(spec.precision),
            label_share: Some(spec.label_share),
        }
    }

    /// What is set, as texts that [`Overrides::set`] reads.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        fn text<T: ToString>(value: Option<T>) -> Option<String> {
            value.map(|v| v.to_string())
        }
        let of = |key: &str| match key {
            "batch_size" => text(self.batch_size),
            "samples_per_case" => text(self.samples_per_case),
            "lr" => text(self.lr),
            "weight_decay" => text(self.weight_decay),
            "warmup_epochs" => text(self.warmup_epochs),
            "clip_norm" => text(self.clip_norm),
            "min_lr" => text(self.min_lr),
            "target" => text(self.target),
            "degradation" => text(self.degradation),
            "adaptation" => text(self.adaptation),
            "head" => text(self.head),
            "loss" => text(self.loss),
            "augmentation" => text(self.augmentation),
            "inference" => text(self.inference),
            "precision" => text(self.precision),
            "lora_rank" => text(self.lora_rank),
            "layer_decay" => text(self.layer_decay),
            "drop_path" => text(self.drop_path),
            "label_share" => text(self.label_share),
            _ => None,
        };
        Self::keys().filter_map(|key| Some((key, of(key)?))).collect()
    }

    /// Sets one value from text, as in `--set lr=1e-4`. An empty text keeps the default.
    ///
    /// # Errors
    /// When the key is unknown or the text is no value of it.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let whole = || text.parse::<u32>().map_err(|_| format!("{text:?} is not a whole number"));
        let real = || {
            text.parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
                .ok_or_else(|| format!("{text:?} is not a number"))
        };
        match key {
            "batch_size" => self.batch_size = Some(whole()?),
            "samples_per_case" => self.samples_per_case = Some(whole()?),
            "lr" => self.lr = Some(real()?),
            "weight_decay" => self.weight_decay = Some(real()?),
            "warmup_epochs" => self.warmup_epochs = Some(real()?),
            "clip_norm" => self.clip_norm = Some(real()?),
            "min_lr" => self.min_lr = Some(real()?),
            "target" => self.target = Some(text.parse()?),
            "degradation" => self.degradation = Some(text.parse()?),
            "adaptation" => self.adaptation = Some(text.parse()?),
            "head" => self.head = Some(text.parse()?),
            "loss" => self.loss = Some(text.parse()?),
            "augmentation" => self.augmentation = Some(text.parse()?),
            "inference" => self.inference = Some(text.parse()?),
            "precision" => self.precision = Some(text.parse()?),
            "lora_rank" => self.lora_rank = Some(whole()?),
            "layer_decay" => self.layer_decay = Some(real()?),
            "drop_path" => self.drop_path = Some(real()?),
            "label_share" => self.label_share = Some(real()?),
            _ => {
                return Err(format!(
                    "unknown setting {key:?}: use {}",
                    Self::keys().collect::<Vec<_>>().join(", ")
                ));
            }
        }
        Ok(())
    }

    /// What is out of range, by field.
    pub fn errors(&self) -> BTreeMap<String, String> {
        let mut errors = BTreeMap::new();
        check(&mut errors, "batch_size", self.batch_size, 1, 256);
        check(&mut errors, "samples_per_case", self.samples_per_case, 1, 256);
        check(&mut errors, "lr", self.lr, 1e-8, 1.0);
        check(&mut errors, "weight_decay", self.weight_decay, 0.0, 1.0);
        check(&mut errors, "warmup_epochs", self.warmup_epochs, 0.0, 1000.0);
        check(&mut errors, "clip_norm", self.clip_norm, 1e-3, 1e6);
        check(&mut errors, "min_lr", self.min_lr, 0.0, 1.0);
        check(&mut errors, "lora_rank", self.lora_rank, 1, 64);
        check(&mut errors, "layer_decay", self.layer_decay, 0.01, 1.0);
        check(&mut errors, "drop_path", self.drop_path, 0.0, 0.9);
        check(&mut errors, "label_share", self.label_share, 0.01, 1.0);
        if let (Some(end), Some(peak)) = (self.min_lr, self.lr)
            && end > peak
        {
            let message = format!("{end} is more than the learning rate {peak}");
            errors.entry("min_lr".into()).or_insert(message);
        }
        if self.adaptation == Some(Adaptation::LinearProbe) && self.head.is_some_and(|h| h != Head::Compact) {
            let message = "a linear probe is the head: leave this at compact, or choose another adaptation";
            errors.insert("head".into(), message.into());
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_out_of_range_are_refused() {
        let mut o = Overrides::default();
        assert!(o.set("lr", "nan").is_err());
        assert!(o.set("depth", "3").unwrap_err().contains("unknown setting"));
        o.set("lr", "7").unwrap();
        assert!(o.errors()["lr"].contains("out of range"));
        o.lr = Some(f64::NAN);
        assert!(o.errors().contains_key("lr"));
    }

    #[test]
    fn overrides_replace_defaults_and_warm_up_never_exceeds_half() {
        let mut o = Overrides::default();
        o.set("batch_size", "7").unwrap();
        let spec = TrainingSpec::default_for(Family::Provicnet, Task::Segmentation).with(Some(1), &o);
        assert_eq!((spec.batch_size, spec.epochs), (7, 1));
        assert_eq!(spec.warmup_epochs, 0.5);
    }

    #[test]
    fn how_an_encoder_is_adapted_is_set_checked_and_stays_away_from_the_specialist() {
        let mut o = Overrides::default();
        for (key, text) in [
            ("adaptation", "lora"),
            ("lora_rank", "8"),
            ("layer_decay", "0.7"),
            ("drop_path", "0.1"),
            ("min_lr", "1e-5"),
        ] {
            o.set(key, text).unwrap();
        }
        assert!(o.errors().is_empty());
        let spec = TrainingSpec::default_for(Family::Provicnet, Task::Segmentation).with(None, &o);
        assert_eq!((spec.adaptation, spec.lora_rank, spec.layer_decay), (Adaptation::Lora, 8, 0.7));
        let specialist = spec.clone().without_encoder();
        assert_eq!((specialist.adaptation, specialist.drop_path), (Adaptation::Full, 0.0));
        assert_eq!((specialist.min_lr, specialist.lr), (spec.min_lr, spec.lr));

        assert!(o.set("adaptation", "half").unwrap_err().contains("linear-probe"));
        for (key, text) in [("lora_rank", "0"), ("layer_decay", "0"), ("drop_path", "0.95")] {
            o.set(key, text).unwrap();
            assert!(o.errors()[key].contains("out of range"), "{key}");
        }
        o.adaptation = Some(Adaptation::LinearProbe);
        o.set("head", "unetr").unwrap();
        assert!(o.errors()["head"].contains("linear probe"));
        let turned = Overrides { lr: Some(1e-4), min_lr: Some(1e-3), ..Overrides::default() };
        assert!(turned.errors()["min_lr"].contains("more than the learning rate"));
    }

    #[test]
    fn a_training_can_be_asked_for_again() {
        let mut o = Overrides::default();
        for (key, text) in [("lr", "3e-4"), ("degradation", "thick-2"), ("label_share", "0.25")] {
            o.set(key, text).unwrap();
        }
        let task = Task::SuperResolution;
        let spec = TrainingSpec::default_for(Family::ProfoundConv, task).with(Some(7), &o);
        let again = Overrides::of(&spec, task);
        assert!(again.errors().is_empty());
        // Whatever the defaults of a family are, and through texts.
        let mut read = Overrides::default();
        again.to_pairs().iter().for_each(|(key, text)| read.set(key, text).unwrap());
        assert_eq!(TrainingSpec::default_for(Family::Unet, task).with(Some(7), &read), spec);
    }

    /// Runs that were asked for before encoders could be frozen.
    #[test]
    fn a_request_without_adaptation_means_full_fine_tuning() {
        let mut json =
            serde_json::to_value(TrainingSpec::default_for(Family::Provicnet, Task::Segmentation)).unwrap();
        let later = [
            "target",
            "degradation",
            "adaptation",
            "lora_rank",
            "layer_decay",
            "drop_path",
            "min_lr",
            "head",
            "loss",
            "augmentation",
            "inference",
            "precision",
            "label_share",
        ];
        for key in later {
            assert!(json.as_object_mut().unwrap().remove(key).is_some(), "{key}");
        }
        let spec: TrainingSpec = serde_json::from_value(json).unwrap();
        assert_eq!(spec, TrainingSpec::default_for(Family::Provicnet, Task::Segmentation));
    }
}
