//! MMD² between two sets of any size, and its p-value.

use std::borrow::Cow;

use super::{
    AlignmentError, KernelMatrix, PairSums, Rows, SquaredDistances, gamma_from_sigma, mmd::mmd2_unbiased_by,
    mmd2_unbiased, permutation_p, seeded_permutations,
};

/// Random orders for a p-value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orders {
    /// Rows in a row that are dealt out together.
    pub group: usize,
    pub count: usize,
    pub seed: u64,
}

/// Whether the distances of two sets fit into one matrix.
pub(super) fn fits(x: &Rows, y: &Rows) -> bool {
    x.n() + y.n() <= SquaredDistances::MOST_ROWS
}

/// Unbiased MMD² over all rows, and p where orders are asked for; 0 and 1 where there is no bandwidth because all rows
/// are equal. The p-value of very many rows is that of evenly spaced ones, in whole groups (see [`thinned`]), under the
/// same bandwidth: permutations need a kernel matrix. Sums over very many rows are computed `elsewhere`, where that is
/// given.
///
/// # Errors
/// When the widths differ, a set has fewer than two rows, squared distances are beyond double precision, or one group
/// alone has more rows than a kernel matrix.
pub(super) fn unbiased_and_p(
    x: &Rows,
    y: &Rows,
    sigma: Option<f64>,
    orders: Option<Orders>,
    elsewhere: Option<&dyn PairSums>,
) -> Result<(f64, Option<f64>), AlignmentError> {
    let orders = orders.filter(|orders| orders.count > 0);
    let Some(gamma) = sigma.map(gamma_from_sigma) else { return Ok((0.0, orders.map(|_| 1.0))) };
    let p = |kernel: &KernelMatrix, orders: Orders| {
        let (_, n) = kernel.sizes();
        permutation_p(kernel, &seeded_permutations(n, orders.group.max(1), orders.count, orders.seed))
    };
    if fits(x, y) {
        let kernel = SquaredDistances::pooled(x, y)?.kernel(gamma);
        return Ok((kernel.unbiased(), orders.map(|orders| p(&kernel, orders))));
    }
    let value = match elsewhere {
        Some(device) => mmd2_unbiased_by(device, x, y, gamma)?,
        None => mmd2_unbiased(x, y, gamma)?,
    };
    let Some(orders) = orders else { return Ok((value, None)) };
    let (x, y) = (thinned(x, orders.group), thinned(y, orders.group));
    let kernel = SquaredDistances::pooled(&x, &y)?.kernel(gamma);
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
    use crate::alignment::pooled_bandwidth;

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
        let (value, p) = unbiased_and_p(&x, &y, sigma, orders, None).unwrap();
        assert_eq!(value, mmd2_unbiased(&x, &y, gamma_from_sigma(sigma.unwrap())).unwrap());
        assert_eq!(p, Some(0.05));
        let (same, p) = unbiased_and_p(&x, &x, sigma, orders, None).unwrap();
        assert!(same <= 0.0 && p == Some(1.0));
        assert_eq!(unbiased_and_p(&x, &y, None, orders, None).unwrap(), (0.0, Some(1.0)));
        assert_eq!(unbiased_and_p(&x, &y, sigma, None, None).unwrap(), (value, None));
        let whole = Some(Orders { group: 2500, count: 9, seed: 1 });
        assert!(matches!(
            unbiased_and_p(&x, &y, sigma, whole, None),
            Err(AlignmentError::TooManyRows { .. })
        ));
    }
}
