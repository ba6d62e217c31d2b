//! Ranks.

/// Ranks from 1, the mean rank for equal values; NaN ranks last.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        // -0 and 0 are equal, though not in total order; they stand side by side.
        let same = order[start..].iter().take_while(|i| values[**i] == values[order[start]]).count().max(1);
        let mean = start as f64 + (same as f64 + 1.0) / 2.0;
        order[start..start + same].iter().for_each(|i| ranks[*i] = mean);
        start += same;
    }
    ranks
}

/// Sizes of the groups of equal values, those of one included.
pub(super) fn ties(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_values_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, -2.0]), [3.5, 2.0, 3.5, 1.0]);
        assert_eq!(ranks(&[0.0, -0.0, 1.0]), [1.5, 1.5, 3.0]);
        assert_eq!(ties(&[3.0, 1.0, 3.0]), [1, 2]);
        assert!(ranks(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn ranks_sum_to_that_of_1_to_n(values in prop::collection::vec(-3i32..3, 0..30)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let n = values.len() as f64;
            prop_assert!((ranks(&values).iter().sum::<f64>() - n * (n + 1.0) / 2.0).abs() < 1e-9);
        }
    }
}
