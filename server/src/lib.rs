//! The server and the worker of Transferscope, in rooms by what they serve. A room knows those that stand before it in
//! this list, and none that come after it (`xtask/src/rooms.rs` holds it):
//!
//! 1. what every room may use: [`data_dir`], [`health`], [`off_thread`], [`telemetry`];
//! 2. [`inputs`]: data sets and backbones, which runs take in;
//! 3. [`queue`]: one run's way from what was asked for to its last recorded event;
//! 4. [`results`]: what finished runs say;
//! 5. [`storage`]: the database beside the folders that it is the index of;
//! 6. [`web`]: everything that speaks HTTP;
//! 7. [`config`] and [`server`], which put the rooms together, and the commands in `cli`.
//!
//! Start reading at [`server::Server::start`] for the whole, at [`queue`] for a run, at [`web`] for a request.

pub mod config;
pub mod data_dir;
pub mod health;
pub mod inputs;
pub mod off_thread;
pub mod queue;
pub mod results;
pub mod server;
pub mod storage;
pub mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
pub mod web;

pub use web::{build_router, state::AppState};

/// The version that health, new runs and papers state.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
