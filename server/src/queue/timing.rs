//! The times by which the queue works.

use std::time::Duration;

/// Times and counts of the dispatcher and the recorder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Longest time between two looks at queue and workers.
    pub tick: Duration,
    /// Time between two looks at an event log.
    pub record_every: Duration,
    /// After a request to stop: when the worker gets SIGTERM.
    pub terminate_after: Duration,
    /// After a request to stop: when the worker gets SIGKILL.
    pub kill_after: Duration,
    /// How long a lost run stays lost before it is queued again.
    pub requeue_after: Duration,
    /// Attempts in a row that may end without progress before a run is given up. An attempt that left a new
    /// checkpoint or came to a new step made some; one that a signal ended from outside does not count.
    pub attempts_max: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(300),
            record_every: Duration::from_millis(150),
            terminate_after: Duration::from_secs(10),
            kill_after: Duration::from_secs(20),
            requeue_after: Duration::from_secs(15),
            attempts_max: 3,
        }
    }
}
