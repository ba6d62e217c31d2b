//! How much work the server takes on at once, whoever asks.
//!
//! Every request but brief ones ([`Class`]) stands in a line of its kind until it is its turn, and is then answered on
//! other threads than those that speak with clients, so that these are always free. A line is bounded, in all and by
//! address; beyond it the answer is 503 with a time to come back. Whoever leaves before it is their turn leaves the
//! line, and their work is not begun. Finished answers that are still being sent are weighed ([`outgoing`]), so that
//! readers who do not read cannot fill the memory. Start reading at [`limit`].

mod class;
mod line;
mod origin;
mod outgoing;
mod places;

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

pub use class::Class;
pub use line::{Line, Turn};
pub use origin::{Origin, Peer};
pub use outgoing::Outgoing;
pub use places::{Full, Place, Places};

use super::{error::ApiError, state::AppState};
use crate::{
    off_thread::{self, BrokenOff},
    web::BODY_MAX,
};

/// How long the body of a request may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(20);
/// Bodies that arrive at once, in all and from one address: each is held in memory.
const BODIES: (usize, usize) = (64, 16);
/// Files that are sent row by row at once, in all and from one address.
const EXPORTS: (usize, usize) = (64, 24);

/// The server's lines and places; clones share them.
#[derive(Clone, Debug)]
pub struct Load {
    writing: Line,
    answers: Line,
    pictures: Line,
    analyses: Line,
    bodies: Places,
    outgoing: Outgoing,
    /// Files that are being sent row by row.
    pub exports: Places,
    /// Pieces of such files that are made at once.
    pub pieces: Arc<Semaphore>,
}

impl Default for Load {
    /// Limits for this machine's cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let line = |name, at_once, (waiting, by_address), patience| {
            Line::new(name, at_once, Places::new(waiting, by_address), Duration::from_secs(patience))
        };
        Self {
            writing: line("writing requests", cores.clamp(2, 8), (128, 96), 20),
            answers: line("answers", (2 * cores).clamp(2, 16), (256, 192), 20),
            pictures: line("pictures", cores.clamp(1, 8), (128, 96), 60),
            analyses: line("analyses", cores.clamp(1, 4), (64, 48), 60),
            bodies: Places::new(BODIES.0, BODIES.1),
            outgoing: Outgoing::default(),
            exports: Places::new(EXPORTS.0, EXPORTS.1),
            pieces: Arc::new(Semaphore::new(cores.clamp(1, 4))),
        }
    }
}

impl Load {
    /// The line for a kind of work; none where nobody waits.
    fn line(&self, class: Class) -> Option<&Line> {
        match class {
            Class::Brief => None,
            Class::Writing => Some(&self.writing),
            Class::Answer => Some(&self.answers),
            Class::Picture => Some(&self.pictures),
            Class::Analysis => Some(&self.analyses),
        }
    }
}

/// Lets a request through when it is its turn.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match limited(&state, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn limited(state: &AppState, mut request: Request, next: Next) -> Result<Response, ApiError> {
    // A server with a public address has a proxy before it.
    let origin = Origin::of(&request, state.reach.public.is_some());
    request.extensions_mut().insert(origin);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads {
        request = whole(&state.load, origin, request).await?;
    }
    let class = if reads { Class::of(request.uri().path()) } else { Class::Writing };
    let Some(line) = state.load.line(class) else { return Ok(next.run(request).await) };
    let turn = line.enter(origin).await?;
    let answered = in_turn(turn, async move {
        let (parts, body) = next.run(request).await.into_parts();
        // What is made while it is sent is made here, beside the threads that send.
        let body = to_bytes(body, usize::MAX).await;
        body.map(|bytes| Response::from_parts(parts, bytes))
    });
    let (answer, turn) = answered.await?;
    let answer = answer.map_err(|e| ApiError::Internal(format!("an answer broke off: {e}")))?;
    // The turn ends when the answer is weighed: until then it is one of few.
    let response = state.load.outgoing.send(origin, answer).await;
    drop(turn);
    response
}

/// Answers a request and gives its turn back with the answer. Who drops this future stops the work where it next waits;
/// the turn ends with the work and not before it.
///
/// # Errors
/// When the work does not come back.
pub async fn in_turn<T: Send + 'static>(
    turn: Turn,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<(T, Turn), BrokenOff> {
    off_thread::answer(async move { (work.await, turn) }).await
}

/// The same request with its whole body, which must have arrived before anybody waits for it.
async fn whole(load: &Load, origin: Origin, request: Request) -> Result<Request, ApiError> {
    let _place = load.bodies.take(origin).map_err(|full| full.busy("request bodies"))?;
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(BODY_PATIENCE, to_bytes(body, BODY_MAX)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(error)) if is_too_large(&error) => Err(ApiError::TooLarge { limit: BODY_MAX }),
        Ok(Err(error)) => Err(ApiError::BadRequest(format!("The body cannot be read: {error}."))),
        Err(_) => {
            let seconds = BODY_PATIENCE.as_secs();
            Err(ApiError::TimedOut(format!("The body did not arrive within {seconds} seconds.")))
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
