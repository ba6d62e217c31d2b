//! Boxes of voxels.

use std::ops::Range;

/// Slices, rows and columns of a box.
pub type Region = [Range<usize>; 3];

/// The smallest box with every voxel that `counts`; none where there is no such voxel.
///
/// # Panics
/// When there are not as many values as `shape` has voxels.
pub fn bounding_box<T: Copy>(values: &[T], shape: [usize; 3], counts: impl Fn(T) -> bool) -> Option<Region> {
    let [depth, rows, columns] = shape;
    assert_eq!(values.len(), depth * rows * columns, "the values have the size of their shape");
    let mut found: Option<[[usize; 2]; 3]> = None;
    for (line, row) in values.chunks_exact(columns.max(1)).enumerate() {
        // Without an early end this runs many values at a time, and most rows are empty.
        if !row.iter().fold(false, |any, v| any | counts(*v)) {
            continue;
        }
        let first = row.iter().position(|v| counts(*v)).unwrap_or(0);
        let last = row.iter().rposition(|v| counts(*v)).unwrap_or(first);
        let here = [[line / rows; 2], [line % rows; 2], [first, last]];
        let joined = found.map_or(here, |known| {
            std::array::from_fn(|a| [known[a][0].min(here[a][0]), known[a][1].max(here[a][1])])
        });
        found = Some(joined);
    }
    found.map(|sides| sides.map(|[first, last]| first..last + 1))
}

/// The box with `margin` voxels more on every side, as far as the volume reaches.
pub fn grown(region: &Region, margin: [usize; 3], shape: [usize; 3]) -> Region {
    std::array::from_fn(|a| {
        region[a].start.saturating_sub(margin[a])..(region[a].end + margin[a]).min(shape[a])
    })
}

/// Voxels of each side.
pub fn size(region: &Region) -> [usize; 3] {
    region.each_ref().map(Range::len)
}

/// The values within a box.
///
/// # Shapes
/// `values [D, H, W]` of `shape` -> [`size`] of the box.
///
/// # Panics
/// When the box reaches over the volume.
pub fn cut<T: Copy>(values: &[T], shape: [usize; 3], region: &Region) -> Vec<T> {
    let mut out = Vec::with_capacity(size(region).iter().product());
    for z in region[0].clone() {
        for y in region[1].clone() {
            let row = (z * shape[1] + y) * shape[2];
            out.extend_from_slice(&values[row + region[2].start..row + region[2].end]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_box_and_what_is_in_it() {
        let shape = [3, 4, 5];
        let mut mask = vec![0u8; 60];
        assert_eq!(bounding_box(&mask, shape, |v| v > 0), None);
        mask[(4 + 2) * 5 + 3] = 1;
        mask[(2 * 4 + 1) * 5 + 4] = 2;
        let region = bounding_box(&mask, shape, |v| v > 0).unwrap();
        assert_eq!(region, [1..3, 1..3, 3..5]);
        assert_eq!(cut(&mask, shape, &region), [0, 0, 1, 0, 0, 2, 0, 0]);
        assert_eq!(grown(&region, [1, 9, 0], shape), [0..3, 0..4, 3..5]);
        assert_eq!(size(&grown(&region, [1, 9, 0], shape)), [3, 4, 2]);
        assert_eq!(bounding_box::<u8>(&[], [0, 4, 5], |_| true), None);
    }
}
