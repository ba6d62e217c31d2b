//! The server and the worker of Transferscope, in rooms by what they serve: [`inputs`], [`queue`], [`results`],
//! [`storage`] and [`web`]. [`server`] puts the parts together.

pub mod config;
pub mod data_dir;
pub mod health;
pub mod inputs;
pub mod queue;
pub mod results;
pub mod server;
pub mod storage;
pub mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
pub mod web;

pub use web::{build_router, state::AppState};
