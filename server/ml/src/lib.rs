//! Data, models, training, metrics and alignment of Transferscope; no web, no SQL.
//!
//! Shapes: volumes are `[B, C, D, H, W]` with D the slice axis; tokens are `[B, N, E]`.
//! Start reading at [`run::execute`].

pub mod alignment;
pub mod checkpoint;
pub mod data;
pub mod device;
pub mod infer;
pub mod init;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod nn;
pub mod observer;
pub mod params;
pub mod preview;
pub mod run;

pub mod backbone;
pub mod physics;
pub mod pretrain;
#[cfg(test)]
pub mod reference;
pub mod train;
pub mod verify;
