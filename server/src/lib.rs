//! The server and the worker of Transferscope.
//!
//! One run's way: [`dispatcher`] takes it from the queue and hands it to an [`executor`], which
//! starts a [`worker`] process; that one writes an [`event_log`], which the [`recorder`] brings
//! into the database. [`server`] puts the parts together.

pub mod autopsy;
pub mod board;
pub mod builtin_data;
pub mod case_cache;
pub mod config;
pub mod connections;
pub mod data_dir;
pub mod database;
pub mod dataset_checks;
pub mod dispatcher;
pub mod error;
pub mod event_log;
pub mod events_hub;
pub mod executor;
pub mod feeds;
pub mod health;
pub mod litter;
pub mod load;
pub mod openapi;
pub mod picture;
pub mod predicting;
pub mod predictions;
pub mod reach;
pub mod recorder;
pub mod reindex;
pub mod request_file;
pub mod resume;
pub mod routes;
pub mod server;
pub mod state;
pub mod study;
pub mod submit;
pub mod telemetry;
pub mod tensorboard;
#[cfg(test)]
pub(crate) mod testing;
pub mod viewer;
pub mod worker;

pub use routes::build_router;
pub use state::AppState;
