//! How far training moved a layer's features.
//!
//! Squared maximum mean discrepancy (MMD²) with its bandwidth and a permutation p-value, in units of the features before
//! training; [`crate::trajectory`] takes them through a training. The parts are pure functions over rows in double
//! precision; where features come from and which cases they belong to is the caller's business.

mod bandwidth;
mod between;
mod discrepancy;
mod distances;
pub(crate) mod estimate;
mod mmd;
mod permutation;
mod selection;
mod standardise;
mod tiles;
mod width;

pub use bandwidth::{gamma_from_sigma, median_bandwidth, median_distance, pooled_bandwidth};
pub use between::mmd2_between;
pub use discrepancy::{Discrepancy, Estimate, Kernel};
pub use distances::{energy_distance, frechet_distance};
pub use mmd::{KernelMatrix, SquaredDistances, mmd2_biased, mmd2_unbiased};
pub use permutation::{all_dealings, null_values, permutation_p, seeded_permutations};
pub use standardise::Standard;

/// Features of one layer: one row a case (or token), as the model gave them.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Rows.
    pub n: usize,
    /// Values in a row.
    pub dim: usize,
    /// Row-major `[n, dim]`.
    pub data: Vec<f32>,
}

/// Where the sums over all pairs of very many rows are computed instead of here.
pub trait PairSums: std::fmt::Debug + Sync {
    /// Sums of `exp(-gamma |a - b|²)` over all pairs within `x`, within `y` (a row with itself included) and between
    /// them, of sets of the same width.
    fn kernel_sums(&self, x: &Rows, y: &Rows, gamma: f64) -> [f64; 3];
}

/// Rows of equal length in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    dim: usize,
    data: Vec<f64>,
}

impl Rows {
    /// Rows of `dim` values from row-major `data`.
    ///
    /// # Errors
    /// When `data` is not a whole number of rows, or holds a NaN or an infinity.
    pub fn new(dim: usize, data: Vec<f64>) -> Result<Self, AlignmentError> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            return Err(AlignmentError::Shape { values: data.len(), dim });
        }
        if let Some(at) = data.iter().position(|v| !v.is_finite()) {
            return Err(AlignmentError::NotFinite { row: at / dim, column: at % dim });
        }
        Ok(Self { dim, data })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.data.len() / self.dim
    }

    /// Values in a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Row `i`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.dim..(i + 1) * self.dim]
    }

    fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.data.chunks_exact(self.dim)
    }
}

/// Why features cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlignmentError {
    #[error("{values} values are not a whole number of rows of {dim}")]
    Shape { values: usize, dim: usize },
    #[error("row {row}, column {column} of the features is NaN or infinite")]
    NotFinite { row: usize, column: usize },
    #[error("features of {x} and {y} values a row cannot be compared; both must come from the same layer")]
    Widths { x: usize, y: usize },
    #[error("{x} and {y} rows cannot be paired; both must be of the same cases")]
    Unpaired { x: usize, y: usize },
    #[error("{n} row(s) are too few: the unbiased estimate needs at least 2 on each side")]
    TooFewRows { n: usize },
    #[error("{n} rows are too many for one kernel matrix: take at most {most} of both sets together")]
    TooManyRows { n: usize, most: usize },
    #[error("the features are so large that their squared distances are beyond double precision")]
    TooLarge,
    #[error(
        "layer {position} is {initial:?} before training and {tuned:?} after: the two lists must name the same layers in the same order"
    )]
    Layers { position: usize, initial: String, tuned: String },
    #[error("layer {layer}: {source}")]
    InLayer { layer: String, source: Box<AlignmentError> },
}
