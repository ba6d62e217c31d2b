//! What the server lends to the pages; absent in the browser.

use std::{pin::Pin, sync::Arc};

use transferscope_domain::{
    api::{BackboneView, Made, QueuePause},
    dataset::{
        DatasetManifest,
        view::{CaseDetail, Checked},
    },
    report::LoadReport,
};

use crate::AppError;

/// File names of the browser bundle below `/pkg/`, content-hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteAssets {
    pub js: String,
    pub wasm: String,
    pub css: String,
}

/// Scheme, host and base path by which the page was asked for, as previews of links need them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteUrl(pub String);

/// How many runs are trained at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers(pub usize);

/// Why no run is started now; none where runs are.
#[derive(Debug, Clone, PartialEq)]
pub struct Paused(pub Option<QueuePause>);

/// Load report and making of a backbone, as far as its card tells.
pub type Card = (Option<LoadReport>, Option<Made>);

/// A case that is on its way.
pub type LoadingCase = Pin<Box<dyn Future<Output = Result<CaseDetail, AppError>> + Send>>;

/// An experiment with its analysis.
#[cfg(feature = "ssr")]
#[derive(Debug, Clone)]
pub struct Study {
    pub view: transferscope_domain::api::ExperimentView,
    pub analysis: transferscope_study::analysis::Analysis,
    pub backbones: Vec<transferscope_study::analysis::BackboneFacts>,
    /// Scores from before training, by task.
    pub predictions: Vec<transferscope_domain::prediction::Prediction>,
    /// Whether further scores are on their way.
    pub scoring: Scoring,
    /// Pages of it that were frozen.
    pub frozen: Vec<transferscope_domain::api::FrozenLink>,
    pub synthetic: bool,
    /// Seconds until all planned runs are done, one after the other; none before a run has finished.
    pub time_left_s: Option<f64>,
    /// Planned runs that are neither finished nor under way.
    pub missing: usize,
}

/// Scores of frozen features that a page has asked for.
#[cfg(feature = "ssr")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scoring {
    Idle,
    /// In words.
    Busy(String),
    /// Why there are none.
    Failed(String),
}

/// Whole experiments side by side.
#[cfg(feature = "ssr")]
#[derive(Debug, Clone)]
pub struct Versus {
    pub studies: Vec<Study>,
    pub networks: Vec<transferscope_study::analysis::Network>,
    /// Experiments that were asked for and are not there.
    pub missing: Vec<transferscope_domain::ExperimentId>,
}

/// A study that is on its way.
#[cfg(feature = "ssr")]
pub type LoadingStudy = Pin<Box<dyn Future<Output = Result<Study, AppError>> + Send>>;

/// Experiments side by side that are on their way.
#[cfg(feature = "ssr")]
pub type LoadingVersus = Pin<Box<dyn Future<Output = Result<Versus, AppError>> + Send>>;

/// A leaderboard that is on its way.
#[cfg(feature = "ssr")]
pub type LoadingBoard =
    Pin<Box<dyn Future<Output = Result<transferscope_domain::api::LeaderboardView, AppError>> + Send>>;

/// Data sets and backbones, which live in the file system rather than in the store.
#[derive(Clone)]
pub struct Catalogue {
    pub datasets: Arc<dyn Fn() -> Vec<DatasetManifest> + Send + Sync>,
    pub backbones: Arc<dyn Fn() -> Vec<BackboneView> + Send + Sync>,
    /// The card of the backbone of a name.
    pub card: Arc<dyn Fn(&str) -> Card + Send + Sync>,
    /// The check of a data set, or how far it is.
    pub checked: Arc<dyn Fn(&DatasetManifest) -> Checked + Send + Sync>,
    /// A case by the names of its data set and its own.
    pub case: Arc<dyn Fn(String, String) -> LoadingCase + Send + Sync>,
    /// Whether the directory of a run is still there.
    pub has_files: Arc<dyn Fn(&transferscope_domain::RunId) -> bool + Send + Sync>,
    /// An experiment, looked at in a way.
    #[cfg(feature = "ssr")]
    pub study: Arc<
        dyn Fn(transferscope_domain::ExperimentId, transferscope_study::analysis::Choice) -> LoadingStudy
            + Send
            + Sync,
    >,
    /// Experiments side by side; the first is what the others are held against.
    #[cfg(feature = "ssr")]
    pub versus: Arc<dyn Fn(Vec<transferscope_domain::ExperimentId>) -> LoadingVersus + Send + Sync>,
    /// The leaderboard for a question.
    #[cfg(feature = "ssr")]
    pub board: Arc<dyn Fn(transferscope_store::LeaderboardQuery) -> LoadingBoard + Send + Sync>,
    /// What to say while the built-in data set is being made; none when nothing is under way.
    pub preparing: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}
