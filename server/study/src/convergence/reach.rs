//! Other readings of when a curve reaches a threshold. All are for curves where higher is better; none where the
//! threshold is never reached.

use super::Point;

/// The first epoch at or above the threshold.
pub fn first(curve: &[Point], threshold: f64) -> Option<f64> {
    curve.iter().find(|(_, v)| *v >= threshold).map(|(epoch, _)| *epoch)
}

/// The first epoch that begins `count` values in a row at or above the threshold.
pub fn first_of_consecutive(curve: &[Point], threshold: f64, count: usize) -> Option<f64> {
    curve.windows(count.max(1)).find(|w| w.iter().all(|(_, v)| *v >= threshold)).map(|w| w[0].0)
}

/// [`first`] on the exponential moving average `e = alpha v + (1 - alpha) e`, which begins with the first value.
pub fn first_of_average(curve: &[Point], threshold: f64, alpha: f64) -> Option<f64> {
    let mut average: Option<f64> = None;
    let smooth: Vec<Point> = curve
        .iter()
        .map(|(epoch, v)| {
            let now = average.map_or(*v, |e| alpha * v + (1.0 - alpha) * e);
            average = Some(now);
            (*epoch, now)
        })
        .collect();
    first(&smooth, threshold)
}

/// [`first`] on the mean of up to `count` values, the current one last.
pub fn first_of_trailing_mean(curve: &[Point], threshold: f64, count: usize) -> Option<f64> {
    let mean = |i: usize| {
        let last = &curve[(i + 1).saturating_sub(count.max(1))..=i];
        last.iter().map(|(_, v)| v).sum::<f64>() / last.len() as f64
    };
    let smooth: Vec<Point> = (0..curve.len()).map(|i| (curve[i].0, mean(i))).collect();
    first(&smooth, threshold)
}

/// Where the line between the last value below and the first at or above the threshold crosses it.
pub fn crossing(curve: &[Point], threshold: f64) -> Option<f64> {
    let i = curve.iter().position(|(_, v)| *v >= threshold)?;
    let (epoch, value) = curve[i];
    let Some((before, below)) = i.checked_sub(1).map(|i| curve[i]) else { return Some(epoch) };
    Some(before + (epoch - before) * (threshold - below) / (value - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_one_curve() {
        let curve = [(1.0, 0.0), (2.0, 1.0), (3.0, 0.2), (4.0, 1.0), (5.0, 1.0)];
        assert_eq!(first(&curve, 0.5), Some(2.0));
        assert_eq!(first_of_consecutive(&curve, 0.5, 2), Some(4.0));
        assert_eq!(first_of_average(&curve, 0.5, 0.5), Some(2.0));
        assert_eq!(first_of_trailing_mean(&curve, 0.55, 3), Some(4.0));
        assert_eq!(crossing(&curve, 0.5), Some(1.5));
        assert_eq!(crossing(&curve, -1.0), Some(1.0));
        assert_eq!(first(&curve, 2.0), None);
    }
}
