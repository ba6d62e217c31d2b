//! Resampling of cases.

use super::quantile::quantile;

/// A score of each resample, which are lists of case numbers; none where it is undefined, such as an AUROC of
/// a resample with one class.
pub fn bootstrap(resamples: &[Vec<usize>], score: impl Fn(&[usize]) -> Option<f64>) -> Vec<Option<f64>> {
    resamples.iter().map(|cases| score(cases)).collect()
}

/// The central interval of the scores that are defined: its ends are percentiles, linearly interpolated.
/// None where no score is defined.
pub fn percentile_interval(scores: &[Option<f64>], level: f64) -> Option<[f64; 2]> {
    let known: Vec<f64> = scores.iter().flatten().copied().collect();
    let tail = (1.0 - level) / 2.0;
    Some([quantile(&known, tail)?, quantile(&known, 1.0 - tail)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_resamples_are_left_out() {
        let values = [3.0, 1.0, 2.0];
        let first_two = |cases: &[usize]| cases.first().map(|c| values[*c]);
        let scores = bootstrap(&[vec![0, 1], vec![], vec![1, 1], vec![2]], first_two);
        assert_eq!(scores, [Some(3.0), None, Some(1.0), Some(2.0)]);
        assert_eq!(percentile_interval(&scores, 0.5), Some([1.5, 2.5]));
        assert_eq!(percentile_interval(&[None], 0.95), None);
    }
}
