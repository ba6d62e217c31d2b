//! Tests of two independent lists.

use super::{Test, ranks, ranks::ties, two_sided_normal};

/// U of the first list.
fn u(x: &[f64], y: &[f64]) -> f64 {
    let both: Vec<f64> = x.iter().chain(y).copied().collect();
    let n = x.len() as f64;
    ranks(&both)[..x.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0
}

/// Mann and Whitney's U of the first list with a two-sided p by the normal approximation, corrected for ties and
/// continuity. None where a list is empty or all values are equal.
pub fn mann_whitney_asymptotic(x: &[f64], y: &[f64]) -> Option<Test> {
    let (n, m) = (x.len() as f64, y.len() as f64);
    let all = n + m;
    let both: Vec<f64> = x.iter().chain(y).copied().collect();
    let tied: f64 = ties(&both).iter().map(|t| *t as f64).map(|t| t * (t * t - 1.0)).sum();
    let error = (n * m / 12.0 * (all + 1.0 - tied / (all * (all - 1.0)))).sqrt();
    let statistic = u(x, y);
    let distance = (statistic - n * m / 2.0).abs() - 0.5;
    (error > 0.0).then(|| Test { statistic, p: two_sided_normal(distance.max(0.0) / error) })
}

/// The same with the exact distribution, which holds without ties. None where a list is empty or both together have
/// more than 100 values.
pub fn mann_whitney_exact(x: &[f64], y: &[f64]) -> Option<Test> {
    let (n, m) = (x.len(), y.len());
    if n == 0 || m == 0 || n + m > 100 {
        return None;
    }
    // Share of the ways to choose n of n + m ranks with each U: counts of partitions, one rank after the other.
    let mut ways = vec![vec![0.0f64; n * m + 1]; n + 1];
    ways[0][0] = 1.0;
    for rank in 0..n + m {
        for chosen in (1..=n.min(rank + 1)).rev() {
            // The new rank is above `rank + 1 - chosen` of the others.
            let above = rank + 1 - chosen;
            for sum in (above..=n * m).rev() {
                ways[chosen][sum] += ways[chosen - 1][sum - above];
            }
        }
    }
    let total: f64 = ways[n].iter().sum();
    let statistic = u(x, y);
    let larger = statistic.max((n * m) as f64 - statistic).ceil() as usize;
    let p = 2.0 * ways[n][larger..].iter().sum::<f64>() / total;
    Some(Test { statistic, p: p.min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        // Of 6 ways to choose 2 of 4 ranks one has U = 4 and one U = 0.
        let test = mann_whitney_exact(&[3.0, 4.0], &[1.0, 2.0]).unwrap();
        assert!((test.statistic - 4.0).abs() < 1e-12 && (test.p - 2.0 / 6.0).abs() < 1e-12);
        assert_eq!(mann_whitney_exact(&[], &[1.0]), None);
        assert_eq!(mann_whitney_asymptotic(&[1.0, 1.0], &[1.0]), None);
    }
}
