//! p-values of many tests at once.

/// Places of p-values from the least to the largest.
fn order(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Holm's step-down correction.
///
/// # Source
/// Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut corrected = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (i, place) in order(p).into_iter().enumerate() {
        largest = largest.max(p[place] * (p.len() - i) as f64).min(1.0);
        corrected[place] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn corrections_keep_the_order_and_are_at_least_the_raw_values(p in prop::collection::vec(0.0f64..1.0, 0..20)) {
            let holm = holm(&p);
            for i in 0..p.len() {
                prop_assert!(p[i] <= holm[i] + 1e-12 && holm[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || holm[i] <= holm[j]);
                }
            }
        }
    }
}
