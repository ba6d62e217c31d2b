//! Whether grids lie where they should: how far apart two of them are, and how much they share.

use super::Geometry;

/// A grid with its size, `[D, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    pub shape: [usize; 3],
    pub geometry: Geometry,
}

impl Extent {
    fn sides_xyz(&self) -> [f64; 3] {
        let [depth, height, width] = self.shape;
        [width, height, depth].map(|n| n as f64)
    }

    /// Outer corners of the outermost voxels, LPS and mm.
    fn corners(&self) -> [[f64; 3]; 8] {
        let sides = self.sides_xyz();
        std::array::from_fn(|corner| {
            self.geometry
                .world(std::array::from_fn(|a| if corner >> a & 1 == 1 { sides[a] - 0.5 } else { -0.5 }))
        })
    }

    /// How far the box of `other` is from this one, in this one's voxels: the largest way from a corner to
    /// the nearest one of the other box, whichever way either counts its voxels. None where this grid does
    /// not span space.
    pub fn voxels_apart(&self, other: &Extent) -> Option<f64> {
        let voxel_from_world = self.geometry.voxel_from_world()?;
        let way = |from: [f64; 3], to: [f64; 3]| {
            let step: [f64; 3] = std::array::from_fn(|a| to[a] - from[a]);
            voxel_from_world
                .map(|row| (row[0] * step[0] + row[1] * step[1] + row[2] * step[2]).abs())
                .into_iter()
                .fold(0.0, f64::max)
        };
        let theirs = other.corners();
        let nearest = |corner: [f64; 3]| theirs.iter().map(|t| way(corner, *t)).fold(f64::INFINITY, f64::min);
        Some(self.corners().into_iter().map(nearest).fold(0.0, f64::max))
    }

    /// How much of the smaller one both share, 0 to 1, side by side along this grid's axes: a field of view
    /// that is wider in one direction and narrower in another shares all of it. None where this grid does
    /// not span space.
    pub fn shared(&self, other: &Extent) -> Option<f64> {
        let voxel_from_world = self.geometry.voxel_from_world()?;
        let theirs = other
            .corners()
            .map(|c| voxel_from_world.map(|row| row[0] * c[0] + row[1] * c[1] + row[2] * c[2] + row[3]));
        let share = |(axis, side): (usize, f64)| {
            let along = theirs.iter().map(|corner| corner[axis]);
            let low = along.clone().fold(f64::INFINITY, f64::min);
            let high = along.fold(f64::NEG_INFINITY, f64::max);
            let both = high.min(side - 0.5) - low.max(-0.5);
            (both / (high - low).min(side)).clamp(0.0, 1.0)
        };
        Some(self.sides_xyz().into_iter().enumerate().map(share).product())
    }
}

/// The largest way between the same corner of an image of `shape` `[D, H, W]` on two grids, mm.
pub fn corners_apart_mm(a: &Geometry, b: &Geometry, shape: [usize; 3]) -> f64 {
    let corners = |geometry: &Geometry| Extent { shape, geometry: *geometry }.corners();
    let way =
        |(a, b): ([f64; 3], [f64; 3])| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    corners(a).into_iter().zip(corners(b)).map(way).fold(0.0, f64::max)
}

/// Whether the axes of a grid, in the order columns, rows, slices, are a right hand's in LPS.
pub fn is_right_handed(geometry: &Geometry) -> bool {
    let m = &geometry.world_from_voxel;
    let minor = |a: usize, b: usize| m[1][a] * m[2][b] - m[1][b] * m[2][a];
    m[0][0] * minor(1, 2) - m[0][1] * minor(0, 2) + m[0][2] * minor(0, 1) >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [10, 40, 30];

    fn grid() -> Geometry {
        let (s, c) = 0.3f64.sin_cos();
        Geometry::new([0.5, 0.7, 3.0], [1.0, -2.0, 3.0], [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    }

    fn extent(geometry: Geometry) -> Extent {
        Extent { shape: SHAPE, geometry }
    }

    #[test]
    fn the_same_box_is_the_same_whichever_way_it_is_counted() {
        let turned = grid().flipped(0, 30).flipped(2, 10);
        assert!(extent(grid()).voxels_apart(&extent(turned)).unwrap() < 1e-9);
        assert!((extent(grid()).shared(&extent(turned)).unwrap() - 1.0).abs() < 1e-9);
        assert!(corners_apart_mm(&grid(), &turned, SHAPE) > 10.0);
        assert!(is_right_handed(&grid()) && !is_right_handed(&grid().flipped(1, 40)));
    }

    #[test]
    fn a_shift_is_told_in_voxels_and_in_what_is_still_shared() {
        let mut moved = grid();
        for row in &mut moved.world_from_voxel {
            row[3] += 2.0 * row[2];
        }
        let apart = extent(grid()).voxels_apart(&extent(moved)).unwrap();
        assert!((apart - 2.0).abs() < 1e-9, "{apart}");
        let shared = extent(grid()).shared(&extent(moved)).unwrap();
        assert!((shared - 0.8).abs() < 1e-9, "{shared}");
    }

    #[test]
    fn another_field_of_view_about_the_same_middle_shares_all_of_it() {
        let own =
            Extent { shape: [19, 384, 384], geometry: Geometry::centred([19, 384, 384], [3.0, 0.5, 0.5]) };
        let other =
            Extent { shape: [19, 128, 84], geometry: Geometry::centred([19, 128, 84], [3.0, 2.0, 2.0]) };
        assert!((own.shared(&other).unwrap() - 1.0).abs() < 1e-9);
        assert!((other.shared(&own).unwrap() - 1.0).abs() < 1e-9);
        let far = Geometry::centred([19, 128, 84], [3.0, 2.0, 2.0]);
        let mut far = far;
        far.world_from_voxel[0][3] += 1000.0;
        assert_eq!(own.shared(&Extent { geometry: far, ..other }), Some(0.0));
    }
}
