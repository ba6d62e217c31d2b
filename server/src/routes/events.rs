//! Live streams (server-sent events).
//!
//! A stream reads when its reader is ready for more: a run's stream its event log, the queue's
//! stream the database. The hub only wakes them, so a slow reader holds nothing, and one that
//! comes back with the last number that it has seen misses nothing.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    path::PathBuf,
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::Instant,
};
use transferscope_domain::{
    RunId,
    api::{Problem, RunView},
    event::RunEvent,
};
use transferscope_store::RunFilter;

use super::extract::{IdPath, QueryPairs};
use crate::{
    error::ApiError,
    event_log::{self, is_final},
    state::AppState,
};

/// Shortest time between two messages of the queue's stream.
const QUEUE_EVERY: Duration = Duration::from_millis(500);
/// A run's log is looked at this often even if nobody wakes the stream: its worker may write
/// without a recorder, for instance while the server catches up.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Time between two comments on a silent stream; proxies cut silent connections.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Everything that a run says, as it says it. `id:` is the event's number, `event:` its kind,
/// `data:` its line. The stream ends after the run's last event; a reader that comes back then
/// gets 204.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "streams", params(
    ("id" = String, Path),
    ("after" = Option<u64>, Query, description = "number of the last event that is known; Last-Event-ID comes first"),
), responses(
    (status = 200, body = RunEvent, content_type = "text/event-stream"),
    (status = 204, description = "The run has ended and there is nothing after that event"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn of_run(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    headers: HeaderMap,
    mut query: QueryPairs,
) -> Result<Response, ApiError> {
    let after: Option<u64> = query.take("after");
    query.finish()?;
    let after = last_event_id(&headers).or(after).unwrap_or(0);
    let closed = state.events.closed();
    // Before the first look, so that nothing falls in between.
    let woken = state.events.subscribe();
    let run = state.store.run(&id).await?;
    let place = place(&state)?;
    let mut reader = RunReader {
        log: state.data.run(&id).join(event_log::FILE),
        state,
        id,
        after,
        offset: 0,
        waiting: VecDeque::new(),
        woken,
        ended: false,
        _place: place,
    };
    if run.run.state.is_final() {
        reader.read().await;
        if reader.waiting.is_empty() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(answer(closed, events))
}

/// Changes of the queue and of all runs, at most two messages a second: `event: runs`, `data:
/// {"runs": [...]}` with the runs that changed. The first message holds the latest runs.
#[utoipa::path(get, path = "/api/v1/queue/events", tag = "streams", responses(
    (status = 200, body = RunsChanged, content_type = "text/event-stream"),
))]
pub async fn of_queue(State(state): State<AppState>) -> Result<Response, ApiError> {
    let closed = state.events.closed();
    let reader = QueueReader {
        woken: state.events.subscribe(),
        _place: place(&state)?,
        state,
        changed: BTreeSet::new(),
        everything: true,
        last: None,
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(answer(closed, events))
}

/// A message of the queue's stream.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RunsChanged {
    pub runs: Vec<RunView>,
}

fn place(state: &AppState) -> Result<OwnedSemaphorePermit, ApiError> {
    state
        .events
        .stream_place()
        .ok_or_else(|| ApiError::Busy("Too many streams are open; try again later.".into()))
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

fn answer(
    closed: impl Future<Output = ()> + Send + 'static,
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> Response {
    // A server that stops must not wait for its readers.
    let sse = Sse::new(events.take_until(Box::pin(closed))).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([(header::CACHE_CONTROL, "no-store"), (header::HeaderName::from_static("x-accel-buffering"), "no")], sse)
        .into_response()
}

/// One reader of a run's log.
struct RunReader {
    state: AppState,
    id: RunId,
    log: PathBuf,
    /// Events up to this number are known to the reader.
    after: u64,
    /// Bytes of the log that were read.
    offset: u64,
    /// Events of the piece that was read last.
    waiting: VecDeque<RunEvent>,
    woken: broadcast::Receiver<RunId>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl RunReader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.ended |= is_final(&event.body);
                if let Some(message) = message(&event) {
                    return Some(message);
                }
                continue;
            }
            if self.ended {
                return None;
            }
            if self.read().await {
                continue;
            }
            // Nothing new: a run that ended without a last word of its own has nothing to add.
            match self.state.store.run(&self.id).await {
                Ok(run) if run.run.state.is_final() => {
                    if !self.read().await {
                        return None;
                    }
                }
                Ok(_) => self.wait().await,
                Err(error) => {
                    tracing::warn!(run.id = %self.id, %error, "a stream ends");
                    return None;
                }
            }
        }
    }

    /// Reads on until there is an event that the reader does not know, and says whether there is.
    async fn read(&mut self) -> bool {
        while self.waiting.is_empty() {
            let (log, offset) = (self.log.clone(), self.offset);
            let piece = match tokio::task::spawn_blocking(move || event_log::read_from(&log, offset)).await {
                Ok(Ok(piece)) => piece,
                Ok(Err(error)) => {
                    tracing::warn!(run.id = %self.id, %error, "an event log cannot be read; trying again");
                    return false;
                }
                Err(_) => return false,
            };
            if piece.new_offset == self.offset {
                return false;
            }
            self.offset = piece.new_offset;
            let known = self.after;
            self.waiting.extend(piece.events.into_iter().filter(|e| e.seq > known));
            if let Some(last) = self.waiting.back() {
                self.after = last.seq;
            }
        }
        true
    }

    /// Until the run has said something, or it is time to look anyway.
    async fn wait(&mut self) {
        let this_run = async {
            loop {
                match self.woken.recv().await {
                    Ok(run) if run == self.id => return,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let _in_time = tokio::time::timeout(LOOK_EVERY, this_run).await;
    }
}

fn message(event: &RunEvent) -> Option<Event> {
    let data = serde_json::to_value(event).ok()?;
    let kind = data.get("kind")?.as_str()?.to_owned();
    Some(Event::default().id(event.seq.to_string()).event(kind).data(data.to_string()))
}

/// One reader of the queue.
struct QueueReader {
    state: AppState,
    woken: broadcast::Receiver<RunId>,
    changed: BTreeSet<RunId>,
    /// Whether changes were missed, or none was sent yet.
    everything: bool,
    last: Option<Instant>,
    _place: OwnedSemaphorePermit,
}

impl QueueReader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            while !self.everything && self.changed.is_empty() {
                let woken = self.woken.recv().await;
                self.note(woken)?;
            }
            if let Some(last) = self.last {
                // More changes may come while this one waits for its turn.
                let turn = last + QUEUE_EVERY;
                while let Ok(woken) = tokio::time::timeout_at(turn, self.woken.recv()).await {
                    self.note(woken)?;
                }
            }
            self.last = Some(Instant::now());
            let changed: Vec<RunId> = std::mem::take(&mut self.changed).into_iter().collect();
            let found = if std::mem::take(&mut self.everything) {
                self.state.store.runs(&RunFilter::default()).await.map(|page| page.runs)
            } else {
                self.state.store.runs_by_id(&changed).await
            };
            match found {
                Ok(runs) => {
                    let data = serde_json::to_string(&RunsChanged { runs }).ok()?;
                    return Some(Event::default().event("runs").data(data));
                }
                Err(error) => {
                    tracing::warn!(%error, "the queue's stream misses a message");
                    self.everything = true;
                }
            }
        }
    }

    fn note(&mut self, woken: Result<RunId, broadcast::error::RecvError>) -> Option<()> {
        match woken {
            Ok(run) => drop(self.changed.insert(run)),
            Err(broadcast::error::RecvError::Lagged(_)) => self.everything = true,
            Err(broadcast::error::RecvError::Closed) => return None,
        }
        Some(())
    }
}
