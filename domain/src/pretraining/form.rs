//! The pre-training form, parsed by the same code in the browser and on the server.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Objective, PretrainSpec};
use crate::form::FieldErrors;

/// The pre-training form: texts by field, as they travel in a posted form or a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PretrainForm(BTreeMap<String, String>);

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

    /// The text of a field; empty for an unknown one.
    pub fn field(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Reads the fields from the pairs of a query or a posted form; unknown keys are ignored.
    pub fn from_pairs<K: AsRef<str>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(key, value)| (key.as_ref().to_owned(), value.into()));
        Self(pairs.filter(|(key, _)| Self::FIELDS.contains(&key.as_str())).collect())
    }

    /// The fields as pairs, empty ones left out.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let all = Self::FIELDS.into_iter().map(|key| (key, self.field(key).to_owned()));
        all.filter(|(_, v)| !v.is_empty()).collect()
    }

    /// Parses the fields.
    ///
    /// # Errors
    /// Messages by field.
    pub fn parse(&self) -> Result<PretrainSpec, FieldErrors> {
        let mut errors = FieldErrors::new();
        let text = |key: &str| self.field(key).trim().to_owned();
        let objective = text("objective").parse().unwrap_or_else(|_| {
            errors.insert("objective".into(), "Choose a pre-training objective.".into());
            Objective::Mae
        });
        let spec = PretrainSpec {
            name: text("name"),
            architecture: text("architecture"),
            objective,
            dataset: text("dataset"),
            seed: self.optional(&mut errors, "seed", "a whole number").unwrap_or(0),
            from: Some(text("from")).filter(|f| !f.is_empty()),
            epochs: self.optional(&mut errors, "epochs", "a whole number"),
            batch_size: self.optional(&mut errors, "batch_size", "a whole number"),
            accumulate: self.optional(&mut errors, "accumulate", "a whole number"),
            lr: self.optional(&mut errors, "lr", "a number"),
            precision: self.optional(&mut errors, "precision", "a precision").unwrap_or_default(),
        };
        for (field, message) in spec.errors() {
            errors.entry(field).or_insert(message);
        }
        if errors.is_empty() { Ok(spec) } else { Err(errors) }
    }

    /// The value of a field that may be empty.
    fn optional<T: FromStr>(&self, errors: &mut FieldErrors, key: &str, what: &str) -> Option<T> {
        let text = self.field(key).trim();
        let read = text.parse().ok();
        if read.is_none() && !text.is_empty() {
            errors.insert(key.into(), format!("{text:?} is not {what}."));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A form that is right but for these fields.
    fn form(pairs: &[(&str, &str)]) -> PretrainForm {
        let good = [
            ("name", "mine"),
            ("architecture", "profound-conv-mini"),
            ("objective", "mae"),
            ("dataset", "phantom"),
        ];
        PretrainForm::from_pairs(good.iter().chain(pairs).map(|(key, value)| (*key, *value)))
    }

    #[test]
    fn a_good_form_parses_and_every_wrong_field_is_named() {
        let spec = form(&[("lr", "3e-4"), ("accumulate", "4")]).parse().unwrap();
        assert_eq!((spec.lr, spec.accumulate, spec.seed), (Some(3e-4), Some(4), 0));
        assert_eq!(spec.training().lr, 3e-4);
        let wrong = [("name", "../x"), ("seed", "x"), ("epochs", "0"), ("lr", "nan")];
        let errors = PretrainForm::from_pairs(wrong).parse().unwrap_err();
        for field in ["name", "architecture", "objective", "dataset", "seed", "epochs", "lr"] {
            assert!(errors.contains_key(field), "{field}: {errors:?}");
        }
    }

    proptest! {
        #[test]
        fn pairs_go_round_and_any_text_is_survived(name in ".{0,12}", seed in ".{0,8}", lr in ".{0,8}") {
            let form = form(&[("name", &name), ("seed", &seed), ("lr", &lr)]);
            let _ = form.parse();
            let again = PretrainForm::from_pairs(form.to_pairs());
            prop_assert!(PretrainForm::FIELDS.iter().all(|key| again.field(key) == form.field(key)));
        }
    }
}
