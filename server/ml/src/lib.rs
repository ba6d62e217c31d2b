//! Models, training, alignment and pre-training of Transferscope; no web, no SQL. What needs no network
//! (data, metrics, physics, pictures) is the crate `transferscope_imaging`, what compares features is
//! `transferscope_study`; both are shown here under their names.
//!
//! Shapes: volumes are `[B, C, D, H, W]` with D the slice axis; tokens are `[B, N, E]`.
//! Start reading at [`run::execute`].

pub mod checkpoint;
pub mod device;
pub mod family;
pub mod infer;
pub mod init;
pub mod loss;
pub mod model;
pub mod nn;
pub mod observer;
pub mod outcome;
pub mod pair_sums;
pub mod params;
pub mod run;
pub mod run_dir;

pub mod backbone;
pub mod predict;
pub mod pretrain;
pub mod train;

pub use transferscope_imaging::{data, metrics, physics, preview};
pub use transferscope_study::{alignment, trajectory};
