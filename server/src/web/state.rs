//! What handlers and pages need, in one value.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use axum::{extract::FromRef, http::request::Parts};
use leptos::prelude::{LeptosOptions, provide_context, use_context};
use leptos_router::location::RequestUrl;
use serde::Deserialize;
use tokio::sync::Notify;
use transferscope_app::{
    Catalogue, SiteAssets,
    context::{Paused, Workers},
};
use transferscope_domain::{
    RunId,
    api::{BackboneView, QueuePause},
    dataset::DatasetManifest,
    run::DeviceChoice,
};
use transferscope_ml::{backbone, data::manifest};
use transferscope_store::Store;

use super::{events_hub::EventsHub, load::Load, once::Once, policy, reach::Reach};
use crate::{
    data_dir::DataDir,
    health::Health,
    inputs::{case_cache::CaseCache, dataset_checks::DatasetChecks, viewer},
    queue::dispatcher::Pause,
    results::{
        board::Boards,
        predicting::Predicting,
        study::{self, Studies},
    },
};

/// Says what is under way before the first experiment can start; none when nothing is.
pub type Preparing = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The state of the web server; clones share everything.
#[derive(Clone)]
pub struct AppState {
    pub store: Store,
    pub data: DataDir,
    pub checks: DatasetChecks,
    /// Cases that are being looked at.
    pub cases: CaseCache,
    /// The folder that holds `pkg/`.
    pub site_dir: PathBuf,
    /// The browser bundle; none where none was built, and then pages come without scripts.
    pub assets: Option<SiteAssets>,
    pub events: EventsHub,
    /// What is wrong with the server now.
    pub health: Arc<Health>,
    /// Why no run is started, where that is so.
    pub pause: Pause,
    /// Wakes the dispatcher when something was queued or asked to stop.
    pub wake: Arc<Notify>,
    /// Scores of frozen features that a page has asked for.
    pub predicting: Predicting,
    /// Forms that were sent just now.
    pub once: Once,
    /// Analyses of experiments that pages have asked for.
    pub studies: Studies,
    /// Leaderboards that were asked for.
    pub boards: Boards,
    /// How much is taken on at once.
    pub load: Load,
    /// Workers at once.
    pub jobs: usize,
    /// What new runs ask for.
    pub device: DeviceChoice,
    /// The device of this machine in words.
    pub device_text: Arc<str>,
    /// What writing needs; none where only this machine can reach the server.
    pub token: Option<Arc<str>>,
    /// By which names it may be asked.
    pub reach: Arc<Reach>,
    pub preparing: Preparing,
}

/// The version that health and new runs state.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

impl AppState {
    /// A state with an idle dispatcher, no bundle, no token and nothing under way; the fields are
    /// there to be set.
    pub fn new(store: Store, data: DataDir, device: DeviceChoice) -> Self {
        Self {
            store,
            checks: DatasetChecks::new(data.clone()),
            cases: CaseCache::default(),
            data,
            site_dir: PathBuf::from("target/site"),
            assets: None,
            events: EventsHub::default(),
            health: Health::new(),
            pause: Pause::default(),
            wake: Arc::default(),
            predicting: Predicting::default(),
            once: Once::default(),
            studies: Studies::default(),
            boards: Boards::default(),
            load: Load::default(),
            jobs: 1,
            device,
            device_text: device.to_string().into(),
            token: None,
            reach: Arc::new(Reach::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))),
            preparing: Arc::new(|| None),
        }
    }

    /// The same for a server that others can reach: writing needs the token, and what people read names no folder outside
    /// of the data.
    pub fn with_token(mut self, token: Arc<str>) -> Self {
        self.store = self.store.hiding_paths_outside(self.data.root());
        self.token = Some(token);
        self
    }

    /// The same with the browser bundle of `site_dir`, where there is one.
    pub fn with_site(mut self, site_dir: &Path) -> Self {
        self.assets = site_assets(site_dir);
        self.site_dir = site_dir.to_owned();
        self
    }

    /// Why the queue is paused, where it is, as whoever asks may see it.
    pub fn paused(&self) -> Option<QueuePause> {
        let pause = self.pause.view(Instant::now())?;
        Some(QueuePause { reason: self.store.shown(&pause.reason).into_owned(), ..pause })
    }

    /// Tells streams that a run has changed, and the dispatcher to look at the queue.
    pub fn run_changed(&self, run: &RunId) {
        self.events.run_changed(run);
        self.wake.notify_one();
    }

    /// Data sets and backbones as they are in the data folder now.
    pub fn catalogue(&self) -> Catalogue {
        let (data, for_backbones, for_cards) = (self.data.clone(), self.data.clone(), self.data.clone());
        let (checks, store) = (self.checks.clone(), self.store.clone());
        let (for_cases, for_studies) = (self.clone(), self.clone());
        let (for_boards, for_versus) = ((self.boards.clone(), self.store.clone()), self.clone());
        let for_files = self.data.clone();
        Catalogue {
            datasets: Arc::new(move || datasets(&data)),
            backbones: Arc::new(move || backbones(&for_backbones)),
            card: Arc::new(move |name: &str| backbone::card(for_cards.root(), name)),
            checked: Arc::new(move |manifest: &DatasetManifest| checks.look(manifest, &store)),
            case: Arc::new(move |dataset, case| Box::pin(viewer::for_page(for_cases.clone(), dataset, case))),
            has_files: Arc::new(move |run: &RunId| for_files.run(run).is_dir()),
            study: Arc::new(move |id, choice| Box::pin(study::for_page(for_studies.clone(), id, choice))),
            versus: Arc::new(move |ids| Box::pin(study::versus_for_page(for_versus.clone(), ids))),
            board: Arc::new(move |query| {
                let (boards, store) = for_boards.clone();
                Box::pin(boards.for_page(store, query))
            }),
            preparing: Arc::clone(&self.preparing),
        }
    }

    /// Lends everything that pages ask for to the page that is being rendered.
    pub fn provide_to_page(&self) {
        provide_context(self.store.clone());
        provide_context(self.catalogue());
        provide_context(Workers(self.jobs));
        provide_context(Paused(self.paused()));
        policy::provide();
        request_url(self.reach.base());
        if let Some(assets) = &self.assets {
            provide_context(assets.clone());
        }
    }
}

/// Below a base path the pages' own router knows whole paths, as the browser does.
fn request_url(base: &str) {
    if let Some(parts) = use_context::<Parts>().filter(|_| !base.is_empty()) {
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        provide_context(RequestUrl::new(&format!("http://localhost{base}{path}")));
    }
}

/// The data sets of a data folder; what cannot be read is in the log and not in the list.
pub fn datasets(data: &DataDir) -> Vec<DatasetManifest> {
    manifest::list(&data.datasets()).unwrap_or_else(|error| {
        tracing::error!(%error, "the data sets cannot be listed");
        Vec::new()
    })
}

/// One data set of a data folder; none where there is none of this name that can be read.
pub fn dataset(data: &DataDir, name: &str) -> Option<DatasetManifest> {
    if !manifest::is_name(name) {
        return None;
    }
    let folder = data.datasets().join(name);
    if !folder.join(manifest::FILE).is_file() {
        return None;
    }
    match manifest::load(&folder) {
        Ok(manifest) => (manifest.name == name).then_some(manifest),
        Err(error) => {
            tracing::error!(dataset.id = name, %error, "the data set cannot be read");
            None
        }
    }
}

/// The backbones that ship with the program and those that were added to a data folder; their runs
/// are not counted.
pub fn backbones(data: &DataDir) -> Vec<BackboneView> {
    backbone::registry(data.root()).into_iter().map(|backbone| BackboneView { backbone, runs: 0 }).collect()
}

/// `pkg/manifest.json`, written with the bundle.
#[derive(Deserialize)]
struct Manifest {
    js: String,
    wasm: String,
    css: String,
}

fn site_assets(site_dir: &Path) -> Option<SiteAssets> {
    let path = site_dir.join("pkg").join("manifest.json");
    let parsed = std::fs::read(&path)
        .map_err(|e| e.to_string())
        .and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).map_err(|e| e.to_string()));
    match parsed {
        Ok(Manifest { js, wasm, css }) => Some(SiteAssets { js, wasm, css }),
        Err(error) => {
            tracing::warn!(
                path = %path.display(),
                %error,
                "no browser bundle: pages come without styles and scripts; make it with `cargo xtask build`"
            );
            None
        }
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        LeptosOptions::builder()
            .output_name("transferscope")
            .site_root(state.site_dir.to_string_lossy().into_owned())
            .build()
    }
}
