//! Pure data and rules of Transferscope, shared by the browser, the server and the worker.
//!
//! No I/O, no async, no clock, no randomness: everything here builds for `wasm32` and is the
//! same on both sides. Start reading at [`run`] (what is asked for and what is stored),
//! [`event`] (everything that a run can say) and [`api`] (the JSON that leaves the server).

pub mod adaptation;
pub mod alignment;
pub mod api;
pub mod architecture;
pub mod arm;
pub mod backbone;
mod choice;
pub mod dataset;
pub mod event;
pub mod experiment;
pub mod failure;
pub mod family;
pub mod form;
pub mod ids;
pub mod leaderboard;
pub mod metric;
pub mod name;
pub mod objective;
pub mod prediction;
pub mod pretraining;
pub mod recipe;
#[cfg(test)]
mod reference;
pub mod report;
pub mod run;
pub mod setting;
pub mod study;
pub mod table_cell;
pub mod task;
pub mod training;
pub mod unsure;

pub use adaptation::Adaptation;
pub use architecture::Architecture;
pub use arm::Arm;
pub use backbone::Backbone;
pub use failure::{Failure, FailureKind};
pub use family::Family;
pub use ids::{ExperimentId, RunId, ShareSlug};
pub use metric::{Direction, MetricKind};
pub use name::{Inputs, Name};
pub use objective::Objective;
pub use recipe::{Augmentation, Degradation, Head, Inference, Loss, Optimiser, Precision, Target};
pub use run::{RunRequest, RunState};
pub use setting::Setting;
pub use task::{Task, TaskKind};
pub use training::{Overrides, TrainingSpec};
pub use unsure::Unsure;
