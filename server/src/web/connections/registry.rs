//! Which connections there are, and which of them are idle.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;

use super::Limits;
use crate::web::load::Origin;

/// Idle connections that are closed at once where the system has no more files.
const ROOM: usize = 16;

/// All connections; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    limits: Limits,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Counts what happens, to tell older from younger.
    clock: u64,
    /// Those that were not asked to leave, by number.
    open: HashMap<u64, Open>,
    by_address: HashMap<Origin, usize>,
    /// Numbers of idle ones by when they became it.
    idle: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Open {
    origin: Origin,
    /// Place in `idle`; none while it has a request.
    idle_since: Option<u64>,
    leave: Arc<Notify>,
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn forget(&mut self, number: u64) -> Option<Open> {
        let open = self.open.remove(&number)?;
        if let Some(since) = open.idle_since {
            self.idle.remove(&since);
        }
        if let Some(count) = self.by_address.get_mut(&open.origin) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&open.origin);
            }
        }
        Some(open)
    }

    /// Asks the oldest idle connection (of an address) to leave, which is not counted from then on.
    fn push_out(&mut self, of: Option<Origin>) -> bool {
        let fits = |number: &&u64| of.is_none_or(|of| self.open.get(number).is_some_and(|o| o.origin == of));
        let Some(number) = self.idle.values().find(fits).copied() else { return false };
        if let Some(open) = self.forget(number) {
            open.leave.notify_one();
        }
        true
    }
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, inner: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection, idle at first; none where all others are at work.
    pub(super) fn admit(&self, origin: Origin) -> Option<Entry> {
        let mut inner = self.inner();
        let own = inner.by_address.get(&origin).copied().unwrap_or(0);
        if own >= self.limits.by_address && !inner.push_out(Some(origin)) {
            return None;
        }
        if inner.open.len() >= self.limits.total && !inner.push_out(None) {
            return None;
        }
        let (number, since, leave) = (inner.tick(), inner.tick(), Arc::new(Notify::new()));
        inner.idle.insert(since, number);
        *inner.by_address.entry(origin).or_default() += 1;
        inner.open.insert(number, Open { origin, idle_since: Some(since), leave: Arc::clone(&leave) });
        Some(Entry { registry: self.clone(), number, leave, used: AtomicBool::new(false) })
    }

    /// Closes some idle connections.
    pub(super) fn make_room(&self) {
        let mut inner = self.inner();
        for _ in 0..ROOM {
            if !inner.push_out(None) {
                return;
            }
        }
    }
}

/// One connection in the list; leaves it when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    registry: Registry,
    number: u64,
    leave: Arc<Notify>,
    /// Whether it has ever had a request.
    used: AtomicBool,
}

impl Entry {
    /// Whether a whole request has come through it.
    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Comes back when the connection has to give way.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Marks the connection as one with a request, until the answer is sent.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.used.store(true, Ordering::Relaxed);
        let mut inner = self.registry.inner();
        let since = inner.open.get_mut(&self.number).and_then(|open| open.idle_since.take());
        if let Some(since) = since {
            inner.idle.remove(&since);
        }
        Busy { entry: Arc::clone(self) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.inner().forget(self.number);
    }
}

/// A request at work; the connection is idle again when this is dropped.
#[derive(Debug)]
pub(super) struct Busy {
    entry: Arc<Entry>,
}

impl Busy {
    /// The body, with the connection busy until it is sent or given up.
    pub(super) fn until_sent(self, body: Body) -> Sent {
        Sent { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut inner = self.entry.registry.inner();
        let since = inner.tick();
        if let Some(open) = inner.open.get_mut(&self.entry.number) {
            open.idle_since = Some(since);
            inner.idle.insert(since, self.entry.number);
        }
    }
}

/// A body that is being sent.
pub(super) struct Sent {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use super::*;

    fn registry(total: usize, by_address: usize) -> Registry {
        let second = Duration::from_secs(1);
        Registry::new(Limits { total, by_address, idle: second, stalled: second })
    }

    fn origin(last: u8) -> Origin {
        IpAddr::from([10, 0, 0, last]).into()
    }

    /// Whether a connection was asked to leave.
    async fn leaves(entry: &Entry) -> bool {
        tokio::time::timeout(Duration::from_millis(5), entry.asked_to_leave()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_idle_one_of_an_address_gives_way_and_those_at_work_stay() {
        let registry = registry(10, 3);
        let own: Vec<Arc<Entry>> = (0..3).map(|_| Arc::new(registry.admit(origin(1)).unwrap())).collect();
        let other = registry.admit(origin(2)).unwrap();
        let work = own[0].busy();
        let fourth = registry.admit(origin(1)).unwrap();
        assert!(!leaves(&own[0]).await && leaves(&own[1]).await && !leaves(&other).await);
        // The first one has had its answer later than the third one came.
        drop(work);
        let fifth = registry.admit(origin(1)).unwrap();
        assert!(leaves(&own[2]).await && !leaves(&own[0]).await && !leaves(&fourth).await);
        drop((own, fourth, fifth, other));
        assert!(registry.inner().open.is_empty() && registry.inner().by_address.is_empty());
        assert!(registry.inner().idle.is_empty());
    }

    #[tokio::test]
    async fn where_all_are_at_work_a_new_one_is_refused() {
        let registry = registry(3, 2);
        let held: Vec<Arc<Entry>> =
            [1, 1, 2].map(|o| Arc::new(registry.admit(origin(o)).unwrap())).into_iter().collect();
        let mut work: Vec<Busy> = held.iter().map(Entry::busy).collect();
        assert!(registry.admit(origin(1)).is_none() && registry.admit(origin(3)).is_none());
        work.pop();
        assert!(registry.admit(origin(1)).is_none(), "that one belongs to another address");
        assert!(registry.admit(origin(3)).is_some());
        assert!(leaves(&held[2]).await);
    }
}
