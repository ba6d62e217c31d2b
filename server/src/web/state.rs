//! What handlers and pages need, in one value.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use axum::extract::FromRef;
use leptos::prelude::LeptosOptions;
use tokio::sync::Notify;
use transferscope_app::SiteAssets;
use transferscope_domain::{RunId, api::QueuePause, run::DeviceChoice};
use transferscope_store::Store;

use super::{events_hub::EventsHub, load::Load, once::Once, reach::Reach, site};
use crate::{
    data_dir::DataDir,
    health::Health,
    inputs::{catalogue::Catalogue, dataset_checks::DatasetChecks, viewer::Viewer},
    queue::{dispatcher::Pause, submit::Intake},
    results::{
        board::Boards,
        predicting::Predicting,
        study::{Analyses, Studies},
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
    pub viewer: Viewer,
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
    pub analyses: Analyses,
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

impl AppState {
    /// A state with an idle dispatcher, no bundle, no token and nothing under way; the fields are
    /// there to be set.
    pub fn new(store: Store, data: DataDir, device: DeviceChoice) -> Self {
        Self {
            store,
            checks: DatasetChecks::new(data.clone()),
            viewer: Viewer::new(data.clone()),
            data,
            site_dir: PathBuf::from("target/site"),
            assets: None,
            events: EventsHub::default(),
            health: Health::new(),
            pause: Pause::default(),
            wake: Arc::default(),
            predicting: Predicting::default(),
            once: Once::default(),
            analyses: Analyses::default(),
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
        self.assets = site::assets(site_dir);
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

    /// Data sets and backbones as they are in the data folder now; one value for a request.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::of(&self.data)
    }

    /// Where new runs are handed in.
    pub fn intake(&self) -> Intake {
        let events = self.events.clone();
        Intake {
            store: self.store.clone(),
            data: self.data.clone(),
            device: self.device,
            on_change: Arc::new(move |run| events.run_changed(run)),
            wake: Arc::clone(&self.wake),
        }
    }

    /// What analyses of experiments are made from.
    pub fn studies(&self) -> Studies {
        Studies {
            store: self.store.clone(),
            data: self.data.clone(),
            analyses: self.analyses.clone(),
            predicting: self.predicting.clone(),
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
