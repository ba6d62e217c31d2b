//! How many blocks an encoder has. A file in which some are missing between others is half a network, and
//! must not pass for a smaller one.

use std::collections::BTreeSet;

use super::key_map::KeyMap;

/// Largest number of a block.
const NUMBER_LIMIT: usize = 1024;

/// Number of the blocks `stem.0`, `stem.1`, ..., each of which has a tensor `telling`; `stem` and `telling`
/// without the encoder's own prefix.
///
/// # Errors
/// In words, where there is none, where one is missing before others, and where one lacks that tensor.
pub(crate) fn count(map: &KeyMap, stem: &str, telling: &str) -> Result<usize, String> {
    let mut there = BTreeSet::new();
    for number in numbers(map, stem) {
        there.insert(number.ok_or_else(|| format!("a block of {stem} has a number beyond {NUMBER_LIMIT}"))?);
    }
    let Some(last) = there.last().copied() else {
        return Err(format!("its depth cannot be determined, since encoder.{stem}.0.{telling} is missing"));
    };
    let missing: BTreeSet<usize> = (0..last).filter(|n| !there.contains(n)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "it is only part of a network: of encoder.{stem}, {} {} there, but not {}",
            listed(&there),
            if there.len() == 1 { "is" } else { "are" },
            listed(&missing)
        ));
    }
    let name = |n: usize| format!("encoder.{stem}.{n}.{telling}");
    let without: BTreeSet<usize> = there.iter().copied().filter(|n| map.shape(&name(*n)).is_none()).collect();
    if let Some(first) = without.first() {
        let layer = telling.strip_suffix(".weight").unwrap_or(telling);
        let start = format!("encoder.{stem}.{first}.{layer}.");
        let other = |name: &&str| name.starts_with(&start) && **name != *format!("{start}bias");
        let instead: Vec<&str> = map.names().filter(other).collect();
        let instead = match instead.as_slice() {
            [] => String::new(),
            found => format!("; in its place is {}", found.join(", ")),
        };
        return Err(format!(
            "its depth cannot be determined, since {} is missing (in {} of {} blocks{instead})",
            name(*first),
            without.len(),
            there.len()
        ));
    }
    Ok(last + 1)
}

/// Numbers of what lies in `stem`, none where one is beyond all bounds.
pub(crate) fn numbers<'a>(map: &'a KeyMap, stem: &'a str) -> impl Iterator<Item = Option<usize>> + 'a {
    map.names().filter_map(move |name| {
        let inside = name.strip_prefix("encoder.")?.strip_prefix(stem)?.strip_prefix('.')?;
        let number = inside.split('.').next().unwrap_or_default();
        number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok().filter(|n| *n <= NUMBER_LIMIT))
    })
}

/// `0 to 2 and 4`
fn listed(numbers: &BTreeSet<usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *n => *last = *n,
            _ => runs.push((*n, *n)),
        }
    }
    let words: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first} to {last}") })
        .collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_in_runs() {
        let of = |numbers: &[usize]| listed(&numbers.iter().copied().collect());
        assert_eq!(of(&[0, 1, 2, 4]), "0 to 2 and 4");
        assert_eq!(of(&[3]), "3");
        assert_eq!(of(&[0, 2, 4, 5]), "0, 2 and 4 to 5");
    }
}
