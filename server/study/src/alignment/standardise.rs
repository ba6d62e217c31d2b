//! Standardisation by a fixed set of features.

use super::{AlignmentError, Features, Rows};

/// Mean and deviation of each column of a reference set.
///
/// All sets that are compared are standardised by the *initial* features of the layer, so that
/// values along one training share a scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Standard {
    /// Measures `reference`: population deviation, in double precision. A constant column gets
    /// deviation 1, so that it is centred and no more.
    ///
    /// # Errors
    /// When the features are empty, of the wrong size, or not finite.
    pub fn of(reference: &Features) -> Result<Self, AlignmentError> {
        let rows = reference.rows()?;
        let n = rows.n() as f64;
        if rows.n() == 0 {
            return Err(AlignmentError::TooFewRows { n: 0 });
        }
        let mut mean = vec![0.0; rows.dim()];
        for row in rows.iter() {
            for (m, v) in mean.iter_mut().zip(row) {
                *m += v / n;
            }
        }
        let mut variance = vec![0.0; rows.dim()];
        for row in rows.iter() {
            for ((s, v), m) in variance.iter_mut().zip(row).zip(&mean) {
                *s += (v - m).powi(2) / n;
            }
        }
        // The rounding of the mean makes the deviation of equal values tiny, not zero.
        let deviation = variance
            .iter()
            .zip(&mean)
            .map(|(s, m)| if s.sqrt() <= 1e-12 * m.abs() { 1.0 } else { s.sqrt() })
            .collect();
        Ok(Self { mean, deviation })
    }

    /// `(value - mean) / deviation`, column by column.
    ///
    /// # Errors
    /// When the features are not finite, or their width is not the reference's.
    pub fn apply(&self, features: &Features) -> Result<Rows, AlignmentError> {
        let mut rows = features.rows()?;
        if rows.dim != self.mean.len() {
            return Err(AlignmentError::Widths { x: self.mean.len(), y: rows.dim });
        }
        for row in rows.data.chunks_exact_mut(rows.dim) {
            for ((v, m), s) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *v = (*v - m) / s;
            }
        }
        Ok(rows)
    }
}

impl Features {
    /// The same values in double precision.
    ///
    /// # Errors
    /// When `data` is not `n x dim` finite values.
    pub fn rows(&self) -> Result<Rows, AlignmentError> {
        if self.n.checked_mul(self.dim) != Some(self.data.len()) {
            return Err(AlignmentError::Shape { values: self.data.len(), dim: self.dim });
        }
        Rows::new(self.dim, self.data.iter().map(|v| f64::from(*v)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_gets_mean_0_and_deviation_1_and_constants_stay() {
        let reference = Features { n: 2, dim: 3, data: vec![1.0, 0.1, 7.0, 3.0, 0.1, 7.0] };
        let standard = Standard::of(&reference).unwrap();
        let rows = standard.apply(&reference).unwrap();
        assert_eq!(rows.row(0)[0], -1.0);
        assert_eq!(rows.row(1)[0], 1.0);
        assert!(rows.row(0)[1].abs() < 1e-15);
        let other = Features { n: 1, dim: 3, data: vec![4.0, 0.1, 9.0] };
        let rows = standard.apply(&other).unwrap();
        assert_eq!(rows.row(0)[0], 2.0);
        assert!((rows.row(0)[2] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn nonsense_is_refused() {
        let standard = Standard::of(&Features { n: 1, dim: 2, data: vec![1.0, 2.0] }).unwrap();
        let nan = Features { n: 1, dim: 2, data: vec![1.0, f32::NAN] };
        assert_eq!(standard.apply(&nan), Err(AlignmentError::NotFinite { row: 0, column: 1 }));
        let narrow = Features { n: 2, dim: 1, data: vec![1.0, 2.0] };
        assert_eq!(standard.apply(&narrow), Err(AlignmentError::Widths { x: 2, y: 1 }));
        let torn = Features { n: 2, dim: 2, data: vec![1.0; 3] };
        assert!(matches!(torn.rows(), Err(AlignmentError::Shape { .. })));
        let empty = Features { n: 0, dim: 2, data: vec![] };
        assert!(matches!(Standard::of(&empty), Err(AlignmentError::TooFewRows { .. })));
    }
}
