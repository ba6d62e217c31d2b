//! What compares features, scores transfer and tells certainty: the group `analysis`.

pub mod curves;
mod keys;
pub mod mmd;
pub mod similarity;
pub mod statistics;
pub mod transferability;

/// Inputs of the group.
pub const TENSORS: &str = "analysis/analysis.safetensors";
