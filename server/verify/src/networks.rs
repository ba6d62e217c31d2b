//! Networks and their parts, from single layers to whole published models, and their checkpoints.

pub mod checkpoints;
pub mod layers;
pub mod profound;
pub mod provicnet;
pub mod tables;
mod tensors;
