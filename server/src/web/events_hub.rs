//! Wakes the streams, and holds the feeds that they read and the places that they take. A wake-up carries no data: a
//! reader that was woken asks the feed, so that a slow reader holds nothing up and misses nothing.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{broadcast, watch};
use transferscope_domain::RunId;
use transferscope_store::{Store, StoreError};

use super::{
    feeds::{QueueFeed, RunFeed},
    load::Places,
};

/// Wake-ups that a reader may be behind before it looks at everything.
const CAPACITY: usize = 1024;
/// Open streams at once: a page holds one or two.
const STREAMS_MAX: usize = 512;
/// Open streams of one address, so that others find a place.
const STREAMS_BY_ADDRESS: usize = 64;

/// The hub; clones share it.
#[derive(Clone, Debug)]
pub struct EventsHub {
    changed: broadcast::Sender<RunId>,
    /// Places of streams.
    pub streams: Places,
    queue: Arc<QueueFeed>,
    /// Feeds of the runs that somebody reads.
    runs: Arc<Mutex<HashMap<RunId, Weak<RunFeed>>>>,
    closing: Arc<watch::Sender<bool>>,
}

impl Default for EventsHub {
    fn default() -> Self {
        let changed = broadcast::Sender::new(CAPACITY);
        Self {
            queue: Arc::new(QueueFeed::new(changed.subscribe())),
            changed,
            streams: Places::new(STREAMS_MAX, STREAMS_BY_ADDRESS),
            runs: Arc::default(),
            closing: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl EventsHub {
    /// Says that something about a run was written: its state, or lines of its log.
    pub fn run_changed(&self, run: &RunId) {
        // An error means that nobody listens.
        let _listeners = self.changed.send(run.clone());
    }

    /// Hears of every change from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<RunId> {
        self.changed.subscribe()
    }

    /// The feed of the queue.
    pub fn queue(&self) -> Arc<QueueFeed> {
        Arc::clone(&self.queue)
    }

    /// The feed of a run, which goes when its last reader does.
    ///
    /// # Errors
    /// When there is no such run, or the database does not answer.
    pub async fn run(&self, id: &RunId, log: PathBuf, store: &Store) -> Result<Arc<RunFeed>, StoreError> {
        let known = |runs: &HashMap<RunId, Weak<RunFeed>>| runs.get(id).and_then(Weak::upgrade);
        let runs = || self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = known(&runs()) {
            return Ok(feed);
        }
        let opened = Arc::new(RunFeed::open(id.clone(), log, store.clone()).await?);
        let mut runs = runs();
        // Another reader may have opened it meanwhile.
        if let Some(feed) = known(&runs) {
            return Ok(feed);
        }
        runs.retain(|_, feed| feed.strong_count() > 0);
        runs.insert(id.clone(), Arc::downgrade(&opened));
        Ok(opened)
    }

    /// Ends all streams, now and from now on: the server stops.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Comes back when [`EventsHub::close`] was called.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.closing.subscribe();
        // Keeps the sender alive, so that an error cannot come.
        let sender = Arc::clone(&self.closing);
        async move {
            let _closed = closing.wait_for(|closed| *closed).await;
            drop(sender);
        }
    }
}
