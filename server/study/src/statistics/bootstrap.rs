//! Intervals by resampling.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::mean;

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Whether it holds a value.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

const TAIL: f64 = 0.025;

/// The quantile of sorted values, linear between neighbours.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// The middle 95 % of resampled values; NaN do not count.
pub fn percentile_interval(mut values: Vec<f64>) -> Option<Interval> {
    values.retain(|v| !v.is_nan());
    values.sort_by(f64::total_cmp);
    Some(Interval { low: quantile(&values, TAIL)?, high: quantile(&values, 1.0 - TAIL)? })
}

/// One stream a resample, so that the result does not depend on how many threads work.
pub(crate) fn resampled<T: Send>(
    resamples: usize,
    seed: u64,
    one: impl Fn(&mut ChaCha8Rng) -> T + Sync,
) -> Vec<T> {
    (0..resamples as u64)
        .into_par_iter()
        .map(|i| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(i);
            one(&mut rng)
        })
        .collect()
}

/// 95 % interval of a statistic over `items` things by the bias-corrected and accelerated bootstrap: `statistic` gets
/// the places of the things that a resample holds. None where the statistic of all is undefined, there are fewer than
/// two things, or more than a tenth of the resamples is undefined. Where it is the same in all resamples the interval
/// is that point.
///
/// # Source
/// Efron, "Better Bootstrap Confidence Intervals" (1987).
pub fn bca(
    items: usize,
    statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
    resamples: usize,
    seed: u64,
) -> Option<Interval> {
    if items < 2 {
        return None;
    }
    let all: Vec<usize> = (0..items).collect();
    let observed = statistic(&all)?;
    let values = resampled(resamples, seed, |rng| {
        let drawn: Vec<usize> = (0..items).map(|_| rng.random_range(0..items)).collect();
        statistic(&drawn)
    });
    let without = |left_out: usize| -> Vec<usize> { (0..items).filter(|i| *i != left_out).collect() };
    let jackknife: Vec<f64> = all.iter().filter_map(|i| statistic(&without(*i))).collect();
    corrected(observed, values, &[jackknife])
}

/// The BCa interval from resampled values and the jackknife values of each factor that was resampled.
fn corrected(observed: f64, values: Vec<Option<f64>>, jackknives: &[Vec<f64>]) -> Option<Interval> {
    let wanted = values.len();
    let mut values: Vec<f64> = values.into_iter().flatten().filter(|v| v.is_finite()).collect();
    if values.is_empty() || values.len() * 10 < wanted * 9 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let (first, last) = (values[0], values[values.len() - 1]);
    if first == last {
        return Some(Interval { low: first, high: last });
    }
    let n = values.len() as f64;
    // Sums in another order differ by rounding.
    let rounding = 1e-9 * (last - first);
    let below = values.iter().filter(|v| **v < observed - rounding).count() as f64;
    let equal = values.iter().filter(|v| (**v - observed).abs() <= rounding).count() as f64;
    // Half of what equals the observed value counts as below; a share of 0 or 1 would be an infinite bias.
    let share = ((below + equal / 2.0) / n).clamp(0.5 / n, 1.0 - 0.5 / n);
    let normal = Normal::standard();
    let bias = normal.inverse_cdf(share);
    let acceleration = acceleration(jackknives);
    let at = |tail: f64| {
        let z = bias + normal.inverse_cdf(tail);
        normal.cdf(bias + z / (1.0 - acceleration * z))
    };
    Some(Interval { low: quantile(&values, at(TAIL))?, high: quantile(&values, at(1.0 - TAIL))? })
}

/// Skewness of the influence of single things over all factors, by the jackknife.
fn acceleration(jackknives: &[Vec<f64>]) -> f64 {
    let (mut cubes, mut squares) = (0.0, 0.0);
    for values in jackknives {
        let Some(mean) = mean(values) else { continue };
        cubes += values.iter().map(|v| (mean - v).powi(3)).sum::<f64>();
        squares += values.iter().map(|v| (mean - v).powi(2)).sum::<f64>();
    }
    if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 }
}

/// [`bca`] of the mean.
pub fn bca_mean(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    let of = |places: &[usize]| mean(&places.iter().map(|i| values[*i]).collect::<Vec<_>>());
    bca(values.len(), of, resamples, seed)
}

/// 95 % interval of the mean of `table[seed][case]`; see [`bca_two_factors`]. None where rows differ in length or there
/// are fewer than two cases.
pub fn bca_two_way(table: &[Vec<f64>], resamples: usize, seed: u64) -> Option<Interval> {
    let (seeds, cases) = (table.len(), table.first()?.len());
    if table.iter().any(|row| row.len() != cases) {
        return None;
    }
    let over = |rows: &[usize], columns: &[usize]| {
        let sum: f64 = rows.iter().map(|r| columns.iter().map(|c| table[*r][*c]).sum::<f64>()).sum();
        Some(sum / (rows.len() * columns.len()) as f64)
    };
    bca_two_factors((seeds, cases), over, resamples, seed)
}

/// 95 % interval of a statistic over seeds and cases: both are resampled, each as a whole, since the runs of one seed
/// share its weights and the scores of one case share its difficulty. `statistic` gets the places of seeds and of
/// cases. With one seed the cases alone are resampled. None for fewer than two cases, and as [`bca`].
pub fn bca_two_factors(
    (seeds, cases): (usize, usize),
    statistic: impl Fn(&[usize], &[usize]) -> Option<f64> + Sync,
    resamples: usize,
    seed: u64,
) -> Option<Interval> {
    if seeds == 0 || cases < 2 {
        return None;
    }
    let (all_seeds, all_cases): (Vec<usize>, Vec<usize>) = ((0..seeds).collect(), (0..cases).collect());
    let observed = statistic(&all_seeds, &all_cases)?;
    let values = resampled(resamples, seed, |rng| {
        let rows: Vec<usize> = (0..seeds).map(|_| rng.random_range(0..seeds)).collect();
        let columns: Vec<usize> = (0..cases).map(|_| rng.random_range(0..cases)).collect();
        statistic(&rows, &columns)
    });
    let but = |all: &[usize], out: usize| all.iter().copied().filter(|i| *i != out).collect::<Vec<_>>();
    let by_case = all_cases.iter().filter_map(|c| statistic(&all_seeds, &but(&all_cases, *c))).collect();
    let by_seed = match seeds {
        1 => Vec::new(),
        _ => all_seeds.iter().filter_map(|r| statistic(&but(&all_seeds, *r), &all_cases)).collect(),
    };
    corrected(observed, values, &[by_case, by_seed])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_interval_and_the_degenerate_ones() {
        // Of symmetric values the interval is that of the percentiles, near the mean +- 1.96 standard errors.
        let values: Vec<f64> = (0..41).map(|i| f64::from(i) - 20.0).collect();
        let interval = bca_mean(&values, 4000, 1).unwrap();
        let error = (values.iter().map(|v| v * v).sum::<f64>() / 41.0 / 41.0).sqrt();
        assert!((interval.high - 1.96 * error).abs() < 0.25 && (interval.low + 1.96 * error).abs() < 0.25);
        assert_eq!(bca_mean(&[1.0], 100, 1), None);
        assert_eq!(bca_mean(&[2.0, 2.0, 2.0], 100, 1), Some(Interval { low: 2.0, high: 2.0 }));
        assert_eq!(bca(3, |_| None, 100, 1), None);
        assert_eq!(bca_two_way(&[vec![1.0, 2.0], vec![1.0]], 100, 1), None);
        assert_eq!(bca_two_way(&[], 100, 1), None);
    }

    #[test]
    fn seeds_that_differ_widen_the_interval_of_two_factors() {
        let case = |i: usize| (i as f64 * 2.3).sin();
        let row = |shift: f64| -> Vec<f64> { (0..20).map(|i| case(i) + shift).collect() };
        let width = |table: &[Vec<f64>]| bca_two_way(table, 2000, 3).map(|i| i.high - i.low).unwrap();
        assert!(width(&[row(-2.0), row(0.0), row(2.0)]) > 1.5 * width(&[row(0.0), row(0.0), row(0.0)]));
        let one = bca_two_way(&[row(0.0)], 2000, 3).unwrap();
        assert!(one.contains(mean(&row(0.0)).unwrap()));
    }

    proptest! {
        #[test]
        fn the_interval_moves_and_stretches_with_the_values(
            values in prop::collection::vec(-10.0f64..10.0, 3..12), shift in -5.0f64..5.0, scale in 0.5f64..3.0,
        ) {
            let plain = bca_mean(&values, 200, 5).unwrap();
            let moved: Vec<f64> = values.iter().map(|v| v * scale + shift).collect();
            let moved = bca_mean(&moved, 200, 5).unwrap();
            let near = |a: f64, b: f64| (a - (b * scale + shift)).abs() < 1e-6;
            prop_assert!(near(moved.low, plain.low) && near(moved.high, plain.high));
            prop_assert!(plain.low <= plain.high);
        }
    }
}
