//! Smooth displacements: random vectors on a coarse lattice, joined by cubic B-splines.

use rand::RngExt;

use super::grid::Grid;
use crate::random;

/// Displacements of a grid's voxels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lattice {
    /// Nodes along `[D, H, W]`; node 1 lies on the first voxel.
    nodes: [usize; 3],
    /// Nodes a voxel step goes, `[D, H, W]`.
    step: [f32; 3],
    /// Displacements in voxels, `[D, H, W]` of each node.
    values: Vec<[f32; 3]>,
}

impl Lattice {
    /// Draws displacements up to `most_mm` along each axis on nodes `node_mm` apart, for the whole grid.
    pub fn draw(seed: u64, grid: &Grid, node_mm: f64, most_mm: [f64; 3]) -> Self {
        let step: [f32; 3] = std::array::from_fn(|a| (grid.spacing_mm[a] / node_mm) as f32);
        // Four nodes bear on every voxel.
        let nodes: [usize; 3] = std::array::from_fn(|a| (grid.shape[a] as f32 * step[a]) as usize + 4);
        let rng = &mut random::stream(seed, "elastic");
        let values = (0..nodes.iter().product::<usize>())
            .map(|_| {
                std::array::from_fn(|a| {
                    (rng.random_range(-1.0..1.0f64) * most_mm[a] / grid.spacing_mm[a]) as f32
                })
            })
            .collect();
        Self { nodes, step, values }
    }

    /// First node and weights of the four that bear on a voxel.
    fn taps(&self, axis: usize, voxel: isize) -> (usize, [f32; 4]) {
        let last = (self.nodes[axis] - 4) as f32;
        // Beyond the grid the ends' displacement goes on.
        let at = (voxel as f32 * self.step[axis]).clamp(0.0, last + 0.999_99);
        let first = at as usize;
        (first, weights(at - first as f32))
    }

    /// The displacements of slice `d` in `columns` columns from `start` on, still at the nodes' rows.
    pub fn slice(&self, d: isize, start: isize, columns: usize) -> LatticeSlice<'_> {
        let [_, rows, across] = self.nodes;
        let (d0, along_d) = self.taps(0, d);
        let mut nodes = vec![[0.0f32; 3]; rows * across];
        for (i, weight) in along_d.iter().enumerate() {
            for (sum, value) in nodes.iter_mut().zip(&self.values[(d0 + i) * rows * across..]) {
                for (s, v) in sum.iter_mut().zip(value) {
                    *s += weight * v;
                }
            }
        }
        let taps: Vec<_> = (0..columns).map(|x| self.taps(2, start + x as isize)).collect();
        let along_row = |row: &[[f32; 3]], axis: usize| {
            let at = |(first, weights): &(usize, [f32; 4])| {
                weights.iter().zip(&row[*first..]).map(|(weight, value)| weight * value[axis]).sum()
            };
            taps.iter().map(at).collect()
        };
        let rows = nodes.chunks_exact(across).map(|row| [0, 1, 2].map(|axis| along_row(row, axis))).collect();
        LatticeSlice { lattice: self, rows }
    }
}

/// The displacements of one slice of voxels.
pub(super) struct LatticeSlice<'a> {
    lattice: &'a Lattice,
    /// Of each row of nodes: `[D, H, W]` of each column of voxels, in three lists.
    rows: Vec<[Vec<f32>; 3]>,
}

impl LatticeSlice<'_> {
    /// Adds the displacements of row `h` to its voxels' positions.
    ///
    /// # Shapes
    /// `positions` `[D, H, W]` of each voxel, in three lists.
    pub fn add_to_row(&self, h: isize, positions: &mut [Vec<f32>; 3]) {
        let (first, along_h) = self.lattice.taps(1, h);
        for (weight, row) in along_h.iter().zip(&self.rows[first..]) {
            for (positions, displacements) in positions.iter_mut().zip(row) {
                for (p, v) in positions.iter_mut().zip(displacements) {
                    *p += weight * v;
                }
            }
        }
    }
}

/// Cubic B-spline weights of the four nodes round a position, `part` of the way from the second to the third.
fn weights(part: f32) -> [f32; 4] {
    let rest = 1.0 - part;
    [
        rest * rest * rest / 6.0,
        (3.0 * part * part * part - 6.0 * part * part + 4.0) / 6.0,
        (3.0 * rest * rest * rest - 6.0 * rest * rest + 4.0) / 6.0,
        part * part * part / 6.0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displacements_are_smooth_bounded_and_the_same_in_every_box() {
        let grid = Grid { shape: [8, 40, 40], spacing_mm: [3.0, 1.0, 1.0] };
        let lattice = Lattice::draw(5, &grid, 12.0, [1.0, 4.0, 4.0]);
        let row = |start: [isize; 3], n: usize| {
            let mut at = [vec![0.0; n], vec![0.0; n], vec![0.0; n]];
            lattice.slice(start[0], start[2], n).add_to_row(start[1], &mut at);
            (0..n).map(|x| [at[0][x], at[1][x], at[2][x]]).collect::<Vec<[f32; 3]>>()
        };
        let whole = row([3, 20, 0], 40);
        assert_eq!(row([3, 20, 10], 5), whole[10..15]);
        for pair in whole.windows(2) {
            for (a, b) in pair[0].iter().zip(&pair[1]) {
                assert!((b - a).abs() < 0.8 && a.abs() <= 4.0);
            }
            assert!(pair[0][0].abs() <= 1.0 / 3.0 + 1e-6);
        }
        assert!(whole.iter().any(|d| d[1].abs() > 0.1));
        // Far outside nothing is out of range.
        assert_eq!(row([-50, 500, 1000], 1)[0], row([0, 39 + 500, 900], 1)[0]);
    }

    #[test]
    fn weights_sum_to_one() {
        for part in [0.0, 0.3, 0.999] {
            assert!((weights(part).iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert_eq!(weights(0.0)[3], 0.0);
    }
}
