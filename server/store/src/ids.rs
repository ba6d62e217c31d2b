//! New identifiers: short, readable aloud, safe in URLs and file names.

use transferscope_domain::{ExperimentId, RunId, ShareSlug};

/// Crockford's base 32 in lower case: no i, l, o or u, which are misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 50 random bits: a store of a million runs meets a double with a chance of one in two thousand,
/// and then the unique index refuses it.
const LENGTH: usize = 10;

fn random_text() -> String {
    (0..LENGTH).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}

/// A new run's id.
pub fn new_run_id() -> RunId {
    RunId::try_from(random_text()).expect("ten characters of the alphabet are an id")
}

/// A new experiment's id.
pub fn new_experiment_id() -> ExperimentId {
    ExperimentId::try_from(random_text()).expect("ten characters of the alphabet are an id")
}

/// A new share's slug.
pub fn new_slug() -> ShareSlug {
    ShareSlug::try_from(random_text()).expect("ten characters of the alphabet are an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ten_characters_and_differ() {
        let ids: std::collections::BTreeSet<_> = (0..200).map(|_| new_run_id()).collect();
        assert_eq!(ids.len(), 200);
        assert!(ids.iter().all(|id| id.as_str().len() == LENGTH));
    }
}
