//! Kendall's rank correlations.

use super::{ranks::ties, two_sided_normal};

/// Pairs in the same order less pairs in the opposite one, and how many pairs are tied in each list.
struct Pairs {
    n: f64,
    difference: f64,
    tied_x: f64,
    tied_y: f64,
}

fn pairs(x: &[f64], y: &[f64]) -> Option<Pairs> {
    let n = x.len();
    if n < 2 || y.len() != n {
        return None;
    }
    let (mut difference, mut tied_x, mut tied_y) = (0.0, 0.0, 0.0);
    for i in 0..n {
        for j in 0..i {
            let (a, b) = (x[i] - x[j], y[i] - y[j]);
            tied_x += f64::from(u8::from(a == 0.0));
            tied_y += f64::from(u8::from(b == 0.0));
            if a != 0.0 && b != 0.0 {
                difference += (a * b.signum()).signum();
            }
        }
    }
    Some(Pairs { n: n as f64, difference, tied_x, tied_y })
}

impl Pairs {
    fn all(&self) -> f64 {
        self.n * (self.n - 1.0) / 2.0
    }
}

/// Tau-b; none where a list does not vary.
pub fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let pairs = pairs(x, y)?;
    let size = ((pairs.all() - pairs.tied_x) * (pairs.all() - pairs.tied_y)).sqrt();
    (size > 0.0).then(|| (pairs.difference / size).clamp(-1.0, 1.0))
}

/// Tau-c, for tables that are not square; none where a list does not vary.
pub fn kendall_c(x: &[f64], y: &[f64]) -> Option<f64> {
    let pairs = pairs(x, y)?;
    let m = ties(x).len().min(ties(y).len()) as f64;
    (m > 1.0).then(|| 2.0 * pairs.difference / (pairs.n * pairs.n * (m - 1.0) / m))
}

/// Two-sided p of tau-b by the normal approximation with its correction for ties.
pub fn kendall_asymptotic_p(x: &[f64], y: &[f64]) -> Option<f64> {
    let Pairs { n, difference, tied_x, tied_y } = pairs(x, y)?;
    let sum = |list: &[f64], of: fn(f64) -> f64| ties(list).iter().map(|t| of(*t as f64)).sum::<f64>();
    let full = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let third = |t: f64| t * (t - 1.0) * (t - 2.0);
    let m = n * (n - 1.0);
    let variance = (m * (2.0 * n + 5.0) - sum(x, full) - sum(y, full)) / 18.0
        + 2.0 * tied_x * tied_y / m
        + if n > 2.0 { sum(x, third) * sum(y, third) / (9.0 * m * (n - 2.0)) } else { 0.0 };
    (variance > 0.0).then(|| two_sided_normal(difference / variance.sqrt()))
}

/// Most points of the exact distribution, unless nearly all pairs agree.
const EXACT_MAX: usize = 33;

/// Two-sided p of tau-b as scipy chooses it: exact without ties and with few points, else
/// [`kendall_asymptotic_p`].
pub fn kendall_auto_p(x: &[f64], y: &[f64]) -> Option<f64> {
    let found = pairs(x, y)?;
    let discordant = (found.all() - found.tied_x.max(found.tied_y) - found.difference) / 2.0;
    let fewer = discordant.min(found.all() - discordant);
    if found.tied_x > 0.0 || found.tied_y > 0.0 || (x.len() > EXACT_MAX && fewer > 1.0) {
        return kendall_asymptotic_p(x, y);
    }
    Some(exact_p(x.len(), fewer as usize))
}

/// Two-sided p of at most `inversions` inversions in a random permutation of `n`.
fn exact_p(n: usize, inversions: usize) -> f64 {
    // Share of the orders with each number of inversions, up to the wanted one: each further element adds 0 to i.
    let mut shares = vec![0.0; inversions + 1];
    shares[0] = 1.0;
    for i in 2..=n {
        let mut next = vec![0.0; inversions + 1];
        let mut window = 0.0;
        for k in 0..=inversions {
            window += shares[k];
            if k >= i {
                window -= shares[k - i];
            }
            next[k] = window / i as f64;
        }
        shares = next;
    }
    if 4 * inversions == n * (n - 1) {
        return 1.0;
    }
    (2.0 * shares.iter().sum::<f64>()).min(1.0)
}

/// Kendall's tau where pairs count by the reciprocals of their ranks, best first, averaged over the ranks by either
/// list; scipy's default.
///
/// # Source
/// Vigna, "A Weighted Correlation Index for Rankings with Ties" (2015).
pub fn weighted_kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len();
    if n < 2 || y.len() != n {
        return None;
    }
    let by = |first: &[f64], second: &[f64]| {
        // Ranks from 0 for the largest; ties are broken by the other list.
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| first[*b].total_cmp(&first[*a]).then(second[*b].total_cmp(&second[*a])));
        let mut weight = vec![0.0; n];
        order.iter().enumerate().for_each(|(rank, i)| weight[*i] = 1.0 / (rank as f64 + 1.0));
        let (mut same, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
        for i in 0..n {
            for j in 0..i {
                let w = weight[i] + weight[j];
                let (a, b) = (sign(x[i] - x[j]), sign(y[i] - y[j]));
                same += w * a * b;
                of_x += w * a * a;
                of_y += w * b * b;
            }
        }
        let size = f64::sqrt(of_x * of_y);
        (size > 0.0).then(|| same / size)
    };
    Some((by(x, y)? + by(y, x)?) / 2.0)
}

fn sign(v: f64) -> f64 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        let x = [1.0, 2.0, 3.0];
        // One inversion of three pairs; of 6 orders 3 have at most one, twice that is 1.
        assert!((kendall(&x, &[1.0, 3.0, 2.0]).unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(kendall_auto_p(&x, &[1.0, 3.0, 2.0]), Some(1.0));
        assert!((kendall_auto_p(&x, &x).unwrap() - 2.0 / 6.0).abs() < 1e-12);
        assert_eq!(kendall(&x, &[1.0; 3]), None);
        assert_eq!(kendall(&[1.0], &[1.0]), None);
        assert!((weighted_kendall(&x, &x).unwrap() - 1.0).abs() < 1e-12);
    }
}
