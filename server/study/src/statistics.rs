//! Statistics of paired comparisons and of few points: pure functions over lists, in double precision.
//!
//! What is undefined (too few values, no variation) is none, never a number. What is random is drawn from the seed
//! that the caller gives.

mod bootstrap;
mod bounded;
mod correlation;
mod crossed;
mod dependent;
mod friedman;
mod kendall;
mod leave_out;
mod multiplicity;
mod permutation;
mod ranks;
mod table;

pub(crate) use bootstrap::resampled;
pub use bootstrap::{Interval, quantile};
pub use bounded::Range;
pub use correlation::{Correlation, Measure, Smallest, pearson, spearman};
pub use crossed::{Estimate, Spread, between, crossed, geometric_mean, of_units, welch};
pub use dependent::{DependentTest, steiger, williams};
pub use friedman::{Friedman, friedman, nemenyi_critical_difference, nemenyi_q};
pub use kendall::kendall;
pub use leave_out::leave_one_group_out;
pub use multiplicity::holm;
pub use ranks::ranks;
pub use table::{Centring, Draws, Table};

/// The mean; none of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample variance (n - 1); none for fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let n = values.len();
    (n > 1).then(|| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64)
}

/// A p-value for people.
pub fn p_in_words(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

/// Two-sided p of a standard normal deviate.
fn two_sided_normal(z: f64) -> f64 {
    use statrs::distribution::{ContinuousCDF, Normal};
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}

/// Two-sided p of Student's t; none where the degrees of freedom make no distribution.
fn two_sided_t(t: f64, freedom: f64) -> Option<f64> {
    use statrs::distribution::{ContinuousCDF, StudentsT};
    if t.is_infinite() {
        return Some(0.0);
    }
    Some((2.0 * StudentsT::new(0.0, 1.0, freedom).ok()?.sf(t.abs())).min(1.0))
}
