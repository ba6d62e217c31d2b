//! Errors of predicted quantities.

/// Mean absolute error, in the quantity's unit; none without cases.
///
/// # Panics
/// This and the other functions here panic when the lists differ in length.
pub fn mean_absolute_error(prediction: &[f64], truth: &[f64]) -> Option<f64> {
    mean_over(prediction, truth, f64::abs)
}

/// Mean squared error; none without cases.
pub fn mean_squared_error(prediction: &[f64], truth: &[f64]) -> Option<f64> {
    mean_over(prediction, truth, |d| d * d)
}

/// Coefficient of determination: 1 minus the squared error over that of always predicting the mean. None
/// where the truth does not vary.
pub fn r_squared(prediction: &[f64], truth: &[f64]) -> Option<f64> {
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let variance = mean_over(&vec![mean; truth.len()], truth, |d| d * d)?;
    let error = mean_squared_error(prediction, truth)?;
    (variance > 0.0).then(|| 1.0 - error / variance)
}

fn mean_over(prediction: &[f64], truth: &[f64], f: impl Fn(f64) -> f64) -> Option<f64> {
    assert_eq!(prediction.len(), truth.len(), "a prediction for each case");
    let sum: f64 = prediction.iter().zip(truth).map(|(p, t)| f(p - t)).sum();
    (!truth.is_empty()).then(|| sum / truth.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed_and_undefined() {
        let (p, t) = ([1.0, 2.0, 6.0], [1.0, 3.0, 5.0]);
        assert_eq!(mean_absolute_error(&p, &t), Some(2.0 / 3.0));
        assert_eq!((mean_squared_error(&p, &t), r_squared(&p, &t)), (Some(2.0 / 3.0), Some(0.75)));
        assert_eq!(r_squared(&p, &[2.0; 3]), None);
        assert_eq!((mean_absolute_error(&[], &[]), r_squared(&[], &[])), (None, None));
    }
}
