//! What came of runs: an experiment's analysis ([`study`], with alignments made of files in `measuring`), the leaderboard ([`board`]), scores before training
//! ([`predictions`], [`predicting`]), and curves and charts in formats of others ([`tensorboard`], [`picture`]).
//!
//! Numbers are computed in `study`, charts drawn in `app`; here they are brought together and kept. Start reading at
//! [`study`].

pub mod board;
mod measuring;
pub mod picture;
pub mod predicting;
pub mod predictions;
pub mod study;
pub mod tensorboard;
