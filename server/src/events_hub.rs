//! Wakes the streams. It carries no data: a reader that was woken reads the run's log or the
//! database, so that a slow reader holds nothing up and misses nothing.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use transferscope_domain::RunId;

/// Wake-ups that a reader may be behind before it looks at everything.
const CAPACITY: usize = 1024;
/// Open streams at once: a page holds one or two.
const STREAMS_MAX: usize = 512;

/// The hub; clones share it.
#[derive(Clone, Debug)]
pub struct EventsHub {
    changed: broadcast::Sender<RunId>,
    streams: Arc<Semaphore>,
    closing: Arc<watch::Sender<bool>>,
}

impl Default for EventsHub {
    fn default() -> Self {
        Self {
            changed: broadcast::Sender::new(CAPACITY),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
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

    /// A place for one more stream; none when there are too many.
    pub fn stream_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
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
