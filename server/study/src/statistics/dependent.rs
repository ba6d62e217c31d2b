//! Whether one of two correlations with the same list is larger.

use super::{two_sided_normal, two_sided_t};

/// A test statistic and its two-sided p.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DependentTest {
    pub statistic: f64,
    pub p: f64,
}

fn deviate(statistic: f64) -> DependentTest {
    DependentTest { statistic, p: two_sided_normal(statistic) }
}

/// Steiger's z with the pooled correlation: `r12` against `r13` over `n` points, `r23` between the two others. None
/// for fewer than four points or where a correlation is 1.
///
/// # Source
/// Steiger, "Tests for Comparing Elements of a Correlation Matrix" (1980).
pub fn steiger(r12: f64, r13: f64, r23: f64, n: usize) -> Option<DependentTest> {
    let pooled = (r12 + r13) / 2.0;
    let square = pooled * pooled;
    let covariance = r23 * (1.0 - 2.0 * square) - 0.5 * square * (1.0 - 2.0 * square - r23 * r23);
    let covariance = covariance / (1.0 - square).powi(2);
    let freedom = n.checked_sub(3).filter(|f| *f > 0)? as f64;
    let z = (r12.atanh() - r13.atanh()) * freedom.sqrt() / (2.0 - 2.0 * covariance).sqrt();
    z.is_finite().then(|| deviate(z))
}

/// Williams' t with n - 3 degrees of freedom; arguments and none as [`steiger`].
///
/// # Source
/// Williams, "The Comparison of Regression Variables" (1959).
pub fn williams(r12: f64, r13: f64, r23: f64, n: usize) -> Option<DependentTest> {
    let freedom = n.checked_sub(3).filter(|f| *f > 0)? as f64;
    let determinant = 1.0 - r12 * r12 - r13 * r13 - r23 * r23 + 2.0 * r12 * r13 * r23;
    let mean = (r12 + r13) / 2.0;
    let m = n as f64 - 1.0;
    let below = 2.0 * m / freedom * determinant + mean * mean * (1.0 - r23).powi(3);
    let t = (r12 - r13) * (m * (1.0 + r23) / below).sqrt();
    Some(DependentTest { statistic: t, p: two_sided_t(t, freedom)? }).filter(|_| t.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_correlations_differ_by_nothing_and_few_points_by_none() {
        for test in [steiger, williams] {
            let same = test(0.4, 0.4, 0.1, 20).unwrap();
            assert!(same.statistic.abs() < 1e-12 && (same.p - 1.0).abs() < 1e-9);
            assert_eq!(test(0.4, 0.2, 0.1, 3), None);
            let (one, other) = (test(0.7, 0.1, 0.2, 50).unwrap(), test(0.1, 0.7, 0.2, 50).unwrap());
            assert!((one.statistic + other.statistic).abs() < 1e-9 && one.p < 0.01);
        }
    }
}
