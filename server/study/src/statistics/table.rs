//! Correlation over the cells of a table of backbones and tasks: what was drawn are its rows and columns, not its
//! cells.

use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Correlation, Interval, Measure, Smallest, permutation::each_order, ranks, resampled};

/// Two values a cell, of rows x columns; a cell without both is a hole.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: usize,
    columns: usize,
    /// `[row * columns + column]`.
    cells: Vec<Option<(f64, f64)>>,
}

/// Whether row and column means are taken out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Centring {
    /// Values as they are: rows and columns may carry the correlation.
    Raw,
    /// What is left of both values after an additive model of rows and columns.
    Double,
}

/// Random draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// Orders of rows and columns, where there are more than [`Draws::exact`].
    pub orders: usize,
    /// Most orders that are all tried.
    pub exact: usize,
    pub seed: u64,
}

impl Draws {
    /// Those of pages and files.
    pub fn usual(seed: u64) -> Self {
        Self { orders: 9999, exact: 10_000, seed }
    }
}

/// Fewer rows or columns are no sample of what else could have been drawn.
const INTERVAL_MIN: usize = 3;
/// Differences below this are rounding.
const ROUNDING: f64 = 1e-9;
/// Error that the smallest detectable correlation allows.
const ALPHA: f64 = 0.05;

impl Table {
    /// Points with the places of their row and column; a later point of a cell replaces an earlier one.
    pub fn new(points: impl IntoIterator<Item = (usize, usize, f64, f64)>) -> Self {
        let points: Vec<_> = points.into_iter().collect();
        let rows = points.iter().map(|p| p.0 + 1).max().unwrap_or(0);
        let columns = points.iter().map(|p| p.1 + 1).max().unwrap_or(0);
        let mut cells = vec![None; rows * columns];
        for (row, column, x, y) in points {
            cells[row * columns + column] = Some((x, y)).filter(|_| x.is_finite() && y.is_finite());
        }
        Self { rows, columns, cells }
    }

    fn is_complete(&self) -> bool {
        self.cells.iter().all(Option::is_some)
    }

    /// The correlation over the cells; none for fewer than three of them or where values do not vary.
    pub fn value(&self, measure: Measure, centring: Centring) -> Option<f64> {
        let list = |of: fn((f64, f64)) -> f64| self.cells.iter().map(|c| c.map(of)).collect();
        correlate(measure, centring, list(|c| c.0), list(|c| c.1), self.columns)
    }

    /// The correlation of x with y where whole rows and whole columns of y are put into another order. Cells that are
    /// a hole in either do not count.
    fn permuted(
        &self,
        measure: Measure,
        centring: Centring,
        rows: &[usize],
        columns: &[usize],
    ) -> Option<f64> {
        let mut x = Vec::with_capacity(self.cells.len());
        let mut y = Vec::with_capacity(self.cells.len());
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in columns.iter().enumerate() {
                let (here, there) =
                    (self.cells[i * self.columns + j], self.cells[row * self.columns + column]);
                x.push(here.zip(there).map(|(here, _)| here.0));
                y.push(here.zip(there).map(|(_, there)| there.1));
            }
        }
        correlate(measure, centring, x, y, self.columns)
    }

    /// What orders do not change is done once: values of a complete table are centred and, for Spearman's correlation,
    /// ranked before.
    fn prepared(&self, measure: Measure, centring: Centring) -> Option<(Self, Measure, Centring)> {
        if !self.is_complete() {
            return Some((self.clone(), measure, centring));
        }
        let list = |of: fn((f64, f64)) -> f64| -> Vec<Option<f64>> {
            self.cells.iter().map(|c| c.map(of)).collect()
        };
        let ready = |values: Vec<Option<f64>>| -> Vec<f64> {
            let values = match centring {
                Centring::Raw => values,
                Centring::Double => centred(values, self.columns),
            };
            let values: Vec<f64> = values.into_iter().flatten().collect();
            if measure == Measure::Spearman { ranks(&values) } else { values }
        };
        let (x, y) = (ready(list(|c| c.0)), ready(list(|c| c.1)));
        let cells = x.into_iter().zip(y).map(Some).collect();
        let measure = if measure == Measure::Spearman { Measure::Pearson } else { measure };
        Some((Self { cells, ..*self }, measure, Centring::Raw))
    }

    /// The correlation with its certainty.
    ///
    /// Its p is the share of orders of whole rows and whole columns of one value against the other that reach a
    /// correlation as far from 0: all of them where there are few, else random ones and the observed one among them.
    /// Its interval holds the correlations that the same orders do not speak against ([`interval`]), from three rows and
    /// columns on, so that it holds 0 exactly where p is above 0.05. None for fewer than three cells or where values do
    /// not vary.
    pub fn correlation(&self, measure: Measure, centring: Centring, draws: Draws) -> Option<Correlation> {
        let n = self.cells.iter().flatten().count();
        let value = self.value(measure, centring)?;
        let (prepared, of, how) = self.prepared(measure, centring)?;
        let orders = count_orders(self.rows).saturating_mul(count_orders(self.columns));
        let exact = orders <= draws.exact as u64;
        let mut null: Vec<f64> = if exact {
            let (rows, columns) = (all_orders(self.rows), all_orders(self.columns));
            let one = |rows: &Vec<usize>| -> Vec<f64> {
                columns.iter().filter_map(|columns| prepared.permuted(of, how, rows, columns)).collect()
            };
            rows.par_iter().flat_map_iter(one).collect()
        } else {
            let random = resampled(draws.orders, draws.seed, |rng| {
                let mut order = |n: usize| {
                    let mut order: Vec<usize> = (0..n).collect();
                    order.shuffle(rng);
                    order
                };
                let (rows, columns) = (order(self.rows), order(self.columns));
                prepared.permuted(of, how, &rows, &columns)
            });
            random.into_iter().flatten().chain([value]).collect()
        };
        null.iter_mut().for_each(|v| *v = v.abs());
        null.sort_by(f64::total_cmp);
        let p = share_from(&null, value.abs());
        let enough = self.rows >= INTERVAL_MIN && self.columns >= INTERVAL_MIN;
        let interval = if enough { interval(value, n, &null) } else { None };
        Some(Correlation { n, value, interval, p, exact, smallest: Some(smallest(&null)) })
    }
}

/// The 95 % interval of a correlation over `n` cells, by the sorted sizes that it has over orders.
///
/// On the scale of Fisher's z a correlation varies about as much wherever it lies. What orders of whole rows and columns
/// make of a correlation of 0 is therefore taken for what draws of rows and columns make of another one, ρ, but for the
/// factor √(1 + ρ² / 2) of ranks. The interval holds each ρ that the observed correlation is nearer to than that. None
/// where no size has a p of at most 0.05.
///
/// # Source
/// Bonett and Wright, "Sample Size Requirements for Estimating Pearson, Kendall and Spearman Correlations" (2000) for the
/// factor.
fn interval(value: f64, n: usize, sizes: &[f64]) -> Option<Interval> {
    // Halfway to the next size, so that what is called and what is not lie on two sides.
    let called = smallest(sizes).correlation?;
    let below = sizes[..sizes.partition_point(|v| *v < called - ROUNDING)].last().copied().unwrap_or(0.0);
    let edge = f64::midpoint(called, below);
    let half = edge.atanh();
    // z has no end: a correlation of 1 lies half of the least step of Spearman's before it, and is called where it was.
    let n = n as f64;
    let most = (1.0 - 6.0 / (n * n * n - n)).max(f64::midpoint(edge, 1.0));
    let at = value.clamp(-most, most).atanh();
    let end = |sign: f64| {
        if sign * value > most {
            return sign;
        }
        // The distance from `at` where the correlation is just spoken against, by halving.
        let (mut near, mut far) = (0.0, half * 1.5f64.sqrt());
        for _ in 0..HALVINGS {
            let distance = f64::midpoint(near, far);
            let there = (at + sign * distance).tanh();
            if distance < half * (1.0 + there * there / 2.0).sqrt() {
                near = distance
            } else {
                far = distance
            }
        }
        (at + sign * far).tanh()
    };
    Some(Interval { low: end(-1.0), high: end(1.0) })
}

/// Halvings until rounding.
const HALVINGS: usize = 60;

/// The share of sorted sizes that reach one.
fn share_from(sorted: &[f64], size: f64) -> Option<f64> {
    let below = sorted.partition_point(|v| *v < size - ROUNDING);
    (!sorted.is_empty()).then(|| (sorted.len() - below) as f64 / sorted.len() as f64)
}

/// What a table could have found, by the sorted sizes of its correlations over orders.
fn smallest(sorted: &[f64]) -> Smallest {
    let largest = sorted.last().copied().unwrap_or(0.0);
    let least_p = share_from(sorted, largest).unwrap_or(1.0);
    // The least size that at most 5 % of the orders reach.
    let start = sorted.len() - (ALPHA * sorted.len() as f64).floor() as usize;
    let found = sorted[start.min(sorted.len())..]
        .iter()
        .copied()
        .find(|size| share_from(sorted, *size).is_some_and(|p| p <= ALPHA));
    Smallest { correlation: found, least_p }
}

fn count_orders(n: usize) -> u64 {
    (1..=n as u64).fold(1, u64::saturating_mul)
}

fn all_orders(n: usize) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    each_order((0..n).collect(), &mut |order| all.push(order.to_vec()));
    all
}

/// Fewest cells.
const CELLS_MIN: usize = 3;

fn correlate(
    measure: Measure,
    centring: Centring,
    x: Vec<Option<f64>>,
    y: Vec<Option<f64>>,
    columns: usize,
) -> Option<f64> {
    let (x, y) = match centring {
        Centring::Raw => (x, y),
        Centring::Double => (centred(x, columns), centred(y, columns)),
    };
    let (x, y): (Vec<f64>, Vec<f64>) = x.into_iter().zip(y).filter_map(|(x, y)| x.zip(y)).unzip();
    if x.len() < CELLS_MIN { None } else { measure.of(&x, &y) }
}

/// Sweeps over rows and columns at most; complete tables need one.
const SWEEPS: usize = 200;

/// What an additive model of rows and columns leaves, by least squares. Rounding is taken off, so that what is equal
/// stays equal for ranks.
fn centred(mut values: Vec<Option<f64>>, columns: usize) -> Vec<Option<f64>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    let scale = values.iter().flatten().fold(0.0f64, |most, v| most.max(v.abs()));
    let enough = ROUNDING * 1e-3 * scale;
    for _ in 0..SWEEPS {
        let mut moved = 0.0f64;
        for row in values.chunks_mut(columns.max(1)) {
            moved = moved.max(take_mean(row.iter_mut()));
        }
        for column in 0..columns {
            let of_column = values.iter_mut().skip(column).step_by(columns).take(rows);
            moved = moved.max(take_mean(of_column));
        }
        if moved <= enough {
            break;
        }
    }
    let step = ROUNDING * scale;
    if step > 0.0 {
        values.iter_mut().flatten().for_each(|v| *v = (*v / step).round() * step);
    }
    values
}

/// Takes the mean off and tells how large it was.
fn take_mean<'a>(values: impl Iterator<Item = &'a mut Option<f64>>) -> f64 {
    let mut there: Vec<&mut f64> = values.filter_map(Option::as_mut).collect();
    if there.is_empty() {
        return 0.0;
    }
    let mean = there.iter().map(|v| **v).sum::<f64>() / there.len() as f64;
    there.iter_mut().for_each(|v| **v -= mean);
    mean.abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(rows: usize, columns: usize, of: impl Fn(usize, usize) -> (f64, f64)) -> Table {
        Table::new((0..rows).flat_map(|r| {
            let of = &of;
            (0..columns).map(move |c| {
                let (x, y) = of(r, c);
                (r, c, x, y)
            })
        }))
    }

    fn wobble(seed: usize) -> f64 {
        ((seed * 7919 + 13) as f64 * 12.9898).sin() * 43758.5453 % 1.0
    }

    #[test]
    fn two_by_two_can_say_nothing_and_the_table_says_so() {
        let table = table(2, 2, |r, c| ((2 * r + c) as f64, (2 * r + c) as f64));
        let found = table.correlation(Measure::Spearman, Centring::Raw, Draws::usual(1)).unwrap();
        // Four orders: the observed one reaches 1, turning both rows and columns reaches -1.
        assert_eq!((found.value, found.p, found.exact, found.n), (1.0, Some(0.5), true, 4));
        let smallest = found.smallest.unwrap();
        assert_eq!((smallest.correlation, smallest.least_p), (None, 0.5));
        assert_eq!(found.interval, None, "two rows are no sample");
    }

    #[test]
    fn rows_and_columns_that_carry_a_correlation_are_taken_out() {
        // y follows x through its rows alone; within rows both are unrelated.
        let table = table(4, 5, |r, c| {
            (10.0 * r as f64 + wobble(r * 5 + c), 10.0 * r as f64 + wobble(100 + r * 5 + c))
        });
        let of = |centring| table.correlation(Measure::Spearman, centring, Draws::usual(1)).unwrap();
        let (raw, double) = (of(Centring::Raw), of(Centring::Double));
        assert!(raw.value > 0.85 && double.value.abs() < 0.6, "{raw:?} {double:?}");
        assert!(double.p.unwrap() > 0.05);
        // The other way round: only what fits which task is related.
        let fits = super::Table::new((0..4).flat_map(|r| {
            (0..5).map(move |c| {
                let fit = wobble(r * 5 + c);
                (r, c, 30.0 * wobble(300 + r) + fit, 30.0 * wobble(500 + c) + fit)
            })
        }));
        let double = fits.correlation(Measure::Spearman, Centring::Double, Draws::usual(1)).unwrap();
        assert!(double.value > 0.99 && double.p.unwrap() < 0.01, "{double:?}");
    }

    #[test]
    fn holes_are_left_out_and_centring_is_by_least_squares() {
        let points = (0..3).flat_map(|r| (0..4).map(move |c| (r, c)));
        let holes = Table::new(
            points
                .filter(|p| *p != (1, 2))
                .map(|(r, c)| (r, c, (r * r) as f64 + c as f64, (5 * r) as f64 - (c * c) as f64)),
        );
        // Both are additive: nothing is left, whatever is missing.
        assert_eq!(holes.value(Measure::Spearman, Centring::Double), None);
        let found = holes.correlation(Measure::Spearman, Centring::Raw, Draws::usual(1)).unwrap();
        assert_eq!((found.n, found.exact), (11, true));
        assert!(found.p.unwrap() > 0.0);
    }

    #[test]
    fn many_orders_are_drawn_and_the_observed_one_counts_among_them() {
        let table = table(6, 6, |r, c| (wobble(r * 6 + c), wobble(r * 6 + c)));
        let draws = Draws { orders: 99, exact: 100, seed: 3 };
        let found = table.correlation(Measure::Spearman, Centring::Raw, draws).unwrap();
        assert_eq!((found.p, found.exact), (Some(0.01), false));
        let smallest = found.smallest.unwrap();
        assert!(smallest.correlation.unwrap() < 1.0 && smallest.least_p == 0.01);
        let same = table.correlation(Measure::Spearman, Centring::Raw, draws).unwrap();
        assert_eq!(found, same, "from the seed alone");
        let interval = found.interval.unwrap();
        assert!(interval.high == 1.0 && interval.low > 0.5, "{interval:?}");
    }

    #[test]
    fn intervals_by_hand() {
        // Of 40 sizes two are called: 0.62 and 1. Halfway to 0.58 is 0.6, whose z is 0.6931.
        let mut sizes = vec![0.1; 37];
        sizes.extend([0.58, 0.62, 1.0]);
        let around_0 = interval(0.0, 15, &sizes).unwrap();
        // ρ with artanh ρ = 0.6931 √(1 + ρ² / 2): 0.7612 = 0.6931 * 1.0981 at 0.6418.
        assert!((around_0.high - 0.6418).abs() < 1e-4 && around_0.low == -around_0.high, "{around_0:?}");
        // From 0.8, whose z is 1.0986, down to 0.3827 = 1.0986 - 0.6931 * 1.0328, up to 1.9362 = 1.0986 + 0.6931 * 1.2083.
        let around = interval(0.8, 15, &sizes).unwrap();
        assert!((around.low - 0.3651).abs() < 1e-4 && (around.high - 0.9592).abs() < 1e-4, "{around:?}");
        // A correlation of 1 has no z: its interval reaches 1.
        let whole = interval(1.0, 15, &sizes).unwrap();
        assert!(whole.high == 1.0 && (0.97..1.0).contains(&whole.low), "{whole:?}");
        assert_eq!(interval(0.5, 15, &[0.5; 19]), None, "nothing could be called");
    }

    #[test]
    fn a_correlation_is_found_exactly_from_the_smallest_on() {
        for seed in 0..40 {
            let table =
                table(3, 4, |r, c| (wobble(seed * 12 + r * 4 + c), wobble(9000 + seed * 12 + r * 4 + c)));
            let found = table.correlation(Measure::Spearman, Centring::Raw, Draws::usual(1)).unwrap();
            let smallest = found.smallest.unwrap().correlation.unwrap();
            assert_eq!(found.p.unwrap() <= 0.05, found.value.abs() >= smallest - 1e-9, "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn intervals_hold_their_value_and_hold_0_where_p_is_above_five_percent(
            values in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 20), rho in 0.0f64..1.0, holes in 0usize..4,
            rows in 3usize..6,
        ) {
            let columns = if rows == 5 { 4 } else { rows };
            let table = table(rows, columns, |r, c| {
                let (x, y) = values[r * columns + c];
                (x, if r == c && r < holes { f64::NAN } else { rho * x + (1.0 - rho) * y })
            });
            for measure in [Measure::Pearson, Measure::Spearman, Measure::Kendall] {
                for centring in [Centring::Raw, Centring::Double] {
                    let draws = Draws { orders: 199, exact: 600, seed: 1 };
                    let Some(found) = table.correlation(measure, centring, draws) else { continue };
                    let Some(interval) = found.interval else { continue };
                    prop_assert!((-1.0..=found.value).contains(&interval.low), "{found:?}");
                    prop_assert!((found.value..=1.0).contains(&interval.high), "{found:?}");
                    prop_assert_eq!(interval.contains(0.0), found.p.unwrap() > 0.05, "{:?}", found);
                }
            }
        }

        #[test]
        fn additive_changes_do_not_matter_once_both_means_are_out(
            values in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 12), rows in prop::collection::vec(-5.0f64..5.0, 3),
        ) {
            let plain = table(3, 4, |r, c| values[r * 4 + c]);
            let moved = table(3, 4, |r, c| (values[r * 4 + c].0 + rows[r], values[r * 4 + c].1 - rows[c % 3]));
            let of = |t: &Table| t.value(Measure::Pearson, Centring::Double);
            prop_assert!((of(&plain).unwrap() - of(&moved).unwrap()).abs() < 1e-5);
        }
    }
}
