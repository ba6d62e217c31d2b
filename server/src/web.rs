//! Everything that speaks HTTP. Start reading at [`router::build_router`].

pub(crate) mod api;
pub mod connections;
mod door;
pub mod error;
pub mod events_hub;
mod extract;
pub mod feeds;
pub(crate) mod files;
mod forms;
mod guard;
pub mod load;
pub mod once;
pub mod openapi;
mod pages;
pub(crate) mod policy;
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
