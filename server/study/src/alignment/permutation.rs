//! Permutation test of MMD².

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Estimate, KernelMatrix, mmd::Sums};

/// Differences below this are rounding: a permutation that gives back the observed partition
/// must count as reaching the observed value.
const ROUNDING: f64 = 1e-12;

impl Estimate {
    pub(super) fn of(self, sums: Sums) -> f64 {
        match self {
            Estimate::Biased => sums.biased(),
            Estimate::Unbiased => sums.unbiased(),
        }
    }
}

/// `count` random permutations of `0..n` that depend on the seed alone, dealing out whole groups of
/// `group` neighbouring rows (a last, shorter group counts as one).
///
/// Rows of one case resemble each other; dealt out one by one they would make chance look
/// smaller than it is. A group of 1 gives plain permutations. The first `n_x` rows of an order
/// are whole groups only where `n_x` is a multiple of `group`.
///
/// # Panics
/// When `group` is 0.
pub fn seeded_permutations(n: usize, group: usize, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut starts: Vec<usize> = (0..n).step_by(group).collect();
    (0..count)
        .map(|_| {
            starts.sort_unstable();
            starts.shuffle(&mut rng);
            starts.iter().flat_map(|start| *start..(start + group).min(n)).collect()
        })
        .collect()
}

/// Every way but the observed one to deal out whole groups of `group` neighbouring rows of `0..n` so that the first
/// `n_x` of an order are another set: then [`permutation_p`] is exact. None where there are more than `most`, or where
/// a set does not consist of whole groups.
///
/// # Panics
/// When `group` is 0.
pub fn all_dealings(n_x: usize, n: usize, group: usize, most: usize) -> Option<Vec<Vec<usize>>> {
    if !n_x.is_multiple_of(group) || !n.is_multiple_of(group) || n_x > n {
        return None;
    }
    let (first, all) = (n_x / group, n / group);
    let count = (0..first).try_fold(1usize, |count, i| Some(count.checked_mul(all - i)? / (i + 1)))?;
    if count - 1 > most {
        return None;
    }
    let mut dealings = Vec::with_capacity(count);
    // Groups of the first set in rising order, counted up like a number.
    let mut chosen: Vec<usize> = (0..first).collect();
    while let Some(at) = (0..first).rev().find(|&i| chosen[i] < all - first + i) {
        chosen[at] += 1;
        for i in at + 1..first {
            chosen[i] = chosen[i - 1] + 1;
        }
        let others = (0..all).filter(|g| !chosen.contains(g));
        let order = chosen.iter().copied().chain(others);
        dealings.push(order.flat_map(|g| g * group..(g + 1) * group).collect());
    }
    Some(dealings)
}

/// The values that the estimate takes when the pooled rows are dealt out anew: the first rows of
/// each order go to the first set.
pub fn null_values(kernel: &KernelMatrix, permutations: &[Vec<usize>], estimate: Estimate) -> Vec<f64> {
    let (n_x, _) = kernel.sizes();
    let row_sums = kernel.row_sums();
    permutations.par_iter().map(|order| estimate.of(kernel.sums_with(&order[..n_x], &row_sums))).collect()
}

/// `p = (1 + number of null values >= observed) / (1 + permutations)` for an estimate, which is 1 for no
/// permutations at all.
///
/// The test asks whether rows could have come from either set; it knows nothing of a pairing of
/// rows, so two feature sets of the same cases give a large p unless training moved them by more
/// than the cases differ.
pub fn permutation_p(kernel: &KernelMatrix, permutations: &[Vec<usize>], estimate: Estimate) -> f64 {
    let observed = estimate.of(kernel.sums());
    let reached = null_values(kernel, permutations, estimate)
        .iter()
        .filter(|null| **null >= observed - ROUNDING)
        .count();
    (1 + reached) as f64 / (1 + permutations.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::{Rows, SquaredDistances};

    #[test]
    fn permutations_are_orders_and_repeat_by_seed() {
        let first = seeded_permutations(9, 1, 4, 3);
        assert_eq!(first, seeded_permutations(9, 1, 4, 3));
        assert_ne!(first, seeded_permutations(9, 1, 4, 4));
        let grouped = seeded_permutations(12, 3, 5, 3);
        for order in &grouped {
            assert!(order.chunks(3).all(|g| g[0] % 3 == 0 && g[1] == g[0] + 1 && g[2] == g[0] + 2));
        }
        assert_ne!(grouped[0], grouped[1]);
        for mut order in first {
            order.sort_unstable();
            assert_eq!(order, (0..9).collect::<Vec<_>>());
        }
    }

    #[test]
    fn few_dealings_are_all_tried() {
        // 70 ways to choose four of eight, the observed one left out.
        let all = all_dealings(8, 16, 2, 200).unwrap();
        assert_eq!(all.len(), 69);
        let sets: std::collections::BTreeSet<Vec<usize>> =
            all.iter().map(|order| order[..8].to_vec()).collect();
        assert_eq!(sets.len(), 69);
        assert!(!sets.contains(&(0..8).collect::<Vec<_>>()));
        for order in &all {
            assert!(order.chunks(2).all(|g| g[0] % 2 == 0 && g[1] == g[0] + 1));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..16).collect::<Vec<_>>());
        }
        // Sets that are apart: the observed dealing and its mirror image of 70.
        let x = Rows::new(1, vec![0.0, 0.1, 0.25, 0.3]).unwrap();
        let y = Rows::new(1, vec![5.0, 5.3, 5.5, 5.9]).unwrap();
        let kernel = SquaredDistances::pooled(&x, &y).unwrap().kernel(0.1);
        let p = permutation_p(&kernel, &all_dealings(4, 8, 1, 200).unwrap(), Estimate::Unbiased);
        assert!((p - 2.0 / 70.0).abs() < 1e-12, "{p}");
        assert_eq!(all_dealings(10, 20, 1, 200), None, "184,756 ways");
        assert_eq!(all_dealings(3, 8, 2, 200), None, "a group would be torn apart");
        assert_eq!(all_dealings(100, 10_000, 1, 200), None);
    }

    #[test]
    fn the_observed_partition_counts_as_reached() {
        let x = Rows::new(1, vec![0.0, 0.1, 0.25]).unwrap();
        let y = Rows::new(1, vec![5.0, 5.3, 5.5]).unwrap();
        let kernel = SquaredDistances::pooled(&x, &y).unwrap().kernel(0.1);
        assert_eq!(permutation_p(&kernel, &[vec![2, 0, 1, 5, 4, 3]], Estimate::Unbiased), 1.0);
        assert_eq!(permutation_p(&kernel, &[vec![0, 3, 1, 2, 4, 5]], Estimate::Unbiased), 0.5);
        assert_eq!(permutation_p(&kernel, &[], Estimate::Unbiased), 1.0);
    }
}
