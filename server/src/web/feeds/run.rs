//! The events of one run, as all of its readers get them.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use tokio::sync::{Mutex, Semaphore};
use transferscope_domain::{
    RunId,
    event::{EventBody, RunEvent},
};
use transferscope_store::{Store, StoreError};

use crate::queue::event_log::{self, is_final};

/// Bytes of a log that are read at once.
const PIECE: usize = 64 * 1024;
/// Bytes of text that are kept for readers who are a little behind.
const KEPT: usize = 256 * 1024;
/// A run's log is looked at this often even if nobody wakes its readers: its worker may write without a recorder, for
/// instance while the server catches up.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Shortest time between two questions whether a run has ended without a last word.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Readers that read logs for themselves at once, of all runs.
static BEHIND: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

/// The latest of a run's log.
#[derive(Debug)]
pub struct RunFeed {
    id: RunId,
    log: PathBuf,
    store: Store,
    tail: Mutex<Tail>,
}

#[derive(Debug)]
struct Tail {
    /// Bytes of the log that were read.
    offset: u64,
    /// The number of the last event that was read.
    last: u64,
    /// Whether that one ends the run.
    ended: bool,
    /// Whether the database says that the run has ended.
    is_final: bool,
    asked: Option<Instant>,
    /// Everything after event `floor`, in order.
    floor: u64,
    pieces: VecDeque<Piece>,
}

/// Messages of events that follow one another.
#[derive(Debug, Clone)]
struct Piece {
    text: Bytes,
    /// Of each event its number and where its message begins.
    starts: Vec<(u64, usize)>,
    /// Where the next line of the log begins.
    offset: u64,
}

/// How far a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The number of the last event that the reader has.
    pub after: u64,
    /// Bytes of the log that hold nothing that the reader still needs.
    offset: u64,
}

/// What there is for a reader.
#[derive(Debug)]
pub enum RunNext {
    /// Messages, and the position after them.
    Messages(Bytes, Position),
    /// Nothing before this time unless the run says something.
    Wait(Instant),
    /// Nothing any more.
    End,
}

impl Position {
    /// Behind an event whose place in the log is not known.
    pub fn after(after: u64) -> Self {
        Self { after, offset: 0 }
    }
}

/// An event as whoever asks through a store may see it.
fn as_shown(store: &Store, mut event: RunEvent) -> RunEvent {
    match &mut event.body {
        EventBody::Failed { failure } => {
            failure.message = store.shown(&failure.message).into_owned();
            failure.hint = store.shown(&failure.hint).into_owned();
        }
        EventBody::Log { message, .. } => *message = store.shown(message).into_owned(),
        _ => {}
    }
    event
}

impl RunFeed {
    /// A feed from what is recorded on.
    ///
    /// # Errors
    /// When there is no such run, or the database does not answer.
    pub async fn open(id: RunId, log: PathBuf, store: Store) -> Result<Self, StoreError> {
        let recorded = store.record_position(&id).await?;
        let tail = Tail {
            offset: recorded.offset,
            last: recorded.last_seq,
            ended: false,
            is_final: false,
            asked: None,
            floor: recorded.last_seq,
            pieces: VecDeque::new(),
        };
        Ok(Self { id, log, store, tail: Mutex::new(tail) })
    }

    /// What follows for a reader.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next(&self, position: Position) -> Result<RunNext, StoreError> {
        {
            let mut tail = self.tail.lock().await;
            if let Some(found) = tail.after(position) {
                return Ok(found);
            }
            if position.after >= tail.floor {
                while self.read(&mut tail).await {
                    if let Some(found) = tail.after(position) {
                        return Ok(found);
                    }
                }
                return self.nothing_new(&mut tail).await;
            }
        }
        self.behind(position).await
    }

    /// Reads what is new, and says whether there was anything.
    async fn read(&self, tail: &mut Tail) -> bool {
        match std::fs::metadata(&self.log).map(|meta| meta.len()) {
            // Most looks find nothing new: as quick as asking another thread to look.
            Ok(length) if length == tail.offset => return false,
            // Another log than before: what is in it is told to readers by its numbers.
            Ok(length) if length < tail.offset => tail.offset = 0,
            Ok(_) => {}
            Err(_) => return false,
        }
        let known = tail.last;
        let Some((piece, ended)) = self.piece(tail.offset, known).await else { return false };
        let moved = piece.offset != tail.offset;
        tail.offset = piece.offset;
        if let Some((last, _)) = piece.starts.last() {
            tail.last = *last;
            tail.ended = ended;
            // Somebody may have let it go on.
            tail.is_final = false;
            tail.pieces.push_back(piece);
            let mut kept: usize = tail.pieces.iter().map(|p| p.text.len()).sum();
            while kept > KEPT && tail.pieces.len() > 1 {
                if let Some(old) = tail.pieces.pop_front() {
                    kept -= old.text.len();
                    tail.floor = old.starts.last().map_or(tail.floor, |s| s.0);
                }
            }
        }
        moved
    }

    /// One piece of the log after the events that are known, and whether its last event ends the run.
    async fn piece(&self, offset: u64, known: u64) -> Option<(Piece, bool)> {
        let (log, store) = (self.log.clone(), self.store.clone());
        let read = tokio::task::spawn_blocking(move || {
            let piece = event_log::read_piece_from(&log, offset, PIECE)?;
            let shown = |event| as_shown(&store, event);
            let events: Vec<RunEvent> =
                piece.events.into_iter().filter(|e| e.seq > known).map(shown).collect();
            let ended = events.last().is_some_and(|e| is_final(&e.body));
            Ok::<_, std::io::Error>((Piece::of(&events, piece.new_offset), ended))
        });
        match read.await {
            Ok(Ok(piece)) => Some(piece),
            Ok(Err(error)) => {
                tracing::warn!(run.id = %self.id, %error, "an event log cannot be read; trying again");
                None
            }
            Err(_) => None,
        }
    }

    /// Whether a reader who has everything may still wait.
    async fn nothing_new(&self, tail: &mut Tail) -> Result<RunNext, StoreError> {
        if tail.ended || tail.is_final {
            return Ok(RunNext::End);
        }
        if tail.asked.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            tail.asked = Some(Instant::now());
            // A run may end without a last word of its own; what it said before that still counts.
            if !self.store.run_state(&self.id).await?.is_final() {
                return Ok(RunNext::Wait(Instant::now() + LOOK_EVERY));
            }
            tail.is_final = true;
            if !self.read(tail).await {
                return Ok(RunNext::End);
            }
        }
        Ok(RunNext::Wait(tail.asked.unwrap_or_else(Instant::now) + ASK_EVERY))
    }

    /// Reads the log for a reader who is further behind than what is kept.
    async fn behind(&self, position: Position) -> Result<RunNext, StoreError> {
        // The semaphore is never closed.
        let _turn = BEHIND.acquire().await;
        let mut offset = position.offset;
        loop {
            let Some((piece, _)) = self.piece(offset, position.after).await else {
                return Ok(RunNext::Wait(Instant::now() + LOOK_EVERY));
            };
            if let Some((last, _)) = piece.starts.last() {
                return Ok(RunNext::Messages(piece.text, Position { after: *last, offset: piece.offset }));
            }
            if piece.offset == offset {
                // The log has not what the database knows of: go on with what comes.
                let tail = self.tail.lock().await;
                return Ok(RunNext::Messages(Bytes::new(), Position { after: tail.floor, offset }));
            }
            offset = piece.offset;
        }
    }
}

impl Tail {
    /// What is kept of events after a position; none where nothing is, or where it lies before what is kept.
    fn after(&self, position: Position) -> Option<RunNext> {
        if position.after < self.floor {
            return None;
        }
        let piece = self.pieces.iter().find(|p| p.starts.last().is_some_and(|s| s.0 > position.after))?;
        let (_, start) = piece.starts.iter().find(|s| s.0 > position.after)?;
        let after = piece.starts.last()?.0;
        Some(RunNext::Messages(piece.text.slice(*start..), Position { after, offset: piece.offset }))
    }
}

impl Piece {
    fn of(events: &[RunEvent], offset: u64) -> Self {
        let (mut text, mut starts) = (String::new(), Vec::with_capacity(events.len()));
        for event in events {
            let Ok(data) = serde_json::to_string(event) else { continue };
            starts.push((event.seq, text.len()));
            text.push_str(&format!("id: {}\nevent: {}\ndata: {data}\n\n", event.seq, kind(&event.body)));
        }
        Self { text: Bytes::from(text), starts, offset }
    }
}

/// The name of an event as it stands in its line.
fn kind(body: &EventBody) -> &'static str {
    match body {
        EventBody::Started { .. } => "started",
        EventBody::Step { .. } => "step",
        EventBody::Epoch { .. } => "epoch",
        EventBody::Metric { .. } => "metric",
        EventBody::Alignment(_) => "alignment",
        EventBody::Preview { .. } => "preview",
        EventBody::Checkpoint { .. } => "checkpoint",
        EventBody::Log { .. } => "log",
        EventBody::Heartbeat { .. } => "heartbeat",
        EventBody::Finished { .. } => "finished",
        EventBody::Failed { .. } => "failed",
        EventBody::Cancelled { .. } => "cancelled",
    }
}

#[cfg(test)]
mod tests;
