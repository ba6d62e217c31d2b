//! What the server lends to the pages; absent in the browser.

use std::sync::Arc;

use transferscope_domain::{
    api::{BackboneView, Made},
    dataset::DatasetManifest,
    report::LoadReport,
};

/// File names of the browser bundle below `/pkg/`, content-hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteAssets {
    pub js: String,
    pub wasm: String,
    pub css: String,
}

/// Load report and making of a backbone, as far as its card tells.
pub type Card = (Option<LoadReport>, Option<Made>);

/// Data sets and backbones, which live in the file system rather than in the store.
#[derive(Clone)]
pub struct Catalogue {
    pub datasets: Arc<dyn Fn() -> Vec<DatasetManifest> + Send + Sync>,
    pub backbones: Arc<dyn Fn() -> Vec<BackboneView> + Send + Sync>,
    /// The card of the backbone of a name.
    pub card: Arc<dyn Fn(&str) -> Card + Send + Sync>,
    /// What to say while the built-in data set is being made; none when nothing is under way.
    pub preparing: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}
