//! The pre-training form, parsed by the same code in the browser and on the server.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Objective, PretrainSpec};
use crate::form::FieldErrors;

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
    pub precision: String,
}

impl PretrainForm {
    /// Names of the fields.
    pub const FIELDS: [&'static str; 11] = [
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
        "precision",
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
            "precision" => &mut self.precision,
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
            precision: optional(&mut errors, "precision", &self.precision, "a precision").unwrap_or_default(),
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
