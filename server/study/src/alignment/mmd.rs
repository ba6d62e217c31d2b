//! Squared maximum mean discrepancy with the kernel `exp(-gamma |x - y|^2)`.

use rayon::prelude::*;

use super::{
    AlignmentError, Estimate, PairSums, Rows,
    tiles::RowPairs,
    width::{at_least, fits, same_width, squared_distance},
};

/// Sum of the kernel over all pairs of a row of `x` and a row of `y`; the order of additions
/// does not depend on the number of threads.
fn kernel_sum(x: &Rows, y: &Rows, gamma: f64) -> f64 {
    let sums: Vec<f64> = (0..x.n())
        .into_par_iter()
        .map(|i| y.iter().map(|row| (-gamma * squared_distance(x.row(i), row)).exp()).sum())
        .collect();
    sums.iter().sum()
}

/// Sums of the kernel over the pairs within each set and between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub n: f64,
    pub m: f64,
    /// Diagonals included; a kernel of this kind is 1 there.
    pub xx: f64,
    pub yy: f64,
    pub xy: f64,
}

impl Sums {
    pub fn biased(self) -> f64 {
        let Sums { n, m, .. } = self;
        self.xx / (n * n) + self.yy / (m * m) - 2.0 * self.xy / (n * m)
    }

    pub fn unbiased(self) -> f64 {
        let Sums { n, m, .. } = self;
        (self.xx - n) / (n * (n - 1.0)) + (self.yy - m) / (m * (m - 1.0)) - 2.0 * self.xy / (n * m)
    }
}

fn sums(x: &Rows, y: &Rows, gamma: f64) -> Result<Sums, AlignmentError> {
    // Large sets by matrix products, which are many times faster.
    if !fits(x, y) {
        return Ok(RowPairs::of(&[x, y])?.sums(gamma));
    }
    Ok(Sums {
        n: x.n() as f64,
        m: y.n() as f64,
        xx: kernel_sum(x, x, gamma),
        yy: kernel_sum(y, y, gamma),
        xy: kernel_sum(x, y, gamma),
    })
}

impl RowPairs<'_> {
    /// The sums of the kernel over the pairs of two sets.
    fn sums(&self, gamma: f64) -> Sums {
        let [x, y] = [0, 1].map(|set| self.rows_of(set) as f64);
        let mut sums = Sums { n: x, m: y, xx: x, yy: y, xy: 0.0 };
        let of_tiles = self.tiles(|sets, squared| {
            let sum: f64 = squared.iter().map(|d| (-gamma * d).exp()).sum();
            (sets, sum)
        });
        for (sets, sum) in of_tiles {
            match sets {
                [0, 0] => sums.xx += 2.0 * sum,
                [0, _] => sums.xy += sum,
                _ => sums.yy += 2.0 * sum,
            }
        }
        sums
    }
}

/// Biased estimate (V-statistic), 0 or more up to rounding: means over all pairs, each row with
/// itself included. Needs little more memory than the rows; of more than
/// [`SquaredDistances::MOST_ROWS`] rows together distances come from matrix products in blocks.
///
/// # Errors
/// When a set is empty or the widths differ. Of large sets also when squared distances are beyond double
/// precision.
///
/// # Source
/// Gretton et al., "A kernel two-sample test" (2012), equation 5.
pub fn mmd2_biased(x: &Rows, y: &Rows, gamma: f64) -> Result<f64, AlignmentError> {
    same_width(x, y)?;
    at_least(x, 1)?;
    at_least(y, 1)?;
    Ok(sums(x, y, gamma)?.biased())
}

/// Unbiased estimate (U-statistic): a row is never paired with itself, so equal distributions
/// give 0 on average and single values can be below 0. Memory and large sets as [`mmd2_biased`].
///
/// # Errors
/// When a set has fewer than two rows, the widths differ, or squared distances of large sets are beyond double
/// precision.
///
/// # Source
/// Gretton et al. (2012), equation 3.
pub fn mmd2_unbiased(x: &Rows, y: &Rows, gamma: f64) -> Result<f64, AlignmentError> {
    same_width(x, y)?;
    at_least(x, 2)?;
    at_least(y, 2)?;
    Ok(sums(x, y, gamma)?.unbiased())
}

/// An estimate from sums over all pairs that are computed here, or elsewhere.
///
/// # Errors
/// As [`mmd2_unbiased`].
pub(super) fn mmd2(
    x: &Rows,
    y: &Rows,
    gamma: f64,
    estimate: Estimate,
    elsewhere: Option<&dyn PairSums>,
) -> Result<f64, AlignmentError> {
    same_width(x, y)?;
    at_least(x, 2)?;
    at_least(y, 2)?;
    let sums = match elsewhere {
        Some(device) => {
            let [xx, yy, xy] = device.kernel_sums(x, y, gamma);
            Sums { n: x.n() as f64, m: y.n() as f64, xx, yy, xy }
        }
        None => sums(x, y, gamma)?,
    };
    Ok(estimate.of(sums))
}

/// Squared distances between all rows of two sets together: those of `x` first, then `y`.
#[derive(Debug, Clone)]
pub struct SquaredDistances {
    n_x: usize,
    n: usize,
    values: Vec<f64>,
}

impl SquaredDistances {
    /// Most rows of both sets together: 128 MiB of distances.
    pub const MOST_ROWS: usize = 4096;

    /// Computes them, chunk by chunk of rows.
    ///
    /// # Errors
    /// When a set has fewer than two rows, the widths differ, or there are more than
    /// [`Self::MOST_ROWS`] rows.
    pub fn pooled(x: &Rows, y: &Rows) -> Result<Self, AlignmentError> {
        same_width(x, y)?;
        at_least(x, 2)?;
        at_least(y, 2)?;
        let n = x.n() + y.n();
        if n > Self::MOST_ROWS {
            return Err(AlignmentError::TooManyRows { n, most: Self::MOST_ROWS });
        }
        let rows: Vec<&[f64]> = x.iter().chain(y.iter()).collect();
        let mut values = vec![0.0; n * n];
        values.par_chunks_exact_mut(n).zip(&rows).for_each(|(out, a)| {
            for (out, b) in out.iter_mut().zip(&rows) {
                *out = squared_distance(a, b);
            }
        });
        Ok(Self { n_x: x.n(), n, values })
    }

    /// Distances of all distinct pairs, in no useful order.
    pub fn distances(&self) -> Vec<f64> {
        let pairs = (0..self.n).flat_map(|i| &self.values[i * self.n + i + 1..(i + 1) * self.n]);
        pairs.map(|d| d.sqrt()).collect()
    }

    /// The kernel matrix for one `gamma`.
    pub fn kernel(self, gamma: f64) -> KernelMatrix {
        self.mean_kernel(&[gamma])
    }

    /// The mean of the kernels for several, which is 1 on the diagonal as each of them is.
    pub fn mean_kernel(mut self, gammas: &[f64]) -> KernelMatrix {
        let count = gammas.len() as f64;
        self.values
            .par_iter_mut()
            .for_each(|v| *v = gammas.iter().map(|gamma| (-gamma * *v).exp()).sum::<f64>() / count);
        KernelMatrix { n_x: self.n_x, n: self.n, values: self.values }
    }
}

/// The kernel between all rows of two sets together.
#[derive(Debug, Clone)]
pub struct KernelMatrix {
    n_x: usize,
    n: usize,
    values: Vec<f64>,
}

impl KernelMatrix {
    /// Rows of the first set, and of both together.
    pub fn sizes(&self) -> (usize, usize) {
        (self.n_x, self.n)
    }

    fn block(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> f64 {
        rows.map(|i| self.values[i * self.n..][columns.clone()].iter().sum::<f64>()).sum()
    }

    pub(super) fn sums(&self) -> Sums {
        Sums {
            n: self.n_x as f64,
            m: (self.n - self.n_x) as f64,
            xx: self.block(0..self.n_x, 0..self.n_x),
            yy: self.block(self.n_x..self.n, self.n_x..self.n),
            xy: self.block(0..self.n_x, self.n_x..self.n),
        }
    }

    /// Sum of each row, to share between permutations.
    pub(super) fn row_sums(&self) -> Vec<f64> {
        self.values.chunks_exact(self.n).map(|row| row.iter().sum()).collect()
    }

    /// The sums with the rows `first` in the role of `x` and all others in that of `y`.
    pub(super) fn sums_with(&self, first: &[usize], row_sums: &[f64]) -> Sums {
        let (mut xx, mut x_all) = (0.0, 0.0);
        for &i in first {
            let row = &self.values[i * self.n..(i + 1) * self.n];
            xx += first.iter().map(|&j| row[j]).sum::<f64>();
            x_all += row_sums[i];
        }
        let xy = x_all - xx;
        let total: f64 = row_sums.iter().sum();
        Sums { n: first.len() as f64, m: (self.n - first.len()) as f64, xx, xy, yy: total - xx - 2.0 * xy }
    }

    /// [`mmd2_biased`] of the two sets.
    pub fn biased(&self) -> f64 {
        self.sums().biased()
    }

    /// [`mmd2_unbiased`] of the two sets.
    pub fn unbiased(&self) -> f64 {
        self.sums().unbiased()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_tiles_equal_those_of_all_pairs() {
        let rows = |n: usize, f: f64, by: f64| {
            Rows::new(6, (0..n * 6).map(|i| (i as f64 * f).sin() * 3.0 + by).collect()).unwrap()
        };
        for by in [0.0, 1e7] {
            let (x, y) = (rows(300, 1.7, by), rows(517, 0.9, by + 0.5));
            for gamma in [0.01, 0.4] {
                let (ours, theirs) =
                    (RowPairs::of(&[&x, &y]).unwrap().sums(gamma), sums(&x, &y, gamma).unwrap());
                for (ours, theirs) in [(ours.biased(), theirs.biased()), (ours.unbiased(), theirs.unbiased())]
                {
                    assert!((ours - theirs).abs() < 1e-9 && theirs != 0.0, "{ours} and {theirs}");
                }
                let same = RowPairs::of(&[&x, &x]).unwrap().sums(gamma);
                assert!(same.biased().abs() < 1e-14 && same.unbiased() < 0.0);
            }
        }
    }

    #[test]
    fn large_sets_go_the_same_way_on_any_number_of_threads() {
        let rows =
            |n: usize, f: f64| Rows::new(2, (0..n * 2).map(|i| (i as f64 * f).sin()).collect()).unwrap();
        let (x, y) = (rows(3000, 1.7), rows(1500, 0.9));
        let direct = kernel_sum(&x, &y, 0.7);
        let tiled = sums(&x, &y, 0.7).unwrap();
        assert!((tiled.xy - direct).abs() < 1e-9 * direct);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = one.install(|| mmd2_unbiased(&x, &y, 0.7).unwrap());
        assert_eq!(alone, mmd2_unbiased(&x, &y, 0.7).unwrap());
        let huge = Rows::new(2, vec![1e200; 9000]).unwrap();
        assert_eq!(mmd2_biased(&x, &huge, 0.7), Err(AlignmentError::TooLarge));
    }

    #[test]
    fn equal_sets_are_exactly_0_biased_and_not_above_0_unbiased() {
        let x = Rows::new(2, (0..20).map(|i| f64::from(i).sin()).collect()).unwrap();
        assert_eq!(mmd2_biased(&x, &x, 0.7).unwrap(), 0.0);
        assert!(mmd2_unbiased(&x, &x, 0.7).unwrap() < 0.0);
        assert_eq!(SquaredDistances::pooled(&x, &x).unwrap().kernel(0.7).biased(), 0.0);
    }

    #[test]
    fn sets_that_cannot_be_compared_are_refused() {
        let x = Rows::new(2, vec![0.0; 4]).unwrap();
        let wide = Rows::new(3, vec![0.0; 6]).unwrap();
        let one = Rows::new(2, vec![0.0; 2]).unwrap();
        assert_eq!(mmd2_biased(&x, &wide, 1.0), Err(AlignmentError::Widths { x: 2, y: 3 }));
        assert_eq!(mmd2_unbiased(&x, &one, 1.0), Err(AlignmentError::TooFewRows { n: 1 }));
        let many = Rows::new(1, vec![0.0; 4095]).unwrap();
        let refused = SquaredDistances::pooled(&many, &Rows::new(1, vec![0.0; 2]).unwrap());
        assert!(matches!(refused, Err(AlignmentError::TooManyRows { n: 4097, .. })));
    }
}
