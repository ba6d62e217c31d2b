//! Layers that burn does not have, or has too slowly on the CPU.

pub mod attention;
pub mod batch_norm;
pub mod conv;
pub mod depthwise;
mod direct;
pub mod drop_path;
pub mod gelu;
pub mod grn;
pub mod kernels;
pub mod layer_norm;
pub mod linear;
pub mod lora;
pub mod patch;
pub mod positions;
pub mod precision;
pub mod repeat;
pub mod resize;
pub mod rows;

/// What a layer is run for, where training and evaluation differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Train,
    Eval,
}
