//! Tests of paired differences.

use super::{mean, ranks, ranks::ties, two_sided_normal, two_sided_t, variance};

/// A statistic and its two-sided p.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    pub statistic: f64,
    pub p: f64,
}

/// Wilcoxon's signed-rank test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// The smaller of the two sums of ranks.
    pub statistic: f64,
    /// Two-sided.
    pub p: f64,
    /// Differences that are not 0.
    pub n: usize,
}

/// What becomes of differences of 0 in the normal approximation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// They are left out before ranks are given.
    Dropped,
    /// They get ranks, which count for neither side.
    Pratt,
    /// Their ranks count half for either side.
    Split,
}

/// Signed ranks of differences.
struct Signed {
    plus: f64,
    minus: f64,
    /// Ranks of the sizes that the variance counts ties of.
    sizes: Vec<f64>,
    /// Differences that have a rank, and those of 0 among them.
    ranked: usize,
    zeros: usize,
}

fn signed(differences: &[f64], zeros: Zeros) -> Signed {
    let kept: Vec<f64> =
        differences.iter().copied().filter(|d| zeros != Zeros::Dropped || *d != 0.0).collect();
    let sizes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
    let ranks = ranks(&sizes);
    let sum = |side: fn(f64) -> bool| -> f64 {
        kept.iter().zip(&ranks).filter(|(d, _)| side(**d)).map(|(_, r)| r).sum()
    };
    let half = if zeros == Zeros::Split { sum(|d| d == 0.0) / 2.0 } else { 0.0 };
    let count = kept.iter().filter(|d| **d == 0.0).count();
    let of_variance = match zeros {
        Zeros::Pratt => sizes.iter().copied().filter(|s| *s != 0.0).collect(),
        Zeros::Dropped | Zeros::Split => sizes,
    };
    Signed {
        plus: sum(|d| d > 0.0) + half,
        minus: sum(|d| d < 0.0) + half,
        sizes: of_variance,
        ranked: kept.len(),
        zeros: count,
    }
}

/// Most differences of the exact distribution: without ties, and with ties or zeros.
const EXACT_MAX: usize = 50;
const EXACT_TIES_MAX: usize = 13;

/// The signed-rank test as scipy chooses it: differences of 0 are dropped; exact for at most 50 differences without
/// ties and zeros or 13 with them, else the normal approximation. None where no difference is left or one is NaN.
///
/// # Source
/// Wilcoxon, "Individual Comparisons by Ranking Methods" (1945).
pub fn wilcoxon(differences: &[f64]) -> Option<Wilcoxon> {
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let n = kept.len();
    let untied = n == differences.len() && ties(&kept.iter().map(|d| d.abs()).collect::<Vec<_>>()).len() == n;
    let most = if untied { EXACT_MAX } else { EXACT_TIES_MAX };
    let Test { statistic, p } = if differences.len() <= most {
        wilcoxon_exact(&kept)?.0
    } else {
        wilcoxon_asymptotic(&kept, Zeros::Dropped, false)?
    };
    Some(Wilcoxon { statistic, p, n })
}

/// The exact test over all signs of the given ranks: two-sided with the smaller sum of ranks, and one-sided (are the
/// differences above 0?) with the sum of the positive ones. Differences of 0 are dropped. None where none is left,
/// one is NaN, or there are too many to count.
pub fn wilcoxon_exact(differences: &[f64]) -> Option<(Test, Test)> {
    const MOST: usize = 200;
    let found = signed(differences, Zeros::Dropped);
    let n = found.ranked;
    if n == 0 || n > MOST || differences.iter().any(|d| d.is_nan()) {
        return None;
    }
    // Mean ranks are halves: doubled they are whole.
    let doubled: Vec<usize> = ranks(&found.sizes).iter().map(|r| (2.0 * r).round() as usize).collect();
    let total: usize = doubled.iter().sum();
    let mut shares = vec![0.0f64; total + 1];
    shares[0] = 1.0;
    for rank in doubled {
        for sum in (0..=total).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = (shares[sum] + with) / 2.0;
        }
    }
    let plus = (2.0 * found.plus).round() as usize;
    let at_least: f64 = shares[plus..].iter().sum();
    let at_most: f64 = shares[..=plus].iter().sum();
    let two_sided =
        Test { statistic: found.plus.min(found.minus), p: (2.0 * at_least.min(at_most)).min(1.0) };
    Some((two_sided, Test { statistic: found.plus, p: at_least }))
}

/// The test by the normal approximation with its correction for ties; `continuity` moves the sum half a rank towards
/// its mean. None where no difference has a rank or one is NaN.
pub fn wilcoxon_asymptotic(differences: &[f64], zeros: Zeros, continuity: bool) -> Option<Test> {
    if differences.iter().any(|d| d.is_nan()) {
        return None;
    }
    let found = signed(differences, zeros);
    let (n, none) = (found.ranked as f64, found.zeros as f64);
    let mut centre = n * (n + 1.0) / 4.0;
    let mut spread = n * (n + 1.0) * (2.0 * n + 1.0);
    if zeros == Zeros::Pratt {
        centre -= none * (none + 1.0) / 4.0;
        spread -= none * (none + 1.0) * (2.0 * none + 1.0);
    }
    let tied: f64 = ties(&found.sizes).iter().map(|t| *t as f64).map(|t| t * (t * t - 1.0)).sum();
    let error = ((spread - 0.5 * tied) / 24.0).sqrt();
    let distance = found.plus - centre;
    let moved = if continuity && distance != 0.0 { distance - 0.5 * distance.signum() } else { distance };
    (error > 0.0).then(|| Test { statistic: found.plus.min(found.minus), p: two_sided_normal(moved / error) })
}

/// Student's paired t-test; none for fewer than two differences or where all are equal.
pub fn paired_t(differences: &[f64]) -> Option<Test> {
    let n = differences.len() as f64;
    let error = (variance(differences)? / n).sqrt();
    let t = mean(differences)? / error;
    if !t.is_finite() {
        return None;
    }
    Some(Test { statistic: t, p: two_sided_t(t, n - 1.0)? })
}

/// Cohen's d of paired differences: their mean by their deviation; none as [`paired_t`].
pub fn cohens_d(differences: &[f64]) -> Option<f64> {
    let d = mean(differences)? / variance(differences)?.sqrt();
    d.is_finite().then_some(d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_cases_by_hand() {
        // All three above 0: 2 of 8 signs are as far out.
        assert_eq!(wilcoxon(&[1.0, 2.0, 3.0]), Some(Wilcoxon { statistic: 0.0, p: 0.25, n: 3 }));
        assert_eq!(wilcoxon(&[0.0, 0.0]), None);
        assert_eq!(wilcoxon(&[1.0, f64::NAN]), None);
        assert_eq!(paired_t(&[1.0, 1.0]), None);
        assert_eq!(cohens_d(&[1.0, 3.0]), Some(2.0 / 2f64.sqrt()));
    }

    proptest! {
        #[test]
        fn the_exact_p_is_that_of_all_signs(differences in prop::collection::vec(-4i32..5, 1..9)) {
            let kept: Vec<f64> = differences.into_iter().filter(|d| *d != 0).map(f64::from).collect();
            prop_assume!(!kept.is_empty());
            let sizes = ranks(&kept.iter().map(|d| d.abs()).collect::<Vec<_>>());
            let total: f64 = sizes.iter().sum();
            let plus: f64 = kept.iter().zip(&sizes).filter(|(d, _)| **d > 0.0).map(|(_, r)| r).sum();
            let all = 1u32 << kept.len();
            let (mut low, mut high) = (0u32, 0u32);
            for signs in 0..all {
                let sum: f64 = (0..kept.len()).filter(|i| signs >> i & 1 == 1).map(|i| sizes[i]).sum();
                low += u32::from(sum <= plus + 1e-9);
                high += u32::from(sum >= plus - 1e-9);
            }
            let p = (2.0 * f64::from(low.min(high)) / f64::from(all)).min(1.0);
            let (test, above) = wilcoxon_exact(&kept).unwrap();
            prop_assert!((test.p - p).abs() < 1e-12);
            prop_assert!((above.p - f64::from(high) / f64::from(all)).abs() < 1e-12);
            prop_assert!((test.statistic - plus.min(total - plus)).abs() < 1e-12);
        }
    }
}
