//! Who trains, who validates, who tests: by patient, drawn once, stored in the manifest.

use std::collections::BTreeMap;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use transferscope_domain::metric::Split;

/// Assigns each patient to a split: about a sixth each to val and test (at least one where there are
/// enough patients), the rest to train. Depends on the set of patients and the seed alone.
pub fn by_patient<'a>(patients: impl IntoIterator<Item = &'a str>, seed: u64) -> BTreeMap<String, Split> {
    let mut ids: Vec<&str> = patients.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let n = ids.len();
    let sixth = ((n as f64 / 6.0).round() as usize).max(1);
    let test = if n >= 2 { sixth } else { 0 };
    let val = if n >= 3 { sixth } else { 0 };
    ids.into_iter()
        .enumerate()
        .map(|(i, id)| {
            let split = if i < test {
                Split::Test
            } else if i < test + val {
                Split::Val
            } else {
                Split::Train
            };
            (id.to_owned(), split)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(n: usize, seed: u64) -> [usize; 3] {
        let ids: Vec<String> = (0..n).map(|i| format!("p{i:03}")).collect();
        let split = by_patient(ids.iter().map(String::as_str), seed);
        Split::ALL.map(|s| split.values().filter(|v| **v == s).count())
    }

    #[test]
    fn proportions() {
        assert_eq!(counts(48, 0), [32, 8, 8]);
        assert_eq!(counts(3, 0), [1, 1, 1]);
        assert_eq!(counts(4, 9), [2, 1, 1]);
        assert_eq!(counts(1, 0), [1, 0, 0]);
        assert_eq!(counts(0, 0), [0, 0, 0]);
    }

    #[test]
    fn order_and_repetition_of_patients_do_not_matter_but_the_seed_does() {
        let a = by_patient(["b", "a", "c", "d", "a"], 1);
        assert_eq!(a, by_patient(["d", "c", "b", "a"], 1));
        let ids: Vec<String> = (0..30).map(|i| i.to_string()).collect();
        let draw = |seed| by_patient(ids.iter().map(String::as_str), seed);
        assert_ne!(draw(1), draw(2));
    }
}
