//! Fine-tuning: from a data set's cases to examples, batches, steps, validation and checkpoints.
//!
//! Start reading at [`fit::fit`]; what a whole run does besides is in [`crate::run`].

pub mod adapt;
pub mod batch;
pub mod evaluate;
pub mod example;
pub mod fit;
pub mod layer_decay;
pub mod optimiser;
pub mod param_groups;
pub mod probe;
pub mod schedule;
pub mod state;
pub mod view;
