//! Fine-tuning: from a data set's cases to examples, batches, steps, validation and checkpoints.
//!
//! Start reading at [`fit::fit`] and [`training_loop`]; what a whole run does besides is in [`crate::run`].

pub mod adapt;
pub mod baseline;
pub mod batch;
pub mod dataset;
pub mod evaluate;
pub mod example;
pub mod features;
pub mod fit;
pub mod layer_decay;
pub mod loader;
pub mod optimiser;
pub mod placement;
mod prepare;
pub mod previews;
pub mod sampling;
pub mod schedule;
mod scores;
pub mod sound;
pub mod state;
pub mod task_loss;
pub mod training_loop;
