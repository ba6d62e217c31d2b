//! MMD² between two sets of any size, and its p-value.

use std::borrow::Cow;

use super::{
    AlignmentError, Discrepancy, KernelMatrix, PairSums, Rows, SquaredDistances, all_dealings, mmd::mmd2,
    permutation_p, seeded_permutations, width::fits,
};

/// Random orders for a p-value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    /// Rows in a row that are dealt out together.
    pub group: usize,
    pub count: usize,
    pub seed: u64,
}

/// MMD² over all rows, and p where orders are asked for; 0 and 1 where there is no bandwidth because all rows are equal.
/// The p-value of very many rows is that of evenly spaced ones, in whole groups (see [`thinned`]), under the same
/// bandwidth: permutations need a kernel matrix. Sums over very many rows are computed `elsewhere`, where that is
/// given.
///
/// # Errors
/// When the widths differ, a set has fewer than two rows, squared distances are beyond double precision, or one group
/// alone has more rows than a kernel matrix.
pub(crate) fn mmd2_and_p(
    x: &Rows,
    y: &Rows,
    sigma: Option<f64>,
    how: Discrepancy,
    orders: Option<Orders>,
    elsewhere: Option<&dyn PairSums>,
) -> Result<(f64, Option<f64>), AlignmentError> {
    let orders = orders.filter(|orders| orders.count > 0);
    let Some(gammas) = sigma.map(|sigma| how.kernel.gammas(sigma)) else {
        return Ok((0.0, orders.map(|_| 1.0)));
    };
    let p = |kernel: &KernelMatrix, orders: Orders| {
        let (n_x, n) = kernel.sizes();
        let group = orders.group.max(1);
        let orders = all_dealings(n_x, n, group, orders.count)
            .unwrap_or_else(|| seeded_permutations(n, group, orders.count, orders.seed));
        permutation_p(kernel, &orders, how.estimator)
    };
    if fits(x, y) {
        let kernel = SquaredDistances::pooled(x, y)?.mean_kernel(&gammas);
        // A sum of kernels has the sum of their discrepancies.
        let value = gammas.len() as f64 * how.estimator.of(kernel.sums());
        return Ok((value, orders.map(|orders| p(&kernel, orders))));
    }
    let values = gammas.iter().map(|gamma| mmd2(x, y, *gamma, how.estimator, elsewhere));
    let value = values.sum::<Result<f64, AlignmentError>>()?;
    let Some(orders) = orders else { return Ok((value, None)) };
    let (x, y) = (thinned(x, orders.group), thinned(y, orders.group));
    let kernel = SquaredDistances::pooled(&x, &y)?.mean_kernel(&gammas);
    Ok((value, Some(p(&kernel, orders))))
}

/// At most half of [`SquaredDistances::MOST_ROWS`] rows, in whole groups, evenly spaced; at least one group.
fn thinned(rows: &Rows, group: usize) -> Cow<'_, Rows> {
    let most = SquaredDistances::MOST_ROWS / 2;
    if rows.n() <= most {
        return Cow::Borrowed(rows);
    }
    let group = group.clamp(1, rows.n());
    let groups = rows.n() / group;
    let kept = (most / group).clamp(1, groups);
    let of_group = |i: usize| {
        let first = i * groups / kept * group;
        rows.data[first * rows.dim..(first + group) * rows.dim].iter().copied()
    };
    Cow::Owned(Rows { dim: rows.dim, data: (0..kept).flat_map(of_group).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::{Estimate, Kernel, gamma_from_sigma, mmd2_unbiased, pooled_bandwidth};

    const RBF: Discrepancy = Discrepancy { kernel: Kernel::Rbf, estimator: Estimate::Unbiased };

    fn rows(n: usize, dim: usize, by: f64) -> Rows {
        Rows::new(dim, (0..n * dim).map(|i| (i as f64 * 1.7).sin() + by).collect()).unwrap()
    }

    #[test]
    fn very_many_rows_are_thinned_in_whole_groups() {
        let many = rows(6000, 1, 0.0);
        let thin = thinned(&many, 8);
        assert_eq!(thin.n(), 2048);
        assert_eq!(thin.data[..8], many.data[..8]);
        assert_eq!(thin.data[2040..], many.data[(255 * 750 / 256) * 8..][..8]);
        assert_eq!(thinned(&rows(7, 1, 0.0), 8).n(), 7);
        assert_eq!(thinned(&many, 0).n(), 2048);
    }

    #[test]
    fn large_sets_have_a_value_of_all_rows_and_a_p_of_some() {
        let (x, y) = (rows(2500, 3, 0.0), rows(2500, 3, 0.4));
        let sigma = pooled_bandwidth(&x, &y).unwrap();
        let orders = Some(Orders { group: 4, count: 19, seed: 1 });
        let (value, p) = mmd2_and_p(&x, &y, sigma, RBF, orders, None).unwrap();
        assert_eq!(value, mmd2_unbiased(&x, &y, gamma_from_sigma(sigma.unwrap())).unwrap());
        assert_eq!(p, Some(0.05));
        let (same, p) = mmd2_and_p(&x, &x, sigma, RBF, orders, None).unwrap();
        assert!(same <= 0.0 && p == Some(1.0));
        assert_eq!(mmd2_and_p(&x, &y, None, RBF, orders, None).unwrap(), (0.0, Some(1.0)));
        assert_eq!(mmd2_and_p(&x, &y, sigma, RBF, None, None).unwrap(), (value, None));
        let whole = Some(Orders { group: 2500, count: 9, seed: 1 });
        assert!(matches!(
            mmd2_and_p(&x, &y, sigma, RBF, whole, None),
            Err(AlignmentError::TooManyRows { .. })
        ));
    }

    /// Whatever the size of the sets, the sum of kernels and either estimator agree.
    #[test]
    fn kernels_and_estimators_are_the_same_by_matrix_and_by_sums() {
        let (small, large) = ((rows(30, 3, 0.0), rows(40, 3, 0.4)), (rows(2100, 3, 0.0), rows(2100, 3, 0.4)));
        for (x, y) in [small, large] {
            let sigma = pooled_bandwidth(&x, &y).unwrap();
            let of = |kernel, estimator| {
                mmd2_and_p(&x, &y, sigma, Discrepancy { kernel, estimator }, None, None).unwrap().0
            };
            let expected: f64 = Kernel::RbfSum
                .gammas(sigma.unwrap())
                .iter()
                .map(|gamma| crate::alignment::mmd2_biased(&x, &y, *gamma).unwrap())
                .sum();
            assert!((of(Kernel::RbfSum, Estimate::Biased) - expected).abs() < 1e-9);
            assert!(of(Kernel::Rbf, Estimate::Biased) > of(Kernel::Rbf, Estimate::Unbiased));
            assert!(of(Kernel::RbfSum, Estimate::Unbiased) > of(Kernel::Rbf, Estimate::Unbiased));
        }
    }
}
