//! Procrustes: how well one set of features can be turned into the other.

use super::{centred, paired, product};
use crate::alignment::{AlignmentError, Rows};

/// The best match by a rotation of centred features of unit size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Procrustes {
    /// Sum of the singular values of `y' x`: 1 where they match.
    pub nuclear_norm: f64,
}

impl Procrustes {
    /// None where a set is constant.
    ///
    /// # Errors
    /// When the sets differ in rows or have fewer than two.
    pub fn of(x: &Rows, y: &Rows) -> Result<Option<Self>, AlignmentError> {
        paired(x, y)?;
        let (x, y) = (centred(x), centred(y));
        let size = x.norm() * y.norm();
        let found = || Self { nuclear_norm: product(&y, &x).singular_values().sum() / size };
        Ok((size > 0.0).then(found))
    }

    /// `2 - 2 N`.
    pub fn distance_squared(self) -> f64 {
        2.0 - 2.0 * self.nuclear_norm
    }
}
