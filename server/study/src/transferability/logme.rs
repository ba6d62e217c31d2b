//! LogME: the evidence of a linear model from features to a task.

use nalgebra::{DMatrix, DVector};

/// When the fixed-point steps end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// After 11 steps, or a change of less than 1 %, as published.
    Published,
    /// Where nothing changes any more.
    Converged,
}

impl Stop {
    fn steps(self) -> (usize, f64) {
        match self {
            Stop::Published => (11, 0.01),
            Stop::Converged => (10_000, 1e-12),
        }
    }
}

/// Singular directions of the features, and their squared singular values.
struct Directions {
    u: DMatrix<f64>,
    squares: Vec<f64>,
    n: f64,
}

impl Directions {
    fn of(features: &DMatrix<f64>) -> Option<Self> {
        let svd = features.clone().svd(true, false);
        let squares = svd.singular_values.iter().map(|s| s * s).collect();
        Some(Self { u: svd.u?, squares, n: features.nrows() as f64 })
    }

    /// Log evidence a row of one list of numbers.
    fn evidence(&self, y: &DVector<f64>, stop: Stop) -> Option<f64> {
        let along: Vec<f64> = self.u.tr_mul(y).iter().map(|v| v * v).collect();
        let outside = (y.norm_squared() - along.iter().sum::<f64>()).max(0.0);
        let pairs = || self.squares.iter().zip(&along);
        let (steps, change) = stop.steps();
        let (mut alpha, mut beta) = (1.0f64, 1.0f64);
        let (mut size, mut rest) = (0.0, 0.0);
        for _ in 0..steps {
            let ratio = alpha / beta;
            let used: f64 = self.squares.iter().map(|s| s / (s + ratio)).sum();
            size = pairs().map(|(s, a)| s * a / (s + ratio).powi(2)).sum();
            rest = outside + pairs().map(|(s, a)| a * (ratio / (s + ratio)).powi(2)).sum::<f64>();
            let next = (used / size, (self.n - used) / rest);
            // Features that tell nothing drive alpha to infinity, and the evidence to its limit.
            if !(next.0 / next.1).is_finite() {
                break;
            }
            (alpha, beta) = next;
            if ((alpha / beta - ratio) / ratio).abs() < change {
                break;
            }
        }
        let determinant: f64 = self.squares.iter().map(|s| (alpha / (alpha + beta * s)).ln()).sum();
        let evidence = 0.5 * determinant + 0.5 * self.n * beta.ln()
            - 0.5 * beta * rest
            - 0.5 * alpha * size
            - 0.5 * self.n * (2.0 * std::f64::consts::PI).ln();
        Some(evidence / self.n).filter(|e| e.is_finite())
    }
}

/// Mean over columns of the evidence of each: of numbers, or of ones for the rows of a class. Features are taken as they
/// are, not centred.
///
/// # Source
/// You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning" (2021).
pub fn logme_values(features: &DMatrix<f64>, values: &DMatrix<f64>, stop: Stop) -> Option<f64> {
    let directions = Directions::of(features)?;
    let each = values.column_iter().map(|column| directions.evidence(&column.into_owned(), stop));
    crate::statistics::mean(&each.collect::<Option<Vec<_>>>()?)
}
