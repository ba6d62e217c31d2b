//! The state dicts of one file, and which of them stands for the model.

use std::collections::BTreeMap;

use super::file::StoredTensor;

/// Keys under which training scripts keep the model, the likeliest first.
pub(super) const WRAPPERS: [&str; 5] =
    ["model", "state_dict", "network_weights", "model_state_dict", "module"];

/// One state dict of a file.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The keys that lead to it, outermost first; none where the file is the state dict.
    pub(super) path: Vec<String>,
    /// In the file's order.
    pub(super) tensors: Vec<StoredTensor>,
    /// Named values that are no tensors, and what they are instead.
    pub(super) others: BTreeMap<String, String>,
}

/// What [`Tree::key`] says of a bare state dict.
pub const BARE: &str = ".";

impl Tree {
    /// The key that chooses it, `model_ema` or `state.model`; [`BARE`] for a bare one.
    pub fn key(&self) -> String {
        if self.path.is_empty() { BARE.to_owned() } else { self.path.join(".") }
    }

    pub fn tensors(&self) -> &[StoredTensor] {
        &self.tensors
    }
}

/// How likely something is the model that is meant, by the names that lead to it. Smaller is likelier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The model itself.
    Model,
    /// In self-distillation the one that is kept.
    Teacher,
    /// A running mean of the model's weights.
    Average,
    /// What a teacher has taught.
    Student,
}

/// The role that a path of keys or parts of names tells.
pub(super) fn role<'a>(parts: impl IntoIterator<Item = &'a str>) -> Role {
    let words = |part: &str| -> Vec<String> {
        part.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect()
    };
    let of_part = |part: &str| {
        let has = |wanted: &[&str]| words(part).iter().any(|word| wanted.contains(&word.as_str()));
        if has(&["student"]) {
            Role::Student
        } else if has(&["ema", "averaged", "swa", "shadow"]) {
            Role::Average
        } else if has(&["teacher"]) {
            Role::Teacher
        } else {
            Role::Model
        }
    };
    parts.into_iter().map(of_part).max().unwrap_or(Role::Model)
}

/// The order in which state dicts of one file are looked at: by role, then by how usual their key is.
pub(super) fn rank(path: &[String]) -> (Role, usize) {
    let usual = match path.last() {
        None => WRAPPERS.len(),
        Some(key) => WRAPPERS.iter().position(|known| known == key).unwrap_or(WRAPPERS.len() + 1),
    };
    (role(path.iter().map(String::as_str)), usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_comes_before_its_copies() {
        let of = |path: &str| {
            rank(&path.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect::<Vec<_>>())
        };
        let order = [
            "model",
            "state_dict",
            "network_weights",
            "",
            "t2",
            "teacher",
            "ema/model",
            "model_ema",
            "student",
        ];
        assert!(order.windows(2).all(|pair| of(pair[0]) <= of(pair[1])), "{:?}", order.map(of));
        assert_eq!(of("state_dict_ema").0, Role::Average);
        // A part of a word is none.
        assert_eq!(of("schema").0, Role::Model);
        assert_eq!(role(["student", "backbone"]), Role::Student);
    }
}
