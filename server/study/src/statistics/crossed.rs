//! Means over seeds and test patients, both of which were drawn: a layout of two crossed random factors.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use transferscope_domain::Unsure;

use super::{Interval, mean, two_sided_t, variance};

/// How far a mean may be from what all seeds and patients would give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Of the mean.
    pub variance: f64,
    /// Of Student's t, by Satterthwaite.
    pub freedom: f64,
}

/// A value with all that is known of its certainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Estimate {
    pub value: f64,
    /// 95 %.
    pub interval: Option<Interval>,
    /// Two-sided, of the value being 0 (of a ratio: 1).
    pub p: Option<f64>,
    /// Standard error; none where there is no interval.
    pub error: Option<f64>,
    /// Degrees of freedom of its t distribution.
    pub freedom: Option<f64>,
    /// Whether the interval was cut where the value cannot lie.
    pub clipped: bool,
    /// Why there is no interval.
    pub unsure: Option<Unsure>,
}

impl Estimate {
    /// A value alone.
    pub fn bare(value: f64, why: Unsure) -> Self {
        let (interval, p, error, freedom) = (None, None, None, None);
        Self { value, interval, p, error, freedom, clipped: false, unsure: Some(why) }
    }

    /// A value with the interval and p of Student's t.
    pub fn of(value: f64, spread: Result<Spread, Unsure>) -> Self {
        let known = spread.map(|spread| (spread, spread.half_width()));
        match known {
            Err(why) => Self::bare(value, why),
            Ok((Spread { variance, freedom }, half)) => Self {
                value,
                interval: half.map(|half| Interval { low: value - half, high: value + half }),
                p: two_sided_t(value / variance.sqrt(), freedom),
                error: Some(variance.sqrt()),
                freedom: Some(freedom),
                clipped: false,
                unsure: None,
            },
        }
    }

    /// The same with an interval that ends where the value cannot go further; ends that are none are open. Cutting
    /// changes neither what the interval covers nor whether it holds 0.
    #[must_use]
    pub fn within(self, low: Option<f64>, high: Option<f64>) -> Self {
        let Some(interval) = self.interval else { return self };
        let cut = Interval {
            low: low.map_or(interval.low, |end| interval.low.max(end)),
            high: high.map_or(interval.high, |end| interval.high.min(end)),
        };
        Self { interval: Some(cut), clipped: self.clipped || cut != interval, ..self }
    }
}

impl Spread {
    /// Half of the 95 % interval.
    pub fn half_width(self) -> Option<f64> {
        Some(t_975(self.freedom)? * self.variance.sqrt())
    }
}

/// The 97.5 % point of Student's t; none where the degrees of freedom make no distribution.
pub(super) fn t_975(freedom: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975))
}

/// Spread below this share of the largest value is rounding.
const ROUNDING: f64 = 1e-9;

/// Mean squares of a table `[seed][patient]`.
struct Squares {
    seeds: f64,
    patients: f64,
    seed: f64,
    patient: f64,
    rest: f64,
    /// Mean squares of the means below this are rounding.
    nothing: f64,
    by_patient: Vec<f64>,
}

impl Squares {
    fn of(table: &[Vec<f64>]) -> Result<Self, Unsure> {
        let (seeds, patients) = (table.len(), table.first().map_or(0, Vec::len));
        if patients == 0 || table.iter().any(|row| row.len() != patients) {
            return Err(Unsure::NoCaseScores);
        }
        if seeds < 2 {
            return Err(Unsure::OneSeed);
        }
        if patients < 2 {
            return Err(Unsure::OnePatient);
        }
        let (s, k) = (seeds as f64, patients as f64);
        let by_seed: Vec<f64> = table.iter().map(|row| row.iter().sum::<f64>() / k).collect();
        let by_patient: Vec<f64> =
            (0..patients).map(|c| table.iter().map(|row| row[c]).sum::<f64>() / s).collect();
        let all = by_seed.iter().sum::<f64>() / s;
        let largest = table.iter().flatten().fold(0.0f64, |most, v| most.max(v.abs()));
        let squares = |list: &[f64]| list.iter().map(|v| (v - all).powi(2)).sum::<f64>();
        let left = |row: &[f64], seed: f64| -> f64 {
            row.iter().zip(&by_patient).map(|(v, patient)| (v - seed - patient + all).powi(2)).sum()
        };
        let rest: f64 = table.iter().zip(&by_seed).map(|(row, seed)| left(row, *seed)).sum();
        Ok(Self {
            seeds: s,
            patients: k,
            seed: k * squares(&by_seed) / (s - 1.0),
            patient: s * squares(&by_patient) / (k - 1.0),
            rest: rest / ((s - 1.0) * (k - 1.0)),
            nothing: (ROUNDING * largest).powi(2),
            by_patient,
        })
    }

    /// What seeds add to the variance of the mean: `(MS_seed - MS_rest) / (seeds * patients)`.
    fn add_seeds(&self, sum: &mut Sum) {
        let cells = self.seeds * self.patients;
        sum.add(self.seed / cells, self.seeds - 1.0);
        sum.add(-self.rest / cells, self.of_rest());
    }

    /// Degrees of freedom of what is left.
    fn of_rest(&self) -> f64 {
        (self.seeds - 1.0) * (self.patients - 1.0)
    }
}

/// A sum of mean squares with what Satterthwaite's degrees of freedom are made of.
#[derive(Default)]
struct Sum {
    variance: f64,
    below: f64,
}

impl Sum {
    /// Adds a mean square, or takes it off; its own degrees of freedom count either way.
    fn add(&mut self, part: f64, freedom: f64) {
        self.variance += part;
        self.below += part * part / freedom;
    }

    /// The spread, or that of what is left of some tables alone where it is less.
    fn at_least(self, tables: &[&Squares]) -> Spread {
        let mut rest = Sum::default();
        tables.iter().for_each(|of| rest.add(of.rest / (of.seeds * of.patients), of.of_rest()));
        if self.variance < rest.variance { rest.spread() } else { self.spread() }
    }

    fn spread(self) -> Spread {
        Spread { variance: self.variance, freedom: self.variance * self.variance / self.below }
    }
}

/// Of the mean of `table[seed][patient]`, whose rows are equally long.
///
/// With the mean squares of seeds, patients and of what is left, the variance is
/// `(MS_seed + MS_patient - MS_rest) / (seeds * patients)`. It can come out small or negative by chance, but where
/// neither seeds nor patients add anything it is `MS_rest / (seeds * patients)`: below that, this stands with its own
/// degrees of freedom.
///
/// # Errors
/// For fewer than two seeds or patients, and where nothing varies.
///
/// # Source
/// Satterthwaite, "An Approximate Distribution of Estimates of Variance Components" (1946). The layout is that of
/// readers and cases in Dorfman, Berbaum and Metz, "Receiver Operating Characteristic Rating Analysis" (1992).
pub fn crossed(table: &[Vec<f64>]) -> Result<Spread, Unsure> {
    let of = Squares::of(table)?;
    let (s, k) = (of.seeds, of.patients);
    if of.seed / k <= of.nothing && of.patient / s <= of.nothing && of.rest <= of.nothing {
        return Err(Unsure::AllEqual);
    }
    let mut sum = Sum::default();
    sum.add(of.patient / (s * k), k - 1.0);
    of.add_seeds(&mut sum);
    Ok(sum.at_least(&[&of]))
}

/// Of the difference of the means of two tables `[seed][patient]` over the same patients whose seeds have nothing to do
/// with each other: the variance of the patients' differences and each table's part of its seeds,
/// `(MS_seed - MS_rest) / (seeds * patients)`. Below what is left of both tables, that stands.
///
/// # Errors
/// As [`crossed`].
pub fn between(one: &[Vec<f64>], other: &[Vec<f64>]) -> Result<Spread, Unsure> {
    let (a, b) = (Squares::of(one)?, Squares::of(other)?);
    if a.by_patient.len() != b.by_patient.len() {
        return Err(Unsure::NoCaseScores);
    }
    let differences: Vec<f64> = a.by_patient.iter().zip(&b.by_patient).map(|(a, b)| a - b).collect();
    let k = a.patients;
    let mut sum = Sum::default();
    sum.add(variance(&differences).ok_or(Unsure::OnePatient)? / k, k - 1.0);
    a.add_seeds(&mut sum);
    b.add_seeds(&mut sum);
    let spread = sum.at_least(&[&a, &b]);
    if spread.variance <= a.nothing.max(b.nothing) {
        return Err(Unsure::AllEqual);
    }
    Ok(spread)
}

/// Of the mean of single values, one a seed or an encoder.
///
/// # Errors
/// For fewer than two values and where they do not vary.
pub fn of_units(values: &[f64]) -> Result<Spread, Unsure> {
    let n = values.len() as f64;
    let variance = variance(values).ok_or(Unsure::OneSeed)?;
    let largest = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    if variance <= (ROUNDING * largest).powi(2) {
        return Err(Unsure::AllEqual);
    }
    Ok(Spread { variance: variance / n, freedom: n - 1.0 })
}

/// The geometric mean of ratios, one a seed: `exp` of the mean logarithm and of its interval by Student's t, so that
/// a ratio and its inverse say the same. None without a positive finite ratio.
pub fn geometric_mean(ratios: &[f64]) -> Option<Estimate> {
    let logs: Vec<f64> = ratios.iter().filter(|r| **r > 0.0 && r.is_finite()).map(|r| r.ln()).collect();
    let of_logs = Estimate::of(mean(&logs)?, of_units(&logs));
    let back = |i: Interval| Interval { low: i.low.exp(), high: i.high.exp() };
    Some(Estimate { value: of_logs.value.exp(), interval: of_logs.interval.map(back), ..of_logs })
}

/// The difference of the means of two lists of independent units with unequal variances.
///
/// # Source
/// Welch, "The Generalization of Student's Problem when Several Different Population Variances are Involved" (1947).
pub fn welch(x: &[f64], y: &[f64]) -> Option<Estimate> {
    let value = mean(x)? - mean(y)?;
    let (Some(of_x), Some(of_y)) = (variance(x), variance(y)) else {
        return Some(Estimate::bare(value, Unsure::OneSeed));
    };
    let (a, b) = (of_x / x.len() as f64, of_y / y.len() as f64);
    let largest = x.iter().chain(y).fold(0.0f64, |most, v| most.max(v.abs()));
    if a + b <= (ROUNDING * largest).powi(2) {
        return Some(Estimate::bare(value, Unsure::AllEqual));
    }
    let below = a * a / (x.len() - 1) as f64 + b * b / (y.len() - 1) as f64;
    Some(Estimate::of(value, Ok(Spread { variance: a + b, freedom: (a + b).powi(2) / below })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two seeds, three patients: by hand, means 2, 4 of seeds and 1.5, 3, 4.5 of patients around 3.
    #[test]
    fn a_layout_by_hand() {
        let table = [vec![1.0, 2.0, 3.0], vec![2.0, 4.0, 6.0]];
        // MS_seed = 3 (1 + 1) / 1 = 6; MS_patient = 2 (2.25 + 2.25) / 2 = 4.5; rest: -1, ... = 0.5 (6 cells 0.25, 0, 0.25) / 2.
        // Residuals: seed 1: 1-2-1.5+3 = 0.5, 2-2-3+3 = 0, 3-2-4.5+3 = -0.5; seed 2 the opposite: sum of squares 1, MS 0.5.
        let spread = crossed(&table).unwrap();
        assert!((spread.variance - (6.0 + 4.5 - 0.5) / 6.0).abs() < 1e-12);
        assert!((spread.freedom - 100.0 / (36.0 / 1.0 + 20.25 / 2.0 + 0.25 / 2.0)).abs() < 1e-12);
        let estimate = Estimate::of(3.0, Ok(spread));
        let half = t_975(spread.freedom).unwrap() * (10.0f64 / 6.0).sqrt();
        assert!((estimate.interval.unwrap().high - 3.0 - half).abs() < 1e-9);
        assert_eq!(estimate.unsure, None);
    }

    #[test]
    fn a_variance_below_that_of_the_rest_is_taken_for_the_rest() {
        // Seeds whose means agree, 3 and 3: MS_patient = 2 (4.5 + 9) / 2 less MS_rest = 1 / 2.
        let spread = crossed(&[vec![1.0, 2.0, 6.0], vec![2.0, 1.0, 6.0]]).unwrap();
        assert!((spread.variance - (13.5 - 0.5) / 6.0).abs() < 1e-12, "{spread:?}");
        assert!((spread.freedom - 169.0 / (13.5 * 13.5 / 2.0 + 0.25 / 2.0)).abs() < 1e-9);
        // Neither seeds nor patients differ: 0 + 0 - MS_rest would be negative; MS_rest stands.
        let spread = crossed(&[vec![1.0, 2.0], vec![2.0, 1.0]]).unwrap();
        assert!((spread.variance - 1.0 / 4.0).abs() < 1e-12 && (spread.freedom - 1.0).abs() < 1e-12);
    }

    #[test]
    fn tables_of_other_seeds_by_hand() {
        // Patients' means 1.5, 3, 4.5 (as above) less 1, 1, 4: variance 0.75 of 0.5, 2, 0.5, a quarter over 3 patients.
        let (one, other) =
            ([vec![1.0, 2.0, 3.0], vec![2.0, 4.0, 6.0]], [vec![1.0, 1.0, 4.0], vec![1.0, 1.0, 4.0]]);
        let spread = between(&one, &other).unwrap();
        let (patients, seeds, rest) = (0.75 / 3.0, 6.0 / 6.0, 0.5 / 6.0);
        assert!((spread.variance - (patients + seeds - rest)).abs() < 1e-12, "{spread:?}");
        let below = patients * patients / 2.0 + seeds * seeds + rest * rest / 2.0;
        assert!((spread.freedom - spread.variance.powi(2) / below).abs() < 1e-9);
        assert_eq!(between(&one, &other[..1]), Err(Unsure::OneSeed));
        assert_eq!(between(&other, &other), Err(Unsure::AllEqual));
    }

    #[test]
    fn too_little_has_a_value_and_says_why_no_interval() {
        assert_eq!(crossed(&[vec![1.0, 2.0]]), Err(Unsure::OneSeed));
        assert_eq!(crossed(&[vec![1.0], vec![2.0]]), Err(Unsure::OnePatient));
        assert_eq!(crossed(&[vec![0.1 + 0.2, 0.3], vec![0.3, 0.3]]), Err(Unsure::AllEqual));
        assert_eq!(crossed(&[vec![0.0, 0.0], vec![0.0, 0.0]]), Err(Unsure::AllEqual));
        assert_eq!(crossed(&[]), Err(Unsure::NoCaseScores));
        assert_eq!(crossed(&[vec![1.0, 2.0], vec![1.0]]), Err(Unsure::NoCaseScores));
        let estimate = Estimate::of(0.4, crossed(&[vec![0.3, 0.5]]));
        assert_eq!((estimate.interval, estimate.p, estimate.unsure), (None, None, Some(Unsure::OneSeed)));
    }

    #[test]
    fn quantiles_of_student_are_those_of_tables() {
        for (freedom, wanted) in [(1.0, 12.706), (2.0, 4.303), (5.0, 2.571), (30.0, 2.042), (1e6, 1.96)] {
            assert!((t_975(freedom).unwrap() - wanted).abs() < 6e-4, "{freedom}");
        }
        // Fewer than one degree of freedom, as Satterthwaite's can be, are still a distribution.
        assert!(t_975(0.8).unwrap() > 12.706);
    }

    #[test]
    fn ratios_and_their_inverses_say_the_same() {
        let up = geometric_mean(&[2.0, 0.5, 1.0]).unwrap();
        assert!((up.value - 1.0).abs() < 1e-12 && (up.p.unwrap() - 1.0).abs() < 1e-9);
        let fast = geometric_mean(&[2.0, 3.0, 4.0]).unwrap();
        let slow = geometric_mean(&[0.5, 1.0 / 3.0, 0.25]).unwrap();
        assert!((fast.value * slow.value - 1.0).abs() < 1e-12 && (fast.value - 24.0f64.cbrt()).abs() < 1e-12);
        let (a, b) = (fast.interval.unwrap(), slow.interval.unwrap());
        assert!((a.low * b.high - 1.0).abs() < 1e-9 && a.low > 0.0);
        assert_eq!(geometric_mean(&[2.0]).unwrap().unsure, Some(Unsure::OneSeed));
        assert_eq!(geometric_mean(&[]), None);
    }

    #[test]
    fn welch_by_hand() {
        // Means 2 and 6, variances 1 and 4 of three values each: error sqrt(5 / 3), freedom (5/3)^2 / (1/9/2 + 16/9/2).
        let found = welch(&[1.0, 2.0, 3.0], &[4.0, 6.0, 8.0]).unwrap();
        assert!(
            (found.value + 4.0).abs() < 1e-12 && (found.error.unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-12
        );
        assert!((found.freedom.unwrap() - 25.0 / 9.0 / (17.0 / 18.0)).abs() < 1e-9);
        assert_eq!(welch(&[1.0], &[2.0, 3.0]).unwrap().interval, None);
        assert_eq!(welch(&[], &[2.0, 3.0]), None);
    }

    #[test]
    fn an_interval_is_cut_where_the_value_cannot_lie_and_says_so() {
        let wide = Estimate::of(0.5, Ok(Spread { variance: 0.25, freedom: 2.0 }));
        let cut = wide.within(Some(-1.0), Some(1.0));
        assert_eq!(
            (cut.interval, cut.clipped, cut.p),
            (Some(Interval { low: -1.0, high: 1.0 }), true, wide.p)
        );
        assert!(!wide.within(None, None).clipped);
    }

    proptest! {
        #[test]
        fn scale_and_shift_change_a_spread_as_they_should(
            seeds in 2usize..6, patients in 2usize..7, values in prop::collection::vec(-1.0f64..1.0, 42),
            shift in -3.0f64..3.0, scale in 0.1f64..9.0,
        ) {
            let of = |scale: f64, shift: f64| -> Vec<Vec<f64>> {
                (0..seeds).map(|s| (0..patients).map(|k| values[s * 7 + k] * scale + shift).collect()).collect()
            };
            let (plain, moved) = (crossed(&of(1.0, 0.0)).unwrap(), crossed(&of(scale, shift)).unwrap());
            prop_assert!((moved.variance / (scale * scale * plain.variance) - 1.0).abs() < 1e-6);
            prop_assert!((moved.freedom / plain.freedom - 1.0).abs() < 1e-6);
            let most = (seeds * patients) as f64 - 1.0;
            prop_assert!(plain.variance > 0.0 && plain.freedom > 0.0 && plain.freedom <= most + 1e-9);
        }
    }
}
