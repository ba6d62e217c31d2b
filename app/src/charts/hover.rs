//! What stands under the pointer.

use crate::palette::Style;

/// The content of a tooltip and where it points, in CSS pixels of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Hover {
    /// Where the cursor line stands.
    pub x: f64,
    /// From where to where the cursor line goes.
    pub span: (f64, f64),
    pub title: String,
    pub rows: Vec<HoverRow>,
}

/// One value of a tooltip.
#[derive(Debug, Clone, PartialEq)]
pub struct HoverRow {
    /// None where the value belongs to no series.
    pub style: Option<Style>,
    pub label: String,
    pub value: String,
    /// Height of the point, for a dot on the cursor line; none where it is not in view.
    pub y: Option<f64>,
}

/// Index of the value nearest to `x` in ascending values; none where there are none.
pub fn nearest(ascending: &[f64], x: f64) -> Option<usize> {
    let at = ascending.partition_point(|v| *v < x);
    let before = at.checked_sub(1);
    match (before, ascending.get(at)) {
        (None, None) => None,
        (Some(b), None) => Some(b),
        (None, Some(_)) => Some(at),
        (Some(b), Some(after)) => Some(if x - ascending[b] <= after - x { b } else { at }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_point_is_found() {
        let xs = [0.0, 1.0, 1.0, 4.0];
        assert_eq!(nearest(&xs, -5.0), Some(0));
        assert_eq!(nearest(&xs, 0.4), Some(0));
        assert_eq!(nearest(&xs, 2.4), Some(2));
        assert_eq!(nearest(&xs, 2.6), Some(3));
        assert_eq!(nearest(&xs, 99.0), Some(3));
        assert_eq!(nearest(&[], 1.0), None);
        assert!(nearest(&xs, f64::NAN).is_some());
    }
}
