//! Everything that speaks HTTP: the JSON API and the streams (`api`), what pages post (`forms`), what is sent as a file
//! (`files`), and the pages (`pages`).
//!
//! A request passes [`connections`], the [`router`] with [`load`], `door` and `guard`, and then its handler. Handlers
//! extract, ask the rooms below, and answer; rules are in `domain`, SQL in the store, and what is done for a request in
//! `inputs`, `queue` and `results`, none of which knows of HTTP. Every error is a problem document ([`error`]). Start
//! reading at [`router::build_router`].

pub(crate) mod api;
pub mod connections;
mod door;
pub mod error;
pub mod events_hub;
mod extract;
pub mod feeds;
mod files;
mod forms;
mod guard;
pub mod load;
pub mod once;
pub mod openapi;
mod page_data;
mod pages;
mod policy;
pub mod reach;
pub mod router;
mod site;
pub mod state;
#[cfg(test)]
mod tests;

pub use pages::paths as page_paths;
pub use router::build_router;

/// Largest body that is read.
pub const BODY_MAX: usize = 1 << 20;
