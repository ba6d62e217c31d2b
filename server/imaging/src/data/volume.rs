//! Volumes and where they lie in the world.

/// A 3-D array without a place in the world.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// `[D, H, W]`: slices, rows, columns.
    pub shape: [usize; 3],
    /// Row-major values; masks hold whole numbers.
    pub data: Vec<f32>,
}

impl Volume {
    /// A volume filled with one value.
    pub fn filled(shape: [usize; 3], value: f32) -> Self {
        Self { shape, data: vec![value; shape.iter().product()] }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no voxel.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Position in `data` of slice `d`, row `h`, column `w`.
    pub fn index(&self, d: usize, h: usize, w: usize) -> usize {
        (d * self.shape[1] + h) * self.shape[2] + w
    }

    /// The value at slice `d`, row `h`, column `w`.
    pub fn at(&self, d: usize, h: usize, w: usize) -> f32 {
        self.data[self.index(d, h, w)]
    }

    /// Slice `d`, `[H, W]` row-major.
    pub fn slice(&self, d: usize) -> &[f32] {
        let n = self.shape[1] * self.shape[2];
        &self.data[d * n..(d + 1) * n]
    }

    /// BLAKE3 over the values.
    pub fn content_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        // In pieces that fit the stack, so that no copy of the volume is made.
        for values in self.data.chunks(1024) {
            let mut bytes = [0u8; 4096];
            let used = &mut bytes[..4 * values.len()];
            used.chunks_exact_mut(4).zip(values).for_each(|(to, v)| to.copy_from_slice(&v.to_le_bytes()));
            hasher.update(used);
        }
        *hasher.finalize().as_bytes()
    }

    /// Smallest and largest value; `None` without voxels.
    pub fn range(&self) -> Option<(f32, f32)> {
        let first = *self.data.first()?;
        Some(self.data.iter().fold((first, first), |(low, high), &v| (low.min(v), high.max(v))))
    }
}

/// A volume with its place in the world.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    pub volume: Volume,
    pub geometry: Geometry,
}

/// Where a grid lies: world (LPS, mm) from voxel `(x, y, z)` = (column, row, slice), voxel centres
/// on whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Geometry {
    /// Rows of the affine matrix; the last column is the centre of voxel (0, 0, 0).
    pub world_from_voxel: [[f64; 4]; 3],
}

impl Geometry {
    /// From spacing (x, y, z), origin and a direction matrix whose *columns* are the axes.
    pub fn new(spacing_xyz: [f64; 3], origin: [f64; 3], direction: [[f64; 3]; 3]) -> Self {
        let mut m = [[0.0; 4]; 3];
        for (row, (direction_row, o)) in m.iter_mut().zip(direction.iter().zip(origin)) {
            for axis in 0..3 {
                row[axis] = direction_row[axis] * spacing_xyz[axis];
            }
            row[3] = o;
        }
        Self { world_from_voxel: m }
    }

    /// A grid along the world's axes with its centre at the world's origin.
    pub fn centred(shape: [usize; 3], spacing_mm: [f64; 3]) -> Self {
        let xyz = [spacing_mm[2], spacing_mm[1], spacing_mm[0]];
        let n = [shape[2], shape[1], shape[0]];
        let origin = std::array::from_fn(|a| -0.5 * (n[a] as f64 - 1.0) * xyz[a]);
        Self::new(xyz, origin, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    }

    /// Length of the step along voxel axis 0 (x), 1 (y) or 2 (z), in mm.
    fn step(&self, axis: usize) -> f64 {
        self.world_from_voxel.iter().map(|row| row[axis] * row[axis]).sum::<f64>().sqrt()
    }

    /// Voxel size in mm, `[D, H, W]`.
    pub fn spacing_mm(&self) -> [f64; 3] {
        [self.step(2), self.step(1), self.step(0)]
    }

    /// Centre of voxel (0, 0, 0).
    pub fn origin(&self) -> [f64; 3] {
        self.world_from_voxel.map(|row| row[3])
    }

    /// World position of a voxel position (x, y, z).
    pub fn world(&self, voxel: [f64; 3]) -> [f64; 3] {
        self.world_from_voxel.map(|r| r[0] * voxel[0] + r[1] * voxel[1] + r[2] * voxel[2] + r[3])
    }

    /// The other way: voxel (x, y, z) from world, same layout; `None` where the axes do not span
    /// space.
    pub fn voxel_from_world(&self) -> Option<[[f64; 4]; 3]> {
        let m = &self.world_from_voxel;
        let cofactor = |r: usize, c: usize| {
            let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
            m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
        };
        let det = (0..3).map(|c| m[0][c] * cofactor(0, c)).sum::<f64>();
        let volume = self.step(0) * self.step(1) * self.step(2);
        if !det.is_finite() || !volume.is_finite() || volume <= 0.0 || det.abs() < 1e-4 * volume {
            return None;
        }
        let mut inverse = [[0.0; 4]; 3];
        for (r, row) in inverse.iter_mut().enumerate() {
            for (c, value) in row.iter_mut().take(3).enumerate() {
                *value = cofactor(c, r) / det;
            }
            row[3] = -(row[0] * m[0][3] + row[1] * m[1][3] + row[2] * m[2][3]);
        }
        Some(inverse)
    }

    /// Says what is wrong with the grid; none where it can be used.
    pub fn problem(&self) -> Option<String> {
        if self.world_from_voxel.iter().flatten().any(|v| !v.is_finite()) {
            return Some("the geometry holds a value that is not a finite number".into());
        }
        let spacing = self.spacing_mm();
        if let Some(bad) = spacing.iter().find(|s| !(1e-3..=1e3).contains(*s)) {
            return Some(format!("a voxel size of {bad} mm: 0.001 to 1000 mm was expected"));
        }
        if self.world_from_voxel.iter().any(|row| row[3].abs() > 1e6) {
            return Some("the image lies more than a kilometre from the world's origin".into());
        }
        if self.voxel_from_world().is_none() {
            return Some("the orientation is singular: two image axes point the same way".into());
        }
        None
    }

    /// The same grid with voxel axis 0 (x), 1 (y) or 2 (z) counted from its other end.
    pub fn flipped(&self, axis: usize, length: usize) -> Self {
        let mut m = self.world_from_voxel;
        for row in &mut m {
            row[3] += row[axis] * (length as f64 - 1.0);
            row[axis] = -row[axis];
        }
        Self { world_from_voxel: m }
    }
}

impl Image {
    /// Flips axes so that columns run to the left, rows to the back and slices to the head, which is
    /// how DICOM stores a transverse series; the voxels stay where they are in the world. Axes are
    /// not exchanged, so the shape stays.
    pub fn towards_lps(mut self) -> Self {
        for axis in 0..3 {
            if self.geometry.world_from_voxel[axis][axis] < 0.0 {
                let [depth, height, width] = self.volume.shape;
                self.geometry = self.geometry.flipped(axis, [width, height, depth][axis]);
                match axis {
                    0 => self.volume.data.chunks_exact_mut(width).for_each(<[f32]>::reverse),
                    1 => {
                        for slice in self.volume.data.chunks_exact_mut(width * height) {
                            for row in 0..height / 2 {
                                let (top, bottom) = slice.split_at_mut((height - 1 - row) * width);
                                top[row * width..(row + 1) * width].swap_with_slice(&mut bottom[..width]);
                            }
                        }
                    }
                    _ => {
                        let n = width * height;
                        for d in 0..depth / 2 {
                            let (low, high) = self.volume.data.split_at_mut((depth - 1 - d) * n);
                            low[d * n..(d + 1) * n].swap_with_slice(&mut high[..n]);
                        }
                    }
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Geometry {
        let (s, c) = 0.3f64.sin_cos();
        Geometry::new([0.5, 0.7, 3.0], [1.0, -2.0, 3.0], [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    }

    #[test]
    fn the_inverse_undoes_the_affine() {
        let g = oblique();
        let back = Geometry { world_from_voxel: g.voxel_from_world().unwrap() };
        let p = back.world(g.world([3.0, 4.0, 5.0]));
        for (a, b) in p.iter().zip([3.0, 4.0, 5.0]) {
            assert!((a - b).abs() < 1e-12);
        }
        let spacing = g.spacing_mm();
        assert!((spacing[0] - 3.0).abs() < 1e-12 && (spacing[2] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn grids_without_volume_are_named() {
        let mut g = oblique();
        for row in &mut g.world_from_voxel {
            row[1] = row[0];
        }
        assert!(g.problem().unwrap().contains("singular"));
        let zero =
            Geometry::new([0.0, 1.0, 1.0], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        assert!(zero.problem().unwrap().contains("voxel size"));
        assert_eq!(oblique().problem(), None);
    }

    #[test]
    fn flips_keep_every_voxel_at_its_place() {
        let shape = [3, 4, 5];
        let volume = Volume { shape, data: (0..60).map(|v| v as f32).collect() };
        let g = oblique().flipped(0, 5).flipped(1, 4).flipped(2, 3);
        let turned = Image { volume: volume.clone(), geometry: g }.towards_lps();
        assert_eq!(turned.volume.at(2, 3, 4), volume.at(0, 0, 0));
        assert_eq!(turned.volume.at(0, 3, 1), volume.at(2, 0, 3));
        for (a, b) in
            turned.geometry.world_from_voxel.iter().flatten().zip(oblique().world_from_voxel.iter().flatten())
        {
            assert!((a - b).abs() < 1e-12);
        }
    }
}
