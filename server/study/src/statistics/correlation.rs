//! Correlation of two lists.

use serde::{Deserialize, Serialize};

use super::{Interval, kendall, ranks};

/// Which correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    Pearson,
    Spearman,
    /// Tau-b.
    Kendall,
}

impl Measure {
    /// The correlation; none for fewer than two points or where a list does not vary.
    pub fn of(self, x: &[f64], y: &[f64]) -> Option<f64> {
        match self {
            Measure::Pearson => pearson(x, y),
            Measure::Spearman => spearman(x, y),
            Measure::Kendall => kendall(x, y),
        }
    }
}

/// A correlation with what can be said of its certainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Correlation {
    /// Points.
    pub n: usize,
    pub value: f64,
    /// 95 %, by permuting whole rows and whole columns: it holds 0 where `p` is above 0.05. None for fewer than three of
    /// either and where no correlation could have such a p.
    pub interval: Option<Interval>,
    /// Two-sided, by permuting whole rows and whole columns.
    pub p: Option<f64>,
    /// Whether every order was tried for it.
    pub exact: bool,
    /// What the same table could have found.
    #[serde(default)]
    pub smallest: Option<Smallest>,
}

/// The least that some points could have found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Smallest {
    /// The smallest correlation whose p would be at most 0.05; none where no correlation can have such a p.
    pub correlation: Option<f64>,
    /// The least p that these points can have.
    pub least_p: f64,
}

/// Pearson's r.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len();
    if n < 2 || y.len() != n {
        return None;
    }
    let centred = |list: &[f64]| {
        let mean = list.iter().sum::<f64>() / n as f64;
        list.iter().map(|v| v - mean).collect::<Vec<_>>()
    };
    let (x, y) = (centred(x), centred(y));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = (dot(&x, &x) * dot(&y, &y)).sqrt();
    (size > 0.0).then(|| (dot(&x, &y) / size).clamp(-1.0, 1.0))
}

/// Spearman's rho.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        for measure in [Measure::Pearson, Measure::Spearman, Measure::Kendall] {
            assert_eq!(measure.of(&[1.0, 2.0, 3.0], &[1.0; 3]), None);
            assert_eq!(measure.of(&[1.0], &[1.0]), None);
            assert_eq!(measure.of(&[1.0, 2.0, 4.0], &[8.0, 4.0, 2.0]).map(|v| v < -0.9), Some(true));
        }
    }

    proptest! {
        #[test]
        fn scale_and_shift_change_nothing_and_a_sign_turns_it(
            points in prop::collection::vec((-9.0f64..9.0, -9.0f64..9.0), 3..20), scale in 0.1f64..9.0,
        ) {
            let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let moved: Vec<f64> = y.iter().map(|v| v * scale + 2.0).collect();
            let turned: Vec<f64> = y.iter().map(|v| -v).collect();
            for measure in [Measure::Pearson, Measure::Spearman, Measure::Kendall] {
                let Some(value) = measure.of(&x, &y) else { continue };
                prop_assert!((-1.0..=1.0).contains(&value));
                prop_assert!((measure.of(&x, &moved).unwrap() - value).abs() < 1e-9);
                prop_assert!((measure.of(&x, &turned).unwrap() + value).abs() < 1e-9);
            }
        }
    }
}
