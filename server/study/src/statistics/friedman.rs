//! Ranks of several methods over several cases.

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, FisherSnedecor, Normal};

use super::{ranks, ranks::ties};

/// Friedman's test and the F of Iman and Davenport.
#[derive(Debug, Clone, PartialEq)]
pub struct Friedman {
    /// Mean rank of each method, 1 = best.
    pub average_ranks: Vec<f64>,
    /// Corrected for ties.
    pub chi2: f64,
    pub chi2_uncorrected: f64,
    pub p: f64,
    /// Infinite where all cases agree in the order.
    pub iman_davenport_f: f64,
    pub iman_davenport_p: f64,
}

/// Friedman's test of `scores[case][method]`. None for fewer than two cases or three methods, rows of different
/// lengths, values that are not finite, or where all methods tie everywhere.
///
/// # Source
/// Friedman (1937); Iman and Davenport (1980); Demšar, "Statistical Comparisons of Classifiers over Multiple Data
/// Sets" (2006).
pub fn friedman(scores: &[Vec<f64>], higher_is_better: bool) -> Option<Friedman> {
    let (n, k) = (scores.len(), scores.first()?.len());
    let odd = |row: &Vec<f64>| row.len() != k || row.iter().any(|v| !v.is_finite());
    if n < 2 || k < 3 || scores.iter().any(odd) {
        return None;
    }
    let sign = if higher_is_better { -1.0 } else { 1.0 };
    let mut sums = vec![0.0; k];
    let mut tied = 0.0;
    for row in scores {
        let signed: Vec<f64> = row.iter().map(|v| sign * v).collect();
        sums.iter_mut().zip(ranks(&signed)).for_each(|(sum, rank)| *sum += rank);
        tied += ties(row).iter().map(|t| *t as f64).map(|t| t * (t * t - 1.0)).sum::<f64>();
    }
    let (n, k) = (n as f64, k as f64);
    let squares: f64 = sums.iter().map(|s| s * s).sum();
    let chi2_uncorrected = 12.0 / (n * k * (k + 1.0)) * squares - 3.0 * n * (k + 1.0);
    let correction = 1.0 - tied / (n * k * (k * k - 1.0));
    if correction <= 0.0 {
        return None;
    }
    let chi2 = chi2_uncorrected / correction;
    let most = n * (k - 1.0);
    let f = if chi2 >= most { f64::INFINITY } else { (n - 1.0) * chi2 / (most - chi2) };
    let f_p = match f.is_finite() {
        true => FisherSnedecor::new(k - 1.0, (k - 1.0) * (n - 1.0)).ok()?.sf(f.max(0.0)),
        false => 0.0,
    };
    Some(Friedman {
        average_ranks: sums.iter().map(|s| s / n).collect(),
        chi2,
        chi2_uncorrected,
        p: ChiSquared::new(k - 1.0).ok()?.sf(chi2.max(0.0)),
        iman_davenport_f: f,
        iman_davenport_p: f_p,
    })
}

/// Error of a difference of two mean ranks.
fn rank_error(methods: usize, cases: usize) -> f64 {
    let k = methods as f64;
    (k * (k + 1.0) / (6.0 * cases as f64)).sqrt()
}

/// The share of ranges of `k` standard normal deviates that exceed `q`.
fn range_exceeds(q: f64, k: usize) -> f64 {
    // k * integral of density(z) * (cdf(z) - cdf(z - q))^(k - 1): z is the largest of them. Simpson's rule on a
    // stretch beyond which the density is below 1e-17.
    const HALF_STEPS: usize = 2000;
    let normal = Normal::standard();
    let (from, to) = (-9.0, 9.0 + q.min(60.0));
    let step = (to - from) / (2 * HALF_STEPS) as f64;
    let value = |z: f64| normal.pdf(z) * (normal.cdf(z) - normal.cdf(z - q)).powi(k as i32 - 1);
    let sum: f64 = (0..=2 * HALF_STEPS)
        .map(|i| {
            let weight = match i {
                0 => 1.0,
                i if i == 2 * HALF_STEPS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * value(from + i as f64 * step)
        })
        .sum();
    (1.0 - k as f64 * sum * step / 3.0).clamp(0.0, 1.0)
}

/// Nemenyi's q: the quantile of the studentised range with infinite degrees of freedom by the root of 2. None for
/// fewer than two methods or an alpha that is no share.
pub fn nemenyi_q(methods: usize, alpha: f64) -> Option<f64> {
    if methods < 2 || !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let (mut low, mut high) = (0.0, 60.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if range_exceeds(middle, methods) > alpha { low = middle } else { high = middle }
    }
    Some(low / 2f64.sqrt())
}

/// The least difference of two mean ranks that Nemenyi's test tells apart at `alpha`.
///
/// # Source
/// Nemenyi (1963), as in Demšar (2006).
pub fn nemenyi_critical_difference(methods: usize, cases: usize, alpha: f64) -> Option<f64> {
    (cases > 0).then(|| Some(nemenyi_q(methods, alpha)? * rank_error(methods, cases)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_always_rank_alike_are_told_apart_and_ties_are_not() {
        let scores = vec![vec![0.9, 0.8, 0.1]; 6];
        let test = friedman(&scores, true).unwrap();
        assert_eq!(test.average_ranks, [1.0, 2.0, 3.0]);
        assert!((test.chi2 - 12.0).abs() < 1e-9 && test.iman_davenport_p == 0.0);
        assert_eq!(friedman(&scores, false).unwrap().average_ranks, [3.0, 2.0, 1.0]);
        assert_eq!(friedman(&vec![vec![0.5; 3]; 6], true), None);
        assert_eq!(friedman(&scores[..1], true), None);
    }

    #[test]
    fn two_methods_have_the_quantile_of_the_normal() {
        assert!((nemenyi_q(2, 0.05).unwrap() - 1.959963984540054).abs() < 1e-9);
        assert_eq!(nemenyi_q(1, 0.05), None);
        assert_eq!(nemenyi_critical_difference(3, 0, 0.05), None);
    }
}
