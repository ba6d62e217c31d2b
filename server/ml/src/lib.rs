//! Data, models, training, metrics and alignment of Transferscope; no web, no SQL.
//!
//! Shapes: volumes are `[B, C, D, H, W]` with D the slice axis; tokens are `[B, N, E]`.
//! Start reading at [`run::execute`].

pub mod data;
pub mod device;
pub mod nn;
pub mod observer;
pub mod run;
