//! Live streams (server-sent events).
//!
//! A stream asks its feed ([`crate::web::feeds`]) when its reader is ready for more. The hub only wakes it, so a slow reader
//! holds nothing, and one that comes back with the last number that it has seen misses nothing. A reader that takes
//! nothing at all is dropped with its connection.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use tokio::{
    sync::broadcast,
    time::{Instant, timeout_at},
};
use transferscope_domain::{RunId, api::Problem, event::RunEvent};
use transferscope_store::Lane;

use crate::{
    queue::event_log,
    web::{
        error::ApiError,
        events_hub::EventsHub,
        extract::{IdPath, QueryPairs},
        feeds::{Position, QueueNext, RunNext},
        load::{Origin, Place},
        state::AppState,
    },
};

pub use crate::web::feeds::RunsChanged;

/// Time between two comments on a silent stream; proxies cut silent connections.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Wait before a database that did not answer is asked again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// A comment, which readers pass over.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// The events of a run as they happen. `id:` is the event's number, `event:` its kind, `data:` its line. The stream
/// ends after the run's last event; a reader that reconnects then gets 204.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", operation_id = "stream_run_events",
    tag = "streams", params(
    ("id" = String, Path, description = "id of the run"),
    ("after" = Option<u64>, Query, description = "number of the last event that is known; Last-Event-ID comes first"),
), responses(
    (status = 200, body = RunEvent, content_type = "text/event-stream"),
    (status = 204, description = "The run has ended and there is nothing after that event"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn of_run(
    State(state): State<AppState>,
    origin: Origin,
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
    let store = state.store.in_lane(Lane::Brief);
    let has_ended = store.run_state(&id).await?.is_final();
    let place = place(&state.events, origin)?;
    let log = state.data.run(&id).join(event_log::FILE);
    let feed = state.events.run(&id, log, &store).await?;
    let mut position = Position::after(after);
    let mut first = Bytes::new();
    if has_ended {
        match feed.next(position).await? {
            RunNext::End => return Ok(StatusCode::NO_CONTENT.into_response()),
            RunNext::Messages(text, next) => (first, position) = (text, next),
            RunNext::Wait(_) => {}
        }
    }
    let reader = Reader { woken, spoken: Instant::now(), _place: place };
    let messages =
        stream::unfold((reader, position, Some(first)), move |(mut reader, mut position, first)| {
            let (feed, id) = (feed.clone(), id.clone());
            async move {
                if let Some(first) = first.filter(|first| !first.is_empty()) {
                    return Some((first, (reader, position, None)));
                }
                loop {
                    let until = match feed.next(position).await {
                        Ok(RunNext::Messages(text, next)) => {
                            position = next;
                            if text.is_empty() {
                                continue;
                            }
                            reader.spoken = Instant::now();
                            return Some((text, (reader, position, None)));
                        }
                        Ok(RunNext::End) => return None,
                        Ok(RunNext::Wait(until)) => until.into(),
                        Err(error) => {
                            tracing::warn!(run.id = %id, %error, "a stream ends");
                            return None;
                        }
                    };
                    if reader.wait(until, |run| *run == id).await {
                        return Some((COMMENT, (reader, position, None)));
                    }
                }
            }
        });
    Ok(answer(closed, messages))
}

/// Changes of the queue and of all runs, at most two messages a second: `event: runs`, `data:
/// {"runs": [...]}` with the runs that changed. The first message holds the latest runs.
#[utoipa::path(get, path = "/api/v1/queue/events", operation_id = "stream_queue_events",
    tag = "streams", responses(
    (status = 200, body = RunsChanged, content_type = "text/event-stream"),
))]
pub async fn of_queue(State(state): State<AppState>, origin: Origin) -> Result<Response, ApiError> {
    let closed = state.events.closed();
    let woken = state.events.subscribe();
    let reader = Reader { woken, spoken: Instant::now(), _place: place(&state.events, origin)? };
    let store = state.store.in_lane(Lane::Brief);
    let feed = state.events.queue();
    let messages = stream::unfold((reader, None), move |(mut reader, seen)| {
        let (feed, store) = (feed.clone(), store.clone());
        async move {
            loop {
                let until = match feed.next(&store, seen).await {
                    Ok(QueueNext::Message(text, number)) => {
                        reader.spoken = Instant::now();
                        return Some((text, (reader, Some(number))));
                    }
                    Ok(QueueNext::Wait(until)) => until.map(Instant::from_std),
                    Err(error) => {
                        tracing::warn!(%error, "the queue's stream waits for the database");
                        Some(Instant::now() + TRY_AGAIN)
                    }
                };
                let quiet = reader.spoken + KEEP_ALIVE;
                if reader.wait(until.unwrap_or(quiet), |_| until.is_none()).await {
                    return Some((COMMENT, (reader, seen)));
                }
            }
        }
    });
    Ok(answer(closed, messages))
}

fn place(hub: &EventsHub, origin: Origin) -> Result<Place, ApiError> {
    hub.streams.take(origin).map_err(|full| full.busy("streams"))
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

fn answer(
    closed: impl Future<Output = ()> + Send + 'static,
    messages: impl Stream<Item = Bytes> + Send + 'static,
) -> Response {
    // A server that stops must not wait for its readers.
    let body = Body::from_stream(messages.map(Ok::<_, Infallible>).take_until(Box::pin(closed)));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// What a stream holds besides its place in a feed.
struct Reader {
    woken: broadcast::Receiver<RunId>,
    /// When something was last sent.
    spoken: Instant,
    _place: Place,
}

impl Reader {
    /// Waits for a run that matters, or until a time; says whether it is time for a comment instead.
    async fn wait(&mut self, until: Instant, matters: impl Fn(&RunId) -> bool) -> bool {
        let quiet = self.spoken + KEEP_ALIVE;
        let woken = async {
            loop {
                match self.woken.recv().await {
                    Ok(run) if matters(&run) => return,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let in_time = timeout_at(until.min(quiet), woken).await.is_ok();
        let silent = !in_time && Instant::now() >= quiet;
        if silent {
            self.spoken = Instant::now();
        }
        silent
    }
}
