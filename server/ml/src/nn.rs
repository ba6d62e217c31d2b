//! Layers that burn does not have, or has too slowly on the CPU.

pub mod depthwise;
pub mod grn;
pub mod kernels;
pub mod layer_norm;
pub mod patch;
pub mod resize;
