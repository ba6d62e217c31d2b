//! The median distance of more pairs than memory holds.

use std::sync::Mutex;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{tiles::RowPairs, width::squared_distance};

/// Pairs from which the first bracket is guessed.
const SAMPLE: usize = 1 << 18;
const SEED: u64 = 0x6d65_6469_616e;
/// How far the bracket reaches on either side of the sample's median, in standard errors of its rank.
const ERRORS: f64 = 6.0;
/// Bins of the bracket: 24 MiB.
const BINS: usize = 1 << 20;
/// A squared distance is found where it is known to this share of itself.
const KNOWN: f64 = 1e-7;

/// The squared distances in a part of the bracket.
#[derive(Debug, Clone, Copy)]
struct Bin {
    count: u64,
    least: f64,
    most: f64,
}

/// How many pairs lie where, of one pass over all of them.
#[derive(Debug)]
struct Histogram {
    low: f64,
    high: f64,
    below: u64,
    bins: Vec<Bin>,
}

impl Histogram {
    fn new(low: f64, high: f64) -> Self {
        let empty = Bin { count: 0, least: f64::INFINITY, most: f64::NEG_INFINITY };
        Self { low, high, below: 0, bins: vec![empty; BINS] }
    }

    fn add(&mut self, squared: f64) {
        let place = (squared - self.low) / (self.high - self.low) * BINS as f64;
        // 0/0, where the bracket is one value, is the first bin.
        let bin = &mut self.bins[(place as usize).min(BINS - 1)];
        bin.count += 1;
        bin.least = bin.least.min(squared);
        bin.most = bin.most.max(squared);
    }

    /// Between which values the one of a rank (from 0) lies: exact for the first and the last value of a bin.
    fn bounds(&self, rank: u64, largest: f64) -> [f64; 2] {
        if rank < self.below {
            return [0.0, self.low];
        }
        let mut before = self.below;
        for bin in &self.bins {
            if rank < before + bin.count {
                return match rank - before {
                    0 => [bin.least; 2],
                    at if at + 1 == bin.count => [bin.most; 2],
                    _ => [bin.least, bin.most],
                };
            }
            before += bin.count;
        }
        [self.high, largest]
    }
}

impl RowPairs<'_> {
    /// Median Euclidean distance over all distinct pairs; the mean of the two middle ones for an even count.
    ///
    /// A bracket around the median is guessed from a seeded sample of pairs; a pass over all pairs counts what lies
    /// below it and in each of [`BINS`] bins. Where that does not tell the median to 5 parts in 10⁸, another pass looks
    /// at the bin that it lies in, or on the side of the bracket where it is.
    pub fn median_distance(&self) -> f64 {
        self.median_above(0)
    }

    /// The median as [`super::median_bandwidth`] takes it.
    pub fn bandwidth(&self) -> Option<f64> {
        let sigma = self.median_distance();
        if sigma > 0.0 {
            return Some(sigma);
        }
        let zeros =
            self.tiles(|_, squared| squared.iter().filter(|d| **d == 0.0).count() as u64).iter().sum();
        (zeros < self.count()).then(|| self.median_above(zeros))
    }

    fn count(&self) -> u64 {
        let n = self.n() as u64;
        n * (n - 1) / 2
    }

    /// The median distance of the pairs without the `skipped` nearest ones, which are at a distance of 0.
    fn median_above(&self, skipped: u64) -> f64 {
        let left = self.count() - skipped;
        let ranks = [skipped + (left - 1) / 2, skipped + left / 2];
        let [low, high] = self.select(ranks, self.guess(skipped > 0)).map(f64::sqrt);
        f64::midpoint(low, high)
    }

    /// The squared distances of two ranks, which are the same or neighbours.
    fn select(&self, ranks: [u64; 2], [mut low, mut high]: [f64; 2]) -> [f64; 2] {
        loop {
            let histogram = self.histogram(low, high);
            let [a, b] = ranks.map(|rank| histogram.bounds(rank, self.largest()));
            if [a, b].iter().all(|[from, to]| to - from <= KNOWN * to) {
                return [a, b].map(|[from, to]| f64::midpoint(from, to));
            }
            (low, high) = (a[0], b[1]);
        }
    }

    fn histogram(&self, low: f64, high: f64) -> Histogram {
        let all = Mutex::new(Histogram::new(low, high));
        self.tiles(|_, squared| {
            let below = squared.iter().filter(|d| **d < low).count() as u64;
            let within: Vec<f64> = squared.iter().copied().filter(|d| (low..=high).contains(d)).collect();
            // Counts and extremes do not depend on the order in which tiles come.
            let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            all.below += below;
            within.into_iter().for_each(|d| all.add(d));
        });
        all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A bracket that very probably holds the median of the squared distances, or of those that are not 0.
    fn guess(&self, without_zeros: bool) -> [f64; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let n = self.n();
        let drawn: Vec<[usize; 2]> = (0..SAMPLE)
            .map(|_| {
                let (i, j) = (rng.random_range(0..n), rng.random_range(0..n - 1));
                [i, if j < i { j } else { j + 1 }]
            })
            .collect();
        let mut sample: Vec<f64> =
            drawn.par_iter().map(|[i, j]| squared_distance(self.row(*i), self.row(*j))).collect();
        sample.retain(|d| !without_zeros || *d > 0.0);
        sample.sort_unstable_by(f64::total_cmp);
        let reach = ERRORS * 0.5 * (sample.len() as f64).sqrt();
        let middle = sample.len() as f64 / 2.0;
        let low = sample.get((middle - reach).max(0.0) as usize).copied().unwrap_or(0.0);
        let high = sample.get((middle + reach) as usize).copied().unwrap_or_else(|| self.largest());
        // The sample's distances are direct ones and those of the tiles are not: the same pairs differ by rounding.
        [low * (1.0 - 1e-9), high * (1.0 + 1e-9)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::{Rows, SquaredDistances, median_bandwidth, median_distance};

    fn rows(n: usize, dim: usize, f: f64) -> Rows {
        Rows::new(dim, (0..n * dim).map(|i| (i as f64 * f).sin()).collect()).unwrap()
    }

    fn agree(x: &Rows, y: &Rows) {
        let pooled = SquaredDistances::pooled(x, y).unwrap();
        let pairs = RowPairs::of(&[x, y]).unwrap();
        let (ours, theirs) = (pairs.median_distance(), median_distance(&pooled));
        assert!((ours - theirs).abs() <= 1e-7 * theirs, "{ours} and {theirs}");
        match (pairs.bandwidth(), median_bandwidth(&pooled)) {
            (Some(ours), Some(theirs)) => assert!((ours - theirs).abs() <= 1e-7 * theirs),
            (ours, theirs) => assert_eq!(ours, theirs),
        }
    }

    #[test]
    fn the_median_is_that_of_all_distances() {
        agree(&rows(400, 7, 1.7), &rows(301, 7, 0.9));
        agree(&rows(2, 1, 1.7), &rows(2, 1, 0.9));
        // Steep: one column, and two clouds.
        agree(&rows(300, 1, 1.7), &rows(300, 1, 0.9));
        let far = Rows::new(7, (0..2100).map(|i| 1e4 + (i as f64 * 0.3).sin()).collect()).unwrap();
        agree(&rows(300, 7, 1.7), &far);
        agree(&rows(900, 7, 1.7), &far);
    }

    #[test]
    fn coinciding_rows_and_gaps_are_exact() {
        let of = |values: &[f64]| Rows::new(1, values.to_vec()).unwrap();
        agree(&of(&[2.0; 40]), &of(&[2.0; 30]));
        agree(&of(&[2.0; 40]), &of(&[2.0, 5.0, 7.0]));
        agree(&of(&[0.0, 1.0]), &of(&[3.0, 7.0]));
        // 6 pairs of 0 and 6 of others: half of the median is that of a pair at 0.
        let values: Vec<f64> = (0..600).map(|i| f64::from(i / 150)).collect();
        agree(&of(&values[..300]), &of(&values[300..]));
    }

    #[test]
    fn a_bracket_beside_the_median_is_left() {
        let (x, y) = (rows(90, 3, 1.7), rows(80, 3, 0.9));
        let pairs = RowPairs::of(&[&x, &y]).unwrap();
        let middle = (pairs.count() - 1) / 2;
        let right = pairs.select([middle; 2], pairs.guess(false));
        for bracket in [[0.0, 1e-9], [1e-9, 2e-9], [1e6, 1e7], [0.0, 0.0], [0.0, pairs.largest()]] {
            let found = pairs.select([middle; 2], bracket);
            assert!((found[0] - right[0]).abs() <= 2.0 * KNOWN * right[0], "{bracket:?}");
        }
        let [first, last] = [[0, 0], [pairs.count() - 1; 2]].map(|ranks| pairs.select(ranks, [0.1, 0.2]));
        assert!(first[0] < right[0] && right[0] < last[0]);
    }
}
