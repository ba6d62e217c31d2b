//! Fewer points, same picture.

/// Keeps at most four points a bucket of x (first, smallest, largest, last), in order, so that a curve drawn
/// from them covers the same pixels. Points must be in order of x; points without a value (NaN) stay as
/// gaps. Few enough points are returned as they are.
pub fn min_max(points: &[(f64, f64)], buckets: usize) -> Vec<(f64, f64)> {
    let buckets = buckets.max(1);
    if points.len() <= buckets * 4 {
        return points.to_vec();
    }
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let span = last - first;
    // Not a usable x: equal counts instead.
    let bucket_of = |i: usize| {
        let unit =
            if span > 0.0 { (points[i].0 - first) / span } else { i as f64 / (points.len() - 1) as f64 };
        ((unit * buckets as f64) as usize).min(buckets - 1)
    };
    let mut kept = Vec::with_capacity(buckets * 4);
    let mut start = 0;
    while start < points.len() {
        let bucket = bucket_of(start);
        let mut end = start + 1;
        while end < points.len() && bucket_of(end) == bucket {
            end += 1;
        }
        let group = &points[start..end];
        let by = |better: fn(f64, f64) -> bool| {
            let mut best: Option<usize> = None;
            for (i, p) in group.iter().enumerate().filter(|(_, p)| p.1.is_finite()) {
                if best.is_none_or(|b| better(p.1, group[b].1)) {
                    best = Some(i);
                }
            }
            best
        };
        let gap = group.iter().position(|p| !p.1.is_finite());
        let mut picks: Vec<usize> = [Some(0), by(|a, b| a < b), by(|a, b| a > b), gap, Some(group.len() - 1)]
            .into_iter()
            .flatten()
            .collect();
        picks.sort_unstable();
        picks.dedup();
        kept.extend(picks.into_iter().map(|i| group[i]));
        start = end;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_survive_and_ends_stay() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        points[4321].1 = 9.0;
        points[8765].1 = -9.0;
        let kept = min_max(&points, 100);
        assert!(kept.len() <= 400);
        assert_eq!((kept[0].0, kept[kept.len() - 1].0), (0.0, 9999.0));
        assert!(kept.contains(&(4321.0, 9.0)) && kept.contains(&(8765.0, -9.0)));
        assert!(kept.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn gaps_and_equal_x_are_survived() {
        let gaps: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), f64::NAN)).collect();
        assert!(min_max(&gaps, 10).len() <= 40);
        let same: Vec<(f64, f64)> = (0..1000).map(|i| (1.0, f64::from(i))).collect();
        let kept = min_max(&same, 10);
        assert!(kept.len() <= 40 && kept.contains(&(1.0, 999.0)));
        assert!(min_max(&[], 10).is_empty());
    }
}
