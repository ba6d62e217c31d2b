//! All slices of a volume on one picture, so that a viewer asks once and moves through them at once.

use serde::{Deserialize, Serialize};

/// Black pixels between slices: none shines into its neighbour when a browser enlarges the picture.
pub const GAP: usize = 2;

/// Most pixels of a sheet; what is larger is looked at slice by slice. Decoded, a browser holds four
/// bytes a pixel.
pub const PIXELS_MAX: usize = 16 << 20;

/// Where slices lie on a sheet: row by row, the first at the top left, [`GAP`] pixels apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sheet {
    pub columns: usize,
    pub rows: usize,
}

impl Sheet {
    /// The sheet of a volume of `[D, H, W]` voxels; none where there is no voxel, or where the sheet
    /// would have more than [`PIXELS_MAX`] pixels.
    pub fn of([depth, height, width]: [usize; 3]) -> Option<Self> {
        if depth == 0 || height == 0 || width == 0 || depth > PIXELS_MAX {
            return None;
        }
        let columns = (1..=depth).find(|n| n * n >= depth)?;
        let sheet = Self { columns, rows: depth.div_ceil(columns) };
        let [h, w] = sheet.size([height, width])?;
        (h.checked_mul(w)? <= PIXELS_MAX).then_some(sheet)
    }

    /// Height and width in pixels, for slices of `[H, W]`; none where they are beyond counting.
    pub fn size(&self, [height, width]: [usize; 2]) -> Option<[usize; 2]> {
        let side = |n: usize, length: usize| length.checked_add(GAP)?.checked_mul(n)?.checked_sub(GAP);
        Some([side(self.rows, height)?, side(self.columns, width)?])
    }

    /// Row and column of a slice.
    pub fn tile(&self, slice: usize) -> [usize; 2] {
        [slice / self.columns, slice % self.columns]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slice_has_a_tile_of_its_own() {
        for depth in 1..60 {
            let sheet = Sheet::of([depth, 5, 7]).unwrap();
            let tiles: std::collections::BTreeSet<_> = (0..depth).map(|z| sheet.tile(z)).collect();
            assert_eq!(tiles.len(), depth);
            assert!(tiles.iter().all(|[row, column]| *row < sheet.rows && *column < sheet.columns));
        }
        let sheet = Sheet::of([24, 96, 96]).unwrap();
        assert_eq!((sheet.columns, sheet.rows), (5, 5));
        assert_eq!(sheet.size([96, 96]), Some([488, 488]));
    }

    #[test]
    fn impossible_sizes_have_no_sheet() {
        for shape in [[0, 1, 1], [1, 0, 1], [1, 1, 0], [40, 1000, 1000], [usize::MAX; 3], [1, usize::MAX, 2]]
        {
            assert_eq!(Sheet::of(shape), None, "{shape:?}");
        }
    }
}
