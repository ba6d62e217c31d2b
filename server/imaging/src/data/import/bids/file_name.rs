//! Names of files in BIDS: `sub-01_ses-1_acq-fat_T1w`.

use std::collections::BTreeSet;

use transferscope_domain::Name;

/// A name in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// `sub-01`
    pub subject: String,
    /// What follows, as `(acq, fat)`.
    entities: Vec<(String, String)>,
    /// `T1w`
    pub suffix: String,
}

/// Suffixes of masks.
const MASKS: [&str; 4] = ["mask", "dseg", "seg", "roi"];

/// Entities that say nothing of what an image shows.
const PLACES: [&str; 2] = ["ses", "space"];

/// Entities whose values are numbers, which need their names.
const NUMBERS: [&str; 5] = ["run", "echo", "inv", "flip", "chunk"];

impl FileName {
    /// A name without its ending; none where it is of another form.
    pub fn parse(stem: &str) -> Option<Self> {
        let mut parts = stem.split('_');
        let subject = parts.next().filter(|part| part.len() > 4 && part.starts_with("sub-"))?.to_owned();
        let mut entities = Vec::new();
        let mut suffix = None;
        for part in parts {
            match part.split_once('-') {
                Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                    entities.push((key.to_owned(), value.to_owned()));
                }
                // Derivatives of old have the image's suffix before theirs: sub-1_T1w_label-lesion_mask.
                _ => suffix = Some(part),
            }
        }
        let suffix = suffix.filter(|suffix| !suffix.is_empty())?.to_owned();
        Some(Self { subject, entities, suffix })
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.entities.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// Subject and session.
    pub fn case(&self) -> String {
        match self.get("ses") {
            Some(session) => format!("{}_ses-{session}", self.subject),
            None => self.subject.clone(),
        }
    }

    pub fn is_mask(&self) -> bool {
        MASKS.contains(&self.suffix.to_lowercase().as_str())
    }

    /// Its entities as one text, each behind a hyphen.
    fn told(&self, wanted: impl Fn(&str) -> bool) -> String {
        let of_it = self.entities.iter().filter(|(key, _)| wanted(key));
        let text = |(key, value): &(String, String)| match NUMBERS.contains(&key.as_str()) {
            true => format!("-{key}{value}"),
            false => format!("-{value}"),
        };
        of_it.map(text).collect()
    }

    /// The image's name: its suffix, and what tells it from others where cases have several of it.
    pub fn image(&self, several: &BTreeSet<String>) -> Option<Name> {
        let more = if several.contains(&self.suffix) {
            self.told(|key| !PLACES.contains(&key))
        } else {
            String::new()
        };
        Name::like(&format!("{}{more}", self.suffix))
    }

    /// The mask's name: what it says to be the mask of, else what kind of mask it is.
    pub fn mask(&self) -> Option<Name> {
        let more = self.told(|key| ["label", "desc", "atlas", "seg"].contains(&key));
        let kind = self.suffix.to_lowercase();
        match (kind.as_str(), more.strip_prefix('-')) {
            ("mask" | "roi", Some(label)) => Name::like(label),
            _ => Name::like(&format!("{kind}{more}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_taken_apart() {
        let of = |text: &str| FileName::parse(text).unwrap();
        let plain = BTreeSet::new();
        let several = BTreeSet::from(["T1w".to_owned()]);
        let name = of("sub-01_ses-a_acq-fat_run-2_T1w");
        assert_eq!((name.case().as_str(), name.get("acq")), ("sub-01_ses-a", Some("fat")));
        assert_eq!(name.image(&plain).unwrap(), "t1w");
        assert_eq!(name.image(&several).unwrap(), "t1w-fat-run2");
        assert_eq!(of("sub-01_T1w").image(&several).unwrap(), "t1w");
        for (text, mask) in [
            ("sub-1_T1w_label-lesion_mask", "lesion"),
            ("sub-1_label-L_desc-manual_mask", "l-manual"),
            ("sub-1_mask", "mask"),
            ("sub-1_space-orig_dseg", "dseg"),
            ("sub-1_atlas-aal_dseg", "dseg-aal"),
            ("sub-1_seg", "seg"),
            ("sub-1_label-tumour_roi", "tumour"),
        ] {
            let name = of(text);
            assert!(name.is_mask(), "{text}");
            assert_eq!(name.mask().unwrap(), mask, "{text}");
        }
        for bad in ["T1w", "sub-_T1w", "sub-1", "sub-1_acq-x", ""] {
            assert_eq!(FileName::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics(text in "(sub-)?[a-zA-Z0-9_\\-é]{0,24}") {
            if let Some(name) = FileName::parse(&text) {
                let _ = (name.image(&BTreeSet::from([name.suffix.clone()])), name.mask(), name.case());
            }
        }
    }
}
