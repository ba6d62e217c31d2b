//! Which patches are compared: a patch of cancer with its cancerous neighbours, and with healthy
//! patches.
//!
//! # Source
//! ProViCNet's pair finding: for every anchor the 3x3 neighbours, in the order of rows. The order of
//! the pairs is upstream's too.

/// Two patches of a slice, by index on its grid (row-major), and whether they belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub anchor: usize,
    pub other: usize,
    pub positive: bool,
}

/// Which healthy patches an anchor is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negatives {
    /// Healthy neighbours.
    Near,
    /// The healthy patch two steps away, behind a healthy neighbour.
    Distant,
}

/// What happens at the edge of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BorderRule {
    /// Neighbours and distant patches outside the grid do not exist.
    Stop,
    /// As published: an anchor in the first row or column has no pairs, a distant patch before the
    /// first row or column is the last one, and one behind the last is an error.
    Published,
}

/// How pairs are found; counts are pixels of cancer in a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairRule {
    /// Least count of an anchor and of its positives.
    pub anchor: usize,
    /// Largest count of a healthy patch.
    pub healthy: usize,
    pub negatives: Negatives,
    pub border: BorderRule,
}

impl PairRule {
    /// Of the published training, whose patches have 64 pixels.
    pub const PUBLISHED: Self =
        Self { anchor: 62, healthy: 2, negatives: Negatives::Distant, border: BorderRule::Published };
}

/// A distant patch lies behind the grid: [`BorderRule::Published`] takes no pairs from the whole batch
/// then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a distant patch lies behind the last row or column")]
pub struct OutOfGrid;

/// Pixels in every square cell of `cell` pixels that `is_cancer` is true of, slice by slice.
///
/// # Shapes
/// `labels [S, rows * cell, columns * cell]` -> `[S, rows, columns]`
pub fn cell_counts<L: Copy>(
    labels: &[L],
    [rows, columns]: [usize; 2],
    cell: usize,
    is_cancer: impl Fn(L) -> bool,
) -> Vec<usize> {
    let width = columns * cell;
    let mut counts = vec![0; labels.len() / (cell * cell)];
    for (line, labels) in labels.chunks_exact(width).enumerate() {
        let row = line / (rows * cell) * rows + line % (rows * cell) / cell;
        for (x, label) in labels.iter().enumerate() {
            counts[row * columns + x / cell] += usize::from(is_cancer(*label));
        }
    }
    counts
}

/// All pairs of one slice: anchors row by row, of each its positives and then its negatives.
///
/// # Shapes
/// `counts [rows, columns]`
///
/// # Errors
/// With [`BorderRule::Published`] only.
pub fn pairs(counts: &[usize], grid: [usize; 2], rule: &PairRule) -> Result<Vec<Pair>, OutOfGrid> {
    let mut pairs = Vec::new();
    for y in 0..grid[0] {
        for x in 0..grid[1] {
            let anchor = y * grid[1] + x;
            let skipped = rule.border == BorderRule::Published && (y == 0 || x == 0);
            if counts[anchor] < rule.anchor || skipped {
                continue;
            }
            let mut negatives = Vec::new();
            for step in STEPS {
                let Some(near) = inside([y, x], step, grid) else { continue };
                if counts[near] >= rule.anchor {
                    pairs.push(Pair { anchor, other: near, positive: true });
                } else if counts[near] <= rule.healthy {
                    let other = match rule.negatives {
                        Negatives::Near => Some(near),
                        Negatives::Distant => distant([y, x], step, grid, rule.border)?,
                    };
                    let healthy = other.filter(|other| counts[*other] <= rule.healthy);
                    negatives.extend(healthy.map(|other| Pair { anchor, other, positive: false }));
                }
            }
            pairs.extend(negatives);
        }
    }
    Ok(pairs)
}

/// To the eight neighbours, row by row.
const STEPS: [[isize; 2]; 8] = [[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1]];

/// The cell one step away, if it is on the grid.
fn inside(at: [usize; 2], step: [isize; 2], grid: [usize; 2]) -> Option<usize> {
    let [y, x] = [0, 1].map(|axis| at[axis].checked_add_signed(step[axis]).filter(|i| *i < grid[axis]));
    Some(y? * grid[1] + x?)
}

/// The cell two steps away; none where the grid has ended.
fn distant(
    at: [usize; 2],
    step: [isize; 2],
    grid: [usize; 2],
    border: BorderRule,
) -> Result<Option<usize>, OutOfGrid> {
    let step = step.map(|s| 2 * s);
    match border {
        BorderRule::Stop => Ok(inside(at, step, grid)),
        BorderRule::Published => {
            let index = |axis: usize| match at[axis].checked_add_signed(step[axis]) {
                Some(i) if i < grid[axis] => Ok(i),
                Some(_) => Err(OutOfGrid),
                // Anchors are at 1 at least, so this is index -1.
                None => Ok(grid[axis] - 1),
            };
            Ok(Some(index(0)? * grid[1] + index(1)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: PairRule =
        PairRule { anchor: 32, healthy: 2, negatives: Negatives::Distant, border: BorderRule::Stop };

    #[test]
    fn pairs_are_near_cancer_and_distant_health() {
        // Two neighbouring anchors in the middle of a 5 x 6 grid.
        let mut lesion = vec![0; 30];
        lesion[2 * 6 + 2] = 64;
        lesion[2 * 6 + 3] = 40;
        let all = pairs(&lesion, [5, 6], &STOP).unwrap();
        let positive: Vec<_> = all.iter().filter(|p| p.positive).map(|p| (p.anchor, p.other)).collect();
        assert_eq!(positive, [(14, 15), (15, 14)]);
        // From (2, 2) two steps to the left is (2, 0); two to the right passes the other anchor.
        assert!(all.contains(&Pair { anchor: 14, other: 12, positive: false }));
        assert!(all.iter().all(|p| p.positive || lesion[p.other] == 0));
        assert!(pairs(&[64; 1], [1, 1], &STOP).unwrap().is_empty());
    }

    #[test]
    fn the_border_stops_wraps_or_fails() {
        let published = PairRule { border: BorderRule::Published, ..STOP };
        let others = |row: usize, rule: &PairRule| {
            let mut lesion = vec![0; 30];
            lesion[row * 6 + 2] = 64;
            pairs(&lesion, [5, 6], rule).map(|p| p.into_iter().map(|p| p.other).collect::<Vec<_>>())
        };
        assert_eq!(others(0, &STOP).unwrap(), [0, 4, 2 * 6, 2 * 6 + 2, 2 * 6 + 4]);
        assert!(others(0, &published).unwrap().is_empty());
        // Two rows above row 1 is the last one.
        assert!(others(1, &published).unwrap().starts_with(&[4 * 6, 4 * 6 + 2, 4 * 6 + 4]));
        assert!(others(1, &STOP).unwrap().iter().all(|i| *i < 4 * 6));
        assert_eq!(others(3, &published), Err(OutOfGrid));
        assert!(others(3, &STOP).unwrap().iter().all(|i| *i < 4 * 6));
        let near = PairRule { negatives: Negatives::Near, ..published };
        assert_eq!(others(3, &near).unwrap().len(), 8);
    }

    #[test]
    fn cells_are_counted_slice_by_slice() {
        let labels: Vec<u8> = (0..2 * 4 * 6).map(|i| u8::from(i % 5 == 0)).collect();
        let counts = cell_counts(&labels, [2, 3], 2, |l| l == 1);
        assert_eq!(counts.len(), 2 * 2 * 3);
        let by_hand = |s: usize, y: usize, x: usize| -> usize {
            let pixel = |dy, dx| usize::from(labels[(s * 4 + 2 * y + dy) * 6 + 2 * x + dx]);
            pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1)
        };
        for (i, count) in counts.iter().enumerate() {
            assert_eq!(*count, by_hand(i / 6, i / 3 % 2, i % 3));
        }
    }
}
