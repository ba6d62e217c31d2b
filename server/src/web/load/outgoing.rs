//! Answers that are being sent: a reader who does not read holds one in memory.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Full, Origin, Place, Places};
use crate::web::error::ApiError;

/// Memory that answers may take while they are sent, in pieces of [`PIECE`].
const PIECES: u32 = 4096;
/// Bytes that are counted as one; answers of one piece are not counted at all: a connection has buffers of that size.
const PIECE: usize = 64 * 1024;
/// Large answers to one address at once.
const BY_ADDRESS: usize = 256;
/// Longest wait for memory.
const PATIENCE: Duration = Duration::from_secs(20);

/// Weighs answers; clones share the scales.
#[derive(Debug, Clone)]
pub struct Outgoing {
    memory: Arc<Semaphore>,
    large: Places,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            memory: Arc::new(Semaphore::new(PIECES as usize)),
            large: Places::new(2 * BY_ADDRESS, BY_ADDRESS),
        }
    }
}

/// A whole answer that holds its memory until it is sent or given up. It is handed on piece by piece: given the whole,
/// the connection would keep it after this is gone.
struct Weighed {
    rest: Bytes,
    _memory: OwnedSemaphorePermit,
    _place: Place,
}

impl Outgoing {
    /// The answer, once there is room for it.
    ///
    /// # Errors
    /// `Busy` when others do not read theirs.
    pub async fn send(&self, origin: Origin, answer: Response<Bytes>) -> Result<Response<Body>, ApiError> {
        let pieces = u32::try_from(answer.body().len() / PIECE).unwrap_or(u32::MAX).min(PIECES);
        if pieces == 0 {
            return Ok(answer.map(Body::from));
        }
        let place = self.large.take(origin).map_err(|full: Full| full.busy("large answers"))?;
        let memory = Arc::clone(&self.memory).acquire_many_owned(pieces);
        match tokio::time::timeout(PATIENCE, memory).await {
            Ok(Ok(memory)) => {
                Ok(answer.map(|rest| Body::new(Weighed { rest, _memory: memory, _place: place })))
            }
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(ApiError::Busy(
                "Too many large answers are being sent; try again in a few seconds.".into(),
            )),
        }
    }
}

impl HttpBody for Weighed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
