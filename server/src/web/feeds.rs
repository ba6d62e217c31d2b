//! What streams are made from: read once and written once for all readers of a run, or of the queue.
//!
//! A feed holds the latest messages as the text that goes over the wire. A reader who has kept up gets a piece of that
//! text without copying it; one who has not reads the run's log for itself, few at a time, or gets the whole state of
//! the queue. Nothing runs by itself here: the first reader who is woken does the reading, and the others find it done.

mod queue;
mod run;

pub use queue::{QueueFeed, QueueNext, RunsChanged};
pub use run::{Position, RunFeed, RunNext};
