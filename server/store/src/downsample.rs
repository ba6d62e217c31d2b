//! Fewer points that draw the same picture: minimum and maximum of each bucket.

use transferscope_domain::api::Point;

/// Thins a curve while it is read, holding only what it keeps. First and last point stay, and of
/// each bucket between them the smallest and the largest, in their order: a spike of one step
/// survives any thinning.
pub(crate) struct Thinner {
    /// Points that will come.
    count: usize,
    buckets: usize,
    seen: usize,
    bucket: usize,
    low_high: Option<[(usize, Point); 2]>,
    kept: Vec<Point>,
}

/// Fewer than this cannot hold both ends and one bucket.
const MIN_POINTS: usize = 4;

impl Thinner {
    /// Keeps all of `count` points where they fit into `max_points`.
    pub(crate) fn new(count: usize, max_points: usize) -> Self {
        let max_points = max_points.max(MIN_POINTS);
        let buckets = if count <= max_points { 0 } else { (max_points - 2) / 2 };
        Self { count, buckets, seen: 0, bucket: 0, low_high: None, kept: Vec::new() }
    }

    pub(crate) fn push(&mut self, point: Point) {
        let index = self.seen;
        self.seen += 1;
        if self.buckets == 0 || index == 0 || index + 1 >= self.count {
            self.flush();
            self.kept.push(point);
            return;
        }
        let bucket = (index - 1) * self.buckets / (self.count - 2);
        if bucket != self.bucket {
            self.flush();
            self.bucket = bucket;
        }
        let here = (index, point);
        self.low_high = Some(match self.low_high {
            None => [here, here],
            Some([low, high]) => [
                if point.value < low.1.value { here } else { low },
                if point.value > high.1.value { here } else { high },
            ],
        });
    }

    fn flush(&mut self) {
        if let Some([low, high]) = self.low_high.take() {
            let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
            self.kept.push(first.1);
            if second.0 != first.0 {
                self.kept.push(second.1);
            }
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Point> {
        self.flush();
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thin(values: &[f64], max_points: usize) -> Vec<Point> {
        let mut thinner = Thinner::new(values.len(), max_points);
        for (i, v) in values.iter().enumerate() {
            thinner.push((i as u64, 0.0, 0, *v).into());
        }
        thinner.finish()
    }

    #[test]
    fn few_points_are_exact() {
        let values: Vec<f64> = (0..500).map(f64::from).collect();
        assert_eq!(thin(&values, 500).len(), 500);
        assert!(thin(&[], 10).is_empty());
        assert_eq!(thin(&[1.0], 0).len(), 1);
    }

    #[test]
    fn a_spike_and_a_dip_of_one_step_survive_in_order() {
        let mut values = vec![1.0; 100_000];
        values[61_234] = 9.0;
        values[61_240] = -9.0;
        for max_points in [0, 4, 5, 50, 501] {
            let kept = thin(&values, max_points);
            assert!(kept.len() <= max_points.max(MIN_POINTS), "{max_points}: {}", kept.len());
            assert!(kept.windows(2).all(|w| w[0].step < w[1].step));
            assert!(kept.iter().any(|p| p.value == 9.0) && kept.iter().any(|p| p.value == -9.0));
            assert_eq!((kept[0].step, kept[kept.len() - 1].step), (0, 99_999));
        }
    }

    #[test]
    fn more_points_than_were_counted_are_kept() {
        let mut thinner = Thinner::new(2, 10);
        for i in 0..5 {
            thinner.push((i, 0.0, 0, 0.0).into());
        }
        assert_eq!(thinner.finish().len(), 5);
    }
}
