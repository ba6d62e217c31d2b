//! What runs take in: data sets and backbones as they lie in the data folder, for pages, API and submission.
//!
//! Formats and checks themselves are in `imaging`, checkpoints in `ml`; nothing here knows of runs or of HTTP. Start
//! reading at [`catalogue`].

pub mod builtin_data;
pub mod case_cache;
pub mod catalogue;
pub mod dataset_checks;
pub mod viewer;
