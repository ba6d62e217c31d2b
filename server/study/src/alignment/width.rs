//! Whether two sets of rows can be compared, and the distance of two rows.

use super::{AlignmentError, Rows, SquaredDistances};

/// Direct differences: the expanded form loses all digits where values are large.
pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

pub(super) fn same_width(x: &Rows, y: &Rows) -> Result<(), AlignmentError> {
    if x.dim() == y.dim() { Ok(()) } else { Err(AlignmentError::Widths { x: x.dim(), y: y.dim() }) }
}

pub(super) fn at_least(rows: &Rows, least: usize) -> Result<(), AlignmentError> {
    if rows.n() >= least { Ok(()) } else { Err(AlignmentError::TooFewRows { n: rows.n() }) }
}

/// Whether the distances of two sets fit into one matrix.
pub(super) fn fits(x: &Rows, y: &Rows) -> bool {
    x.n() + y.n() <= SquaredDistances::MOST_ROWS
}
