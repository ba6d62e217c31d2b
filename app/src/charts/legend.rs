//! Legends: what the colours mean, beside the lines where there is room.

use crate::palette::Style;

use super::text;

/// One line of a legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What `hide` names: a run's id, or a metric name.
    pub key: String,
    pub label: String,
    pub style: Style,
}

/// Length of a key's line in CSS pixels.
pub const KEY: f64 = 22.0;
const GAP: f64 = 7.0;
const BETWEEN: f64 = 18.0;

/// Where entries of given widths go in rows of a given width: `(x, row)` of each, and the number of rows.
pub fn wrap(labels: &[String], size: f64, room: f64) -> (Vec<(f64, usize)>, usize) {
    let (mut x, mut row) = (0.0, 0);
    let mut places = Vec::with_capacity(labels.len());
    for label in labels {
        let width = KEY + GAP + text::width(label, size);
        if x > 0.0 && x + width > room {
            (x, row) = (0.0, row + 1);
        }
        places.push((x, row));
        x += width + BETWEEN;
    }
    (places, if labels.is_empty() { 0 } else { row + 1 })
}

/// Moves labels at wished heights apart by at least `step`, within `top..=bottom`, each as near to its wish as the
/// others allow; none when there are too many for the room.
pub fn spread(wishes: &[f64], step: f64, top: f64, bottom: f64) -> Option<Vec<f64>> {
    let n = wishes.len();
    if n == 0 {
        return Some(Vec::new());
    }
    if step * (n - 1) as f64 > bottom - top || wishes.iter().any(|w| !w.is_finite()) {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| wishes[*a].total_cmp(&wishes[*b]));
    // Blocks of touching labels, each around the mean of its wishes.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    let start = |sum: f64, count: usize| {
        let height = step * (count - 1) as f64;
        let start = sum / count as f64 - height / 2.0;
        start.clamp(top, (bottom - height).max(top))
    };
    for i in &order {
        let mut block = (wishes[*i], 1);
        while let Some(&(sum, count)) = blocks.last() {
            if start(sum, count) + step * count as f64 <= start(block.0, block.1) {
                break;
            }
            blocks.pop();
            block = (sum + block.0, count + block.1);
        }
        blocks.push(block);
    }
    let mut places = vec![0.0; n];
    let mut next = order.into_iter();
    for (sum, count) in blocks {
        let first = start(sum, count);
        for k in 0..count {
            if let Some(i) = next.next() {
                places[i] = first + step * k as f64;
            }
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_wrap_when_the_row_is_full() {
        let labels: Vec<String> = (0..4).map(|i| format!("a run with a name {i}")).collect();
        let (places, rows) = wrap(&labels, 12.0, 340.0);
        assert_eq!(rows, 2);
        assert_eq!(places.iter().map(|p| p.1).collect::<Vec<_>>(), [0, 0, 1, 1]);
        assert_eq!(wrap(&[], 12.0, 10.0).1, 0);
        assert_eq!(wrap(&labels, 12.0, 10.0).1, 4);
    }

    #[test]
    fn labels_move_apart_around_their_wishes() {
        assert_eq!(spread(&[50.0, 50.0], 10.0, 0.0, 100.0).unwrap(), [45.0, 55.0]);
        assert_eq!(spread(&[99.0, 2.0], 10.0, 0.0, 100.0).unwrap(), [99.0, 2.0]);
        assert_eq!(spread(&[0.0, 0.0], 10.0, 0.0, 100.0).unwrap(), [0.0, 10.0]);
        assert_eq!(spread(&[1.0; 20], 10.0, 0.0, 100.0), None);
    }

    proptest! {
        #[test]
        fn labels_never_overlap_or_leave(wishes in proptest::collection::vec(-50.0f64..300.0, 0..12)) {
            let places = spread(&wishes, 14.0, 0.0, 200.0).unwrap();
            let mut sorted = places.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert!(sorted.windows(2).all(|w| w[1] - w[0] >= 14.0 - 1e-6), "{sorted:?}");
            prop_assert!(places.iter().all(|p| (-1e-6..=200.0 + 1e-6).contains(p)));
        }
    }
}
