//! One module a page: read the URL, fetch, hand plain data down.

pub mod backbone;
pub mod backbones;
pub mod case;
pub mod compare;
pub mod dataset;
pub mod datasets;
pub mod experiments;
pub mod leaderboard;
pub mod new_experiment;
pub mod not_found;
pub mod queue;
pub mod run;
pub mod runs;
pub mod shared;
