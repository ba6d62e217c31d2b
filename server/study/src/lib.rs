//! What a study's numbers say: how features of networks compare, how well frozen features foretell a task,
//! how fast trainings converge, and with which certainty. No networks, no SQL, no pages.
//!
//! Everything is a pure function over rows and lists in double precision; what is random is drawn from a seed
//! that the caller gives. The definitions are those of `docs/study.md`.

pub mod alignment;
pub mod analysis;
pub mod board;
pub mod convergence;
pub mod feature_file;
pub mod paper;
pub mod similarity;
pub mod statistics;
pub mod trajectory;
pub mod transferability;
