//! Changes of the queue and of all runs, as all of their readers get them.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::{Mutex, broadcast};
use transferscope_domain::{RunId, api::RunView};
use transferscope_store::{RunFilter, Store, StoreError};

/// Shortest time between two messages.
const EVERY: Duration = Duration::from_millis(500);
/// Messages that are kept for readers who are a little behind.
const KEPT: usize = 16;

/// The latest messages.
#[derive(Debug)]
pub struct QueueFeed {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    woken: broadcast::Receiver<RunId>,
    /// Runs that have changed since the last message.
    changed: BTreeSet<RunId>,
    /// Number of the last message.
    last: u64,
    sent: Option<Instant>,
    /// The last messages, up to `last`.
    kept: VecDeque<Bytes>,
    /// The latest runs with the number of the message up to which they are right.
    whole: Option<(u64, Instant, Bytes)>,
}

/// A message: the runs that have changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RunsChanged {
    pub runs: Vec<RunView>,
}

/// What there is for a reader.
#[derive(Debug)]
pub enum QueueNext {
    /// A message, and its number.
    Message(Bytes, u64),
    /// Nothing before this time, or, without a time, before something changes.
    Wait(Option<Instant>),
}

impl QueueFeed {
    /// A feed of the runs that a hub names.
    pub fn new(woken: broadcast::Receiver<RunId>) -> Self {
        let inner = Inner {
            woken,
            changed: BTreeSet::new(),
            last: 0,
            sent: None,
            kept: VecDeque::new(),
            whole: None,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// What follows for a reader who has seen a message; one who has seen none, or is far behind, gets the latest runs
    /// as they are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next(&self, store: &Store, seen: Option<u64>) -> Result<QueueNext, StoreError> {
        let mut inner = self.inner.lock().await;
        inner.hear();
        let turn = inner.sent.map(|sent| sent + EVERY);
        if !inner.changed.is_empty() && turn.is_none_or(|turn| turn <= Instant::now()) {
            let changed: Vec<RunId> = inner.changed.iter().cloned().collect();
            let message = message(store.runs_by_id(&changed).await?);
            inner.changed.clear();
            inner.say(message);
        }
        let Some(behind) = seen.and_then(|seen| usize::try_from(inner.last.checked_sub(seen)?).ok()) else {
            return inner.whole(store).await;
        };
        if behind == 0 {
            return Ok(QueueNext::Wait(turn.filter(|_| !inner.changed.is_empty())));
        }
        match inner.kept.len().checked_sub(behind).and_then(|at| inner.kept.get(at)) {
            Some(message) => Ok(QueueNext::Message(message.clone(), inner.last + 1 - behind as u64)),
            None => inner.whole(store).await,
        }
    }
}

impl Inner {
    /// Takes in what has changed.
    fn hear(&mut self) {
        loop {
            match self.woken.try_recv() {
                Ok(run) => drop(self.changed.insert(run)),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {
                    // Nobody knows which: everybody gets everything.
                    self.kept.clear();
                    self.changed.clear();
                    self.whole = None;
                    // Two numbers on, so that nobody has the message before.
                    self.last += 2;
                }
                Err(_) => return,
            }
        }
    }

    fn say(&mut self, message: Bytes) {
        self.last += 1;
        self.sent = Some(Instant::now());
        self.kept.push_back(message);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// The latest runs, read at most once a message for all who ask.
    async fn whole(&mut self, store: &Store) -> Result<QueueNext, StoreError> {
        if let Some((number, made, text)) = &self.whole
            && *number == self.last
            && (self.changed.is_empty() || made.elapsed() < EVERY)
        {
            return Ok(QueueNext::Message(text.clone(), *number));
        }
        let text = message(store.runs(&RunFilter::default()).await?.runs);
        self.whole = Some((self.last, Instant::now(), text.clone()));
        Ok(QueueNext::Message(text, self.last))
    }
}

fn message(runs: Vec<RunView>) -> Bytes {
    let data = serde_json::to_string(&RunsChanged { runs }).unwrap_or_else(|error| {
        tracing::error!(%error, "runs cannot be written as JSON");
        "{\"runs\":[]}".to_owned()
    });
    Bytes::from(format!("event: runs\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests;
