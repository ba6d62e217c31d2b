//! What is made of a training's settings: defaults that a request changes, and what does not fit.

use std::collections::BTreeMap;

use crate::{
    Adaptation, Family, Head,
    dataset::Wish,
    setting::{Scope, Setting},
    task::TaskKind,
};

pub use crate::setting::{Overrides, TrainingSpec};

/// Limits of `epochs`.
pub const EPOCHS: std::ops::RangeInclusive<u32> = 1..=10_000;

impl TrainingSpec {
    pub const DEFAULT_EPOCHS: u32 = 10;

    /// What every pre-training starts from.
    pub fn pretraining() -> Self {
        Self::default_for(Family::ProfoundConv, TaskKind::Pretraining)
    }

    /// The same with the settings that `unused` picks at their defaults, so that they do not tell runs apart.
    fn without(mut self, unused: impl Fn(Scope) -> bool) -> Self {
        Setting::ALL.iter().filter(|s| unused(s.scope)).for_each(|s| (s.reset)(&mut self));
        self
    }

    /// The same for a network without an encoder to adapt: what is said of encoders does not count.
    pub fn without_encoder(self) -> Self {
        self.without(|scope| scope == Scope::Encoder)
    }

    /// The same with what is said of other tasks than `task` at its default.
    pub fn for_task(self, task: TaskKind) -> Self {
        self.without(|scope| matches!(scope, Scope::Task(other) if other != task))
    }

    /// Applies what a request changes.
    pub fn with(mut self, epochs: Option<u32>, overrides: &Overrides) -> Self {
        self.epochs = epochs.unwrap_or(self.epochs);
        let optimiser = overrides.optimiser.unwrap_or_default();
        (self.lr, self.weight_decay) = optimiser.defaults(self.lr, self.weight_decay);
        Setting::ALL.iter().for_each(|s| (s.apply)(overrides, &mut self));
        self.warmup_epochs = self.warmup_epochs.min(f64::from(self.epochs) / 2.0);
        self.min_lr = self.min_lr.min(self.lr);
        self
    }
}

impl From<&TrainingSpec> for Wish {
    fn from(training: &TrainingSpec) -> Self {
        let TrainingSpec { inputs, degradation, target, .. } = *training;
        Self { inputs, degradation, target }
    }
}

impl From<&Overrides> for Wish {
    fn from(overrides: &Overrides) -> Self {
        Self {
            inputs: overrides.inputs.unwrap_or_default(),
            degradation: overrides.degradation.unwrap_or_default(),
            target: overrides.target.unwrap_or_default(),
        }
    }
}

impl Overrides {
    /// Everything that a training was given, so that another one is given the same. What belongs to other tasks stays
    /// away.
    pub fn of(spec: &TrainingSpec, task: TaskKind) -> Self {
        let mut all = Self::default();
        let others = |scope| matches!(scope, Scope::Task(other) if other != task);
        Setting::ALL.iter().filter(|s| !others(s.scope)).for_each(|s| (s.copy)(spec, &mut all));
        all
    }

    /// What is set, as texts that [`Overrides::set`] reads.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        Setting::ALL.iter().filter_map(|s| Some((s.name, (s.given)(self)?))).collect()
    }

    /// Sets one value from text, as in `--set lr=1e-4`. An empty text keeps the default.
    ///
    /// # Errors
    /// When the key is unknown or the text is no value of it.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        let setting = Setting::named(key).ok_or_else(|| {
            let known: Vec<_> = Setting::ALL.iter().map(|s| s.name).collect();
            format!("unknown setting {key:?}: use {}", known.join(", "))
        })?;
        setting.set(self, text)
    }

    /// What is out of range or does not go together, by field.
    pub fn errors(&self) -> BTreeMap<String, String> {
        let mut errors: BTreeMap<String, String> =
            Setting::ALL.iter().filter_map(|s| Some((s.name.to_owned(), (s.out_of_range)(self)?))).collect();
        if let (Some(end), Some(peak)) = (self.min_lr, self.lr)
            && end > peak
        {
            let message = format!("{end} is more than the learning rate {peak}");
            errors.entry("min_lr".into()).or_insert(message);
        }
        if self.adaptation == Some(Adaptation::LinearProbe) && self.head.is_some_and(|h| h != Head::Compact) {
            let message = "with a linear probe, the linear layer is the head: leave this at compact, or choose another adaptation";
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
        let spec = TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation).with(Some(1), &o);
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
        let spec = TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation).with(None, &o);
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

    /// What was said counts; what was not is what the rule usually has.
    #[test]
    fn an_optimiser_brings_its_own_defaults() {
        let default = TrainingSpec::default_for(Family::Unet, TaskKind::Segmentation);
        let with = |pairs: &[(&str, &str)]| {
            let mut o = Overrides::default();
            pairs.iter().for_each(|(key, text)| o.set(key, text).unwrap());
            default.clone().with(None, &o)
        };
        let sgd = with(&[("optimiser", "sgd")]);
        assert_eq!((sgd.lr, sgd.weight_decay), (30.0 * default.lr, 1e-4));
        let lars = with(&[("optimiser", "lars"), ("lr", "0.5")]);
        assert_eq!((lars.lr, lars.weight_decay), (0.5, 0.0));
        assert_eq!(with(&[("optimiser", "adamw")]), default);
    }

    #[test]
    fn a_training_can_be_asked_for_again() {
        let mut o = Overrides::default();
        for (key, text) in
            [("lr", "3e-4"), ("optimiser", "sgd"), ("degradation", "thick-2"), ("label_share", "0.25")]
        {
            o.set(key, text).unwrap();
        }
        let task = TaskKind::SuperResolution;
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
            serde_json::to_value(TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation))
                .unwrap();
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
            "optimiser",
            "label_share",
        ];
        for key in later {
            assert!(json.as_object_mut().unwrap().remove(key).is_some(), "{key}");
        }
        let spec: TrainingSpec = serde_json::from_value(json).unwrap();
        assert_eq!(spec, TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation));
    }
}
