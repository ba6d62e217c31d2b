//! Which cases come when in an epoch.

use rand::seq::SliceRandom;

use super::example::{Example, Target};
use crate::init::stream;

/// One sample of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Index of the example.
    pub example: usize,
    /// Which of the epoch's samples of that example.
    pub draw: u32,
}

/// The samples of an epoch in order: every example as often as the others.
pub fn epoch_items(examples: usize, samples_per_case: u32, seed: u64, epoch: u64) -> Vec<Item> {
    let mut items: Vec<Item> = (0..samples_per_case)
        .flat_map(|draw| (0..examples).map(move |example| Item { example, draw }))
        .collect();
    items.shuffle(&mut stream(seed, &format!("order/{epoch}")));
    items
}

/// As many samples as [`epoch_items`] has, but every class of a case's label as often as the others: cases
/// of a rare class come several times, some of a frequent one not at all.
pub fn balanced_items(examples: &[Example], samples_per_case: u32, seed: u64, epoch: u64) -> Vec<Item> {
    let mut by_class: Vec<Vec<usize>> = Vec::new();
    for (i, example) in examples.iter().enumerate() {
        if let Target::Label(label) = example.target {
            let class = usize::from(label);
            by_class.resize_with(by_class.len().max(class + 1), Vec::new);
            by_class[class].push(i);
        }
    }
    by_class.retain(|cases| !cases.is_empty());
    if by_class.is_empty() {
        return epoch_items(examples.len(), samples_per_case, seed, epoch);
    }
    let mut rng = stream(seed, &format!("order/{epoch}"));
    let total = examples.len() * samples_per_case as usize;
    let mut draws = vec![0u32; examples.len()];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); by_class.len()];
    let mut items = Vec::with_capacity(total);
    for turn in 0..total {
        // Which class begins changes by epoch, so that an odd number favours none.
        let class = (turn + epoch as usize) % by_class.len();
        if waiting[class].is_empty() {
            waiting[class] = by_class[class].clone();
            waiting[class].shuffle(&mut rng);
        }
        if let Some(example) = waiting[class].pop() {
            items.push(Item { example, draw: draws[example] });
            draws[example] += 1;
        }
    }
    items.shuffle(&mut rng);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_takes_every_case_and_only_its_order_changes() {
        let one = epoch_items(5, 2, 7, 0);
        assert_eq!(one, epoch_items(5, 2, 7, 0));
        assert_ne!(one, epoch_items(5, 2, 7, 1));
        let mut sorted: Vec<_> = one.iter().map(|i| (i.example, i.draw)).collect();
        sorted.sort_unstable();
        assert_eq!(sorted.len(), 10);
        sorted.dedup();
        assert_eq!(sorted.len(), 10);
    }

    #[test]
    fn rare_classes_come_as_often_as_frequent_ones() {
        let example =
            |label| Example::new(("c", "p"), [1, 1, 1], Vec::new(), Target::Label(label), Vec::new());
        let examples: Vec<Example> = [0, 0, 0, 0, 0, 1].map(example).into();
        let items = balanced_items(&examples, 2, 3, 0);
        assert_eq!(items, balanced_items(&examples, 2, 3, 0));
        assert_eq!(items.len(), 12);
        let rare: Vec<u32> = items.iter().filter(|i| i.example == 5).map(|i| i.draw).collect();
        assert_eq!(rare.len(), 6);
        let mut apart = rare.clone();
        apart.sort_unstable();
        assert_eq!(apart, [0, 1, 2, 3, 4, 5], "each draw of a case is another one");
    }
}
