//! Kendall's rank correlation.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        let x = [1.0, 2.0, 3.0];
        // One inversion of three pairs.
        assert!((kendall(&x, &[1.0, 3.0, 2.0]).unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(kendall(&x, &[1.0; 3]), None);
        assert_eq!(kendall(&[1.0], &[1.0]), None);
    }
}
