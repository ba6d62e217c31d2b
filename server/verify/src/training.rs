//! What a training is made of: losses, optimisers, learning rates, and five steps of all of it together.

pub mod finetune;
pub mod losses;
pub mod optimisers;
