//! Intervals that stay where a metric can be.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use transferscope_domain::Unsure;

use super::{Estimate, Interval, crossed::t_975};

/// Least and largest value that something can have; none where there is no end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl From<(Option<f64>, Option<f64>)> for Range {
    fn from((low, high): (Option<f64>, Option<f64>)) -> Self {
        Self { low, high }
    }
}

/// A share of the range this near to an end is rounding.
const END: f64 = 1e-12;

/// The scale on which a range has no ends.
enum Scale {
    Plain,
    /// Logarithm of the distance from the end; `sign` is -1 where the end is above.
    Log {
        end: f64,
        sign: f64,
    },
    /// The normal deviate of the share of the range.
    Deviate {
        low: f64,
        width: f64,
    },
}

impl Scale {
    fn of(range: Range) -> Self {
        match (range.low, range.high) {
            (Some(low), Some(high)) => Scale::Deviate { low, width: high - low },
            (Some(end), None) => Scale::Log { end, sign: 1.0 },
            (None, Some(end)) => Scale::Log { end, sign: -1.0 },
            (None, None) => Scale::Plain,
        }
    }

    /// The value on the scale and the scale's slope there; not finite at the range's ends and beyond.
    fn to(&self, value: f64) -> (f64, f64) {
        match self {
            Scale::Plain => (value, 1.0),
            Scale::Log { end, sign } => {
                let distance = sign * (value - end);
                (distance.ln(), sign / distance)
            }
            Scale::Deviate { low, width } => {
                let share = (value - low) / width;
                if !(0.0..=1.0).contains(&share) {
                    return (f64::NAN, f64::NAN);
                }
                let deviate = Normal::standard().inverse_cdf(share);
                (deviate, 1.0 / (width * Normal::standard().pdf(deviate)))
            }
        }
    }

    fn back(&self, value: f64) -> f64 {
        match self {
            Scale::Plain => value,
            Scale::Log { end, sign } => end + sign * value.exp(),
            Scale::Deviate { low, width } => low + width * Normal::standard().cdf(value),
        }
    }
}

impl Estimate {
    /// The same with an interval inside a range, of the same t: made on a scale without ends (normal deviates between two
    /// ends, the logarithm from one) and brought back. `patients` is how many stand behind the value.
    ///
    /// At an end itself, where all patients must be, nothing varies. There the interval reaches as far as a share of
    /// patients can be that none of them showed, `1 - 0.025^(1 / patients)` of a range with two ends (Clopper and
    /// Pearson's interval of a share of 0): for a metric that is a mean over patients that is never too short.
    #[must_use]
    pub fn inside(self, range: impl Into<Range>, patients: usize) -> Self {
        let range = range.into();
        if let (Some(low), Some(high)) = (range.low, range.high)
            && let (at_low, at_high) =
                (self.value - low < END * (high - low), high - self.value < END * (high - low))
            && (at_low || at_high)
            && self.unsure.is_none_or(|why| why == Unsure::AllEqual)
            && patients > 1
        {
            let reach = (1.0 - 0.025f64.powf(1.0 / patients as f64)) * (high - low);
            let interval = match at_low {
                true => Interval { low, high: low + reach },
                false => Interval { low: high - reach, high },
            };
            return Self { interval: Some(interval), unsure: None, ..self };
        }
        let scale = Scale::of(range);
        let (at, slope) = scale.to(self.value);
        let (Some(error), Some(t)) = (self.error, self.freedom.and_then(t_975)) else { return self };
        let half = t * error * slope.abs();
        if !(at.is_finite() && half.is_finite()) {
            return self.within(range.low, range.high);
        }
        let (a, b) = (scale.back(at - half), scale.back(at + half));
        Self { interval: Some(Interval { low: a.min(b), high: a.max(b) }), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Spread, crossed};
    use proptest::prelude::*;

    const SHARE: (Option<f64>, Option<f64>) = (Some(0.0), Some(1.0));

    fn of(value: f64, error: f64, freedom: f64) -> Estimate {
        Estimate::of(value, Ok(Spread { variance: error * error, freedom }))
    }

    #[test]
    fn normal_deviates_by_hand() {
        // At 0.8413 the deviate is 1 and its slope 1 / 0.24197; t of two degrees of freedom is 4.303. Up and down by
        // 4.303 * 0.05 / 0.24197 = 0.8891: shares of the deviates 0.1109 and 1.8891.
        let found = of(0.841_344_746, 0.05, 2.0).inside(SHARE, 20).interval.unwrap();
        assert!((found.low - 0.544_15).abs() < 2e-4 && (found.high - 0.970_56).abs() < 2e-4, "{found:?}");
        // From one end it is the logarithm, without ends Student's t itself.
        let found = of(2.0, 0.5, 10.0).inside((Some(0.0), None), 9).interval.unwrap();
        assert!((found.low * found.high - 4.0).abs() < 1e-9 && found.low > 0.0);
        assert_eq!(of(2.0, 0.5, 10.0).inside((None, None), 9), of(2.0, 0.5, 10.0));
        let high = of(2.0, 0.5, 10.0).inside((None, Some(3.0)), 9).interval.unwrap();
        assert!(high.high < 3.0 && ((3.0 - high.low) * (3.0 - high.high) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn at_the_ends_the_number_of_patients_decides() {
        for (value, low, high) in [(0.0, 0.0, 0.205_9), (1.0, 0.794_1, 1.0)] {
            let equal = Estimate::of(value, crossed(&[vec![value; 16], vec![value; 16]]));
            let found = equal.inside(SHARE, 16);
            let interval = found.interval.unwrap();
            assert!((interval.low - low).abs() < 1e-4 && (interval.high - high).abs() < 1e-4, "{interval:?}");
            assert_eq!(found.unsure, None);
        }
        let one_seed = Estimate::bare(1.0, Unsure::OneSeed).inside(SHARE, 16);
        assert_eq!((one_seed.interval, one_seed.unsure), (None, Some(Unsure::OneSeed)));
        // Everywhere the same but not at an end: what may vary is not known.
        assert_eq!(Estimate::bare(0.5, Unsure::AllEqual).inside(SHARE, 16).interval, None);
    }

    proptest! {
        #[test]
        fn intervals_hold_their_value_and_stay_inside(
            value in 0.0f64..=1.0, error in 1e-6f64..2.0, freedom in 0.7f64..40.0,
        ) {
            let i = of(value, error, freedom).inside(SHARE, 12).interval.unwrap();
            prop_assert!(0.0 <= i.low && i.low <= value && value <= i.high && i.high <= 1.0, "{i:?}");
        }
    }
}
