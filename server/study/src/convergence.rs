//! How fast a training converges, from its validation curve: points of (epoch, value), the first of them before
//! training.
//!
//! The definitions of the study are on the running best, so that a lucky spike does not count twice, and what is not
//! reached within the budget is said so ([`Reached`]).

use std::fmt;

use serde::{Deserialize, Serialize};
use transferscope_domain::Direction;

/// A point of a curve: epoch and value.
pub type Point = (f64, f64);

/// When something was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "state", content = "epoch")]
pub enum Reached {
    At(f64),
    /// Not within the budget of so many epochs: a censored value.
    NotWithin(f64),
}

impl Reached {
    /// The epoch, where there is one.
    pub fn epoch(self) -> Option<f64> {
        match self {
            Reached::At(epoch) => Some(epoch),
            Reached::NotWithin(_) => None,
        }
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reached::At(epoch) => write!(f, "{epoch}"),
            Reached::NotWithin(epochs) => write!(f, "> {epochs}"),
        }
    }
}

/// The median over seeds, where a censored value is later than every reached one. None for no values; censored where
/// half or more of the values are.
pub fn median(values: &[Reached]) -> Option<Reached> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| match (a, b) {
        (Reached::At(a), Reached::At(b)) | (Reached::NotWithin(a), Reached::NotWithin(b)) => a.total_cmp(b),
        (Reached::At(_), Reached::NotWithin(_)) => std::cmp::Ordering::Less,
        (Reached::NotWithin(_), Reached::At(_)) => std::cmp::Ordering::Greater,
    });
    let n = sorted.len();
    let (low, high) = (*sorted.get(n.checked_sub(1)? / 2)?, *sorted.get(n / 2)?);
    Some(match (low, high) {
        (Reached::At(a), Reached::At(b)) => Reached::At((a + b) / 2.0),
        (_, censored) => censored,
    })
}

/// The points with a value, and the best value so far at each.
pub fn running_best(curve: &[Point], direction: Direction) -> Vec<Point> {
    let mut best: Option<f64> = None;
    curve
        .iter()
        .filter(|(epoch, value)| epoch.is_finite() && value.is_finite())
        .map(|(epoch, value)| {
            let now = match best {
                Some(best) if !direction.better(*value, best) => best,
                _ => *value,
            };
            best = Some(now);
            (*epoch, now)
        })
        .collect()
}

fn last_epoch(curve: &[Point]) -> Option<f64> {
    curve.last().map(|(epoch, _)| *epoch)
}

/// The first epoch whose running best has covered `share` of the way from the first value to the best. None for fewer
/// than two points or where nothing improved: then there is no way.
pub fn epochs_to_share(curve: &[Point], direction: Direction, share: f64) -> Option<Reached> {
    let best = running_best(curve, direction);
    let (first, last) = (best.first()?.1, best.last()?.1);
    if best.len() < 2 || !direction.better(last, first) {
        return None;
    }
    epochs_to_value(curve, direction, first + share * (last - first))
}

/// The first epoch whose running best is as good as a value. None for a curve without points.
pub fn epochs_to_value(curve: &[Point], direction: Direction, value: f64) -> Option<Reached> {
    let best = running_best(curve, direction);
    let there = best.iter().find(|(_, v)| !direction.better(value, *v));
    match there {
        Some((epoch, _)) => Some(Reached::At(*epoch)),
        None => last_epoch(&best).map(Reached::NotWithin),
    }
}

/// The area under the running best, as a share of the rectangle between its first and its best value over the same
/// epochs: 1 for a training that is at its best at once, near 0 for one that gets there at the end. None as
/// [`epochs_to_share`].
pub fn normalised_area(curve: &[Point], direction: Direction) -> Option<f64> {
    let best = running_best(curve, direction);
    let (first, last) = (best.first()?.1, best.last()?.1);
    if !direction.better(last, first) {
        return None;
    }
    area(&best).map(|mean| (mean - first) / (last - first))
}

/// The mean height of a curve by trapezoids over its epochs; none for fewer than two points or no width.
pub fn area(curve: &[Point]) -> Option<f64> {
    let width = curve.last()?.0 - curve.first()?.0;
    let sum: f64 = curve.windows(2).map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0).sum();
    (width > 0.0).then(|| sum / width)
}

/// By how much faster the first is than the second: epochs of the second by epochs of the first. None where either was
/// not reached or the first was there before training.
pub fn speed_up(first: Reached, second: Reached) -> Option<f64> {
    let (first, second) = (first.epoch()?, second.epoch()?);
    (first > 0.0).then(|| second / first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CURVE: [Point; 6] = [(0.0, 0.1), (1.0, 0.5), (2.0, 0.4), (3.0, f64::NAN), (4.0, 0.9), (5.0, 0.7)];

    #[test]
    fn a_curve_by_hand() {
        let higher = Direction::Higher;
        let best: Vec<f64> = running_best(&CURVE, higher).iter().map(|p| p.1).collect();
        assert_eq!(best, [0.1, 0.5, 0.5, 0.9, 0.9]);
        assert_eq!(epochs_to_share(&CURVE, higher, 0.95), Some(Reached::At(4.0)));
        assert_eq!(epochs_to_share(&CURVE, higher, 0.5), Some(Reached::At(1.0)));
        assert_eq!(epochs_to_value(&CURVE, higher, 0.95), Some(Reached::NotWithin(5.0)));
        assert_eq!(epochs_to_value(&CURVE, higher, 0.05), Some(Reached::At(0.0)));
        // Trapezoids 0.3 + 0.5 + 1.4 + 0.9 = 3.1 of 5 epochs, less 0.1, by 0.8.
        assert!((normalised_area(&CURVE, higher).unwrap() - (0.62 - 0.1) / 0.8).abs() < 1e-12);
        let lower: Vec<Point> = CURVE.iter().map(|(e, v)| (*e, -v)).collect();
        assert_eq!(epochs_to_share(&lower, Direction::Lower, 0.95), Some(Reached::At(4.0)));
    }

    #[test]
    fn what_never_improves_has_no_way_to_cover() {
        let falling = [(0.0, 0.5), (1.0, 0.4)];
        assert_eq!(epochs_to_share(&falling, Direction::Higher, 0.95), None);
        assert_eq!(normalised_area(&falling, Direction::Higher), None);
        assert_eq!(epochs_to_value(&[], Direction::Higher, 0.0), None);
        assert_eq!(epochs_to_share(&[(0.0, 1.0)], Direction::Higher, 0.95), None);
    }

    #[test]
    fn censored_values_come_last() {
        let (at, not) = (Reached::At, Reached::NotWithin);
        assert_eq!(median(&[at(3.0), not(10.0), at(1.0)]), Some(at(3.0)));
        assert_eq!(median(&[at(3.0), not(10.0)]), Some(not(10.0)));
        assert_eq!(median(&[at(3.0), at(5.0)]), Some(at(4.0)));
        assert_eq!(median(&[]), None);
        assert_eq!(speed_up(at(2.0), at(5.0)), Some(2.5));
        assert_eq!((speed_up(not(9.0), at(5.0)), speed_up(at(0.0), at(5.0))), (None, None));
        assert_eq!((at(12.0).to_string(), not(20.0).to_string()), ("12".into(), "> 20".into()));
    }

    proptest! {
        #[test]
        fn scale_and_shift_change_nothing(
            values in prop::collection::vec(0.0f64..1.0, 2..12), scale in 0.5f64..4.0, shift in -3.0f64..3.0,
        ) {
            let curve: Vec<Point> = values.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect();
            let moved: Vec<Point> = curve.iter().map(|(e, v)| (*e, v * scale + shift)).collect();
            let (a, b) = (normalised_area(&curve, Direction::Higher), normalised_area(&moved, Direction::Higher));
            prop_assert_eq!(a.is_some(), b.is_some());
            if let (Some(a), Some(b)) = (a, b) {
                prop_assert!((a - b).abs() < 1e-9 && (0.0..=1.0).contains(&a));
            }
        }
    }
}
