//! Permutation tests of a dependence between two lists.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Most points whose every order is tried: 40,320 orders.
pub(super) const EXACT_MAX: usize = 8;
/// Random orders where there are more points.
const RANDOM_ORDERS: u64 = 9999;
/// Differences below this are rounding.
const ROUNDING: f64 = 1e-12;

/// Two-sided p of `statistic` (a place for every point gives its value for the second list in that order) and whether
/// every order was tried. With random orders `p = (1 + reached) / (1 + orders)`. None where the statistic is
/// undefined.
pub fn permutation_p(
    points: usize,
    statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
    seed: u64,
) -> Option<(f64, bool)> {
    let order: Vec<usize> = (0..points).collect();
    let observed = statistic(&order)?.abs() - ROUNDING;
    let reaches = |order: &[usize]| statistic(order).is_some_and(|v| v.abs() >= observed);
    if points <= EXACT_MAX {
        let (mut all, mut reached) = (0u64, 0u64);
        each_order(order, &mut |order| {
            all += 1;
            reached += u64::from(reaches(order));
        });
        return Some((reached as f64 / all as f64, true));
    }
    let reached = (0..RANDOM_ORDERS)
        .into_par_iter()
        .filter(|stream| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(*stream);
            let mut drawn = order.clone();
            drawn.shuffle(&mut rng);
            reaches(&drawn)
        })
        .count();
    Some(((1 + reached) as f64 / (1 + RANDOM_ORDERS) as f64, false))
}

/// Every order once, by Heap's algorithm.
fn each_order(mut order: Vec<usize>, visit: &mut dyn FnMut(&[usize])) {
    let n = order.len();
    let mut counters = vec![0; n];
    visit(&order);
    let mut i = 1;
    while i < n {
        if counters[i] < i {
            order.swap(if i % 2 == 0 { 0 } else { counters[i] }, i);
            visit(&order);
            counters[i] += 1;
            i = 1;
        } else {
            counters[i] = 0;
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_order_comes_once_and_p_is_exact() {
        let mut seen = BTreeSet::new();
        each_order((0..5).collect(), &mut |order| assert!(seen.insert(order.to_vec())));
        assert_eq!(seen.len(), 120);
        // A rising list: the rising and the falling order reach its correlation, 2 of 24.
        let y = [1.0, 2.0, 3.0, 4.0];
        let of =
            |order: &[usize]| super::super::pearson(&y, &order.iter().map(|i| y[*i]).collect::<Vec<_>>());
        assert_eq!(permutation_p(4, of, 0), Some((2.0 / 24.0, true)));
        let (p, exact) = permutation_p(20, |order| Some(order[0] as f64), 3).unwrap();
        assert!(!exact && p == 1.0, "the least value is reached by all");
        assert_eq!(permutation_p(4, |_| None, 0), None);
    }
}
