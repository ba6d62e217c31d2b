//! All pairs of rows of sets that are too large for one matrix of distances: tile by tile, by matrix products.
//!
//! A tile is a block of rows against another. Its squared distances are `|a|² + |b|² - 2 a·b` of rows that are centred
//! by the mean of all sets together, and direct differences where that form would lose digits. Each pair of different
//! rows is looked at once and a row is never paired with itself, so that what belongs on a diagonal is added exactly.
//! Beside the rows a thread holds two blocks of rows and two of pairs, about 4 MiB for rows of 768 values.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::{
    AlignmentError, Rows,
    width::{at_least, same_width, squared_distance},
};

/// Rows in a block.
const SIDE: usize = 256;
/// Squared distances below this share of `|a|² + |b|²` are computed from direct differences: the expanded form has
/// lost five digits there, and equal rows must be at a distance of exactly 0.
const CANCELLED: f64 = 1e-5;

/// A block of rows of one of the sets.
#[derive(Debug, Clone, Copy)]
struct Block {
    set: usize,
    first: usize,
    rows: usize,
}

/// One set, or two sets together, whose pairs are visited tile by tile.
#[derive(Debug)]
pub(super) struct RowPairs<'a> {
    sets: Vec<&'a Rows>,
    /// Mean of the rows of all sets.
    mean: Vec<f64>,
    /// Squared norms of the centred rows, by set.
    norms: Vec<Vec<f64>>,
    blocks: Vec<Block>,
}

/// What a thread computes a tile in.
struct Workspace {
    /// Which block `a` holds: the tiles of one block of rows come one after the other.
    held: Option<usize>,
    /// Centred rows of the two blocks, `[rows, dim]` and `[dim, rows]`.
    a: DMatrix<f64>,
    b: DMatrix<f64>,
    products: DMatrix<f64>,
    squared: Vec<f64>,
}

impl<'a> RowPairs<'a> {
    /// # Errors
    /// When a set is empty, the widths differ, or squared distances are beyond double precision.
    pub fn of(sets: &[&'a Rows]) -> Result<Self, AlignmentError> {
        for pair in sets.windows(2) {
            same_width(pair[0], pair[1])?;
        }
        for set in sets {
            at_least(set, 1)?;
        }
        let dim = sets.first().map_or(0, |set| set.dim());
        let n: usize = sets.iter().map(|set| set.n()).sum();
        let mut mean = vec![0.0; dim];
        for row in sets.iter().flat_map(|set| set.iter()) {
            for (m, v) in mean.iter_mut().zip(row) {
                *m += v / n as f64;
            }
        }
        let norms: Vec<Vec<f64>> =
            sets.iter().map(|set| set.iter().map(|row| squared_distance(row, &mean)).collect()).collect();
        let blocks = (0..sets.len())
            .flat_map(|set| {
                let rows = sets[set].n();
                (0..rows).step_by(SIDE).map(move |first| Block { set, first, rows: SIDE.min(rows - first) })
            })
            .collect();
        let pairs = Self { sets: sets.to_vec(), mean, norms, blocks };
        if pairs.largest().is_finite() { Ok(pairs) } else { Err(AlignmentError::TooLarge) }
    }

    /// Rows of one of the sets.
    pub fn rows_of(&self, set: usize) -> usize {
        self.sets[set].n()
    }

    /// Rows of all sets.
    pub fn n(&self) -> usize {
        self.sets.iter().map(|set| set.n()).sum()
    }

    /// Row `i` of all sets in a row.
    pub fn row(&self, mut i: usize) -> &[f64] {
        for set in &self.sets[..self.sets.len() - 1] {
            if i < set.n() {
                return set.row(i);
            }
            i -= set.n();
        }
        self.sets[self.sets.len() - 1].row(i)
    }

    /// A value that no squared distance is above: `|a - b|² <= 2 |a|² + 2 |b|²`.
    pub fn largest(&self) -> f64 {
        4.0 * self.norms.iter().flatten().copied().fold(0.0, f64::max)
    }

    /// What `of` makes of every tile, in an order that does not depend on threads. It gets the sets of the rows and of
    /// the columns, and the squared distances of the tile's pairs of different rows, each pair once.
    pub fn tiles<T: Send>(&self, of: impl Fn([usize; 2], &[f64]) -> T + Sync) -> Vec<T> {
        let tiles: Vec<[usize; 2]> =
            (0..self.blocks.len()).flat_map(|i| (i..self.blocks.len()).map(move |j| [i, j])).collect();
        let workspace = || Workspace {
            held: None,
            a: DMatrix::zeros(0, 0),
            b: DMatrix::zeros(self.mean.len(), SIDE),
            products: DMatrix::zeros(SIDE, SIDE),
            squared: Vec::with_capacity(SIDE * SIDE),
        };
        tiles
            .into_par_iter()
            .map_init(workspace, |workspace, [i, j]| {
                self.tile(i, j, workspace);
                of([self.blocks[i].set, self.blocks[j].set], &workspace.squared)
            })
            .collect()
    }

    /// Leaves the squared distances between the rows of blocks `i <= j` in the workspace.
    fn tile(&self, i: usize, j: usize, workspace: &mut Workspace) {
        let (a, b) = (self.blocks[i], self.blocks[j]);
        if workspace.held != Some(i) {
            self.centre(a, &mut workspace.b);
            workspace.a = workspace.b.columns(0, a.rows).transpose();
            workspace.held = Some(i);
        }
        self.centre(b, &mut workspace.b);
        let mut products = workspace.products.view_mut((0, 0), (a.rows, b.rows));
        products.gemm(1.0, &workspace.a, &workspace.b.columns(0, b.rows), 0.0);
        workspace.squared.clear();
        for (column, norm_b) in self.norms[b.set][b.first..b.first + b.rows].iter().enumerate() {
            // On the diagonal only what is above it, so that no row meets itself.
            let rows = if i == j { column } else { a.rows };
            let norms_a = &self.norms[a.set][a.first..a.first + rows];
            let of_column = products.column(column);
            for (row, (norm_a, product)) in norms_a.iter().zip(of_column.iter()).enumerate() {
                let both = norm_a + norm_b;
                let expanded = both - 2.0 * product;
                workspace.squared.push(if expanded > CANCELLED * both {
                    expanded
                } else {
                    squared_distance(
                        self.sets[a.set].row(a.first + row),
                        self.sets[b.set].row(b.first + column),
                    )
                });
            }
        }
    }

    /// Leaves the centred rows of a block in the first columns.
    fn centre(&self, block: Block, columns: &mut DMatrix<f64>) {
        for (i, mut column) in columns.column_iter_mut().take(block.rows).enumerate() {
            let row = self.sets[block.set].row(block.first + i);
            column.iter_mut().zip(row).zip(&self.mean).for_each(|((out, v), m)| *out = v - m);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that repeat nowhere, of more than one block.
    fn rows(n: usize, dim: usize, f: f64) -> Rows {
        Rows::new(dim, (0..n * dim).map(|i| (i as f64 * f).sin()).collect()).unwrap()
    }

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn every_pair_comes_once_with_its_distance() {
        let (x, y) = (rows(SIDE + 3, 5, 1.7), rows(SIDE * 2 - 1, 5, 0.9));
        let pairs = RowPairs::of(&[&x, &y]).unwrap();
        let all: Vec<([usize; 2], Vec<f64>)> = pairs.tiles(|sets, squared| (sets, squared.to_vec()));
        let of = |sets: [usize; 2]| {
            sorted(all.iter().filter(|t| t.0 == sets).flat_map(|t| t.1.iter().copied()).collect())
        };
        let direct = |a: &Rows, b: &Rows, same: bool| {
            let from = |i: usize| if same { i + 1 } else { 0 };
            let of_row = |i: usize| (from(i)..b.n()).map(move |j| squared_distance(a.row(i), b.row(j)));
            sorted((0..a.n()).flat_map(of_row).collect())
        };
        for (sets, theirs) in
            [([0, 0], direct(&x, &x, true)), ([1, 1], direct(&y, &y, true)), ([0, 1], direct(&x, &y, false))]
        {
            let ours = of(sets);
            assert_eq!(ours.len(), theirs.len());
            assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() <= 1e-9 * b), "{sets:?}");
        }
        assert!(pairs.largest() >= all.iter().flat_map(|t| &t.1).copied().fold(0.0, f64::max));
        assert_eq!((pairs.n(), pairs.row(x.n())), (x.n() + y.n(), y.row(0)));
    }

    #[test]
    fn large_values_and_equal_rows_keep_their_digits() {
        let near = rows(300, 4, 1.3);
        let moved = |by: f64| {
            Rows::new(4, (0..300).flat_map(|i| near.row(i).iter().map(move |v| v + by)).collect()).unwrap()
        };
        // Two clouds far apart, far from 0: within each the expanded form has no digits left.
        let (x, y) = (moved(1e6), moved(1e9));
        let pairs = RowPairs::of(&[&x, &y]).unwrap();
        let within =
            |sets: [usize; 2], squared: &[f64]| (sets == [0, 0]).then(|| squared.iter().sum::<f64>());
        let ours: f64 = pairs.tiles(within).into_iter().flatten().sum();
        let theirs: f64 = (0..300)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| squared_distance(x.row(i), x.row(j)))
            .sum();
        assert!((ours - theirs).abs() <= 1e-12 * theirs, "{ours} and {theirs}");
        let same = RowPairs::of(&[&near, &near]).unwrap();
        let zeros: usize =
            same.tiles(|_, squared| squared.iter().filter(|d| **d == 0.0).count()).iter().sum();
        assert_eq!(zeros, 300);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let x = rows(3, 2, 1.0);
        let of = |other: &Rows| RowPairs::of(&[&x, other]).map(|_| ()).unwrap_err();
        assert_eq!(of(&rows(3, 4, 1.0)), AlignmentError::Widths { x: 2, y: 4 });
        assert_eq!(of(&rows(0, 2, 1.0)), AlignmentError::TooFewRows { n: 0 });
        assert_eq!(of(&Rows::new(2, vec![1e200, 0.0, -1e200, 0.0]).unwrap()), AlignmentError::TooLarge);
    }
}
