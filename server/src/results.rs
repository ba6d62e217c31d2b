//! What came of runs: an experiment's analysis ([`study`]), the leaderboard ([`board`]), scores before training
//! ([`predictions`], [`predicting`]), and curves and charts in formats of others ([`tensorboard`], [`picture`]).
//!
//! Numbers are computed in `study`, charts drawn in `app`; here they are brought together and kept. Start reading at
//! [`study`].

pub mod board;
pub mod picture;
pub mod predicting;
pub mod predictions;
pub mod study;
pub mod tensorboard;
