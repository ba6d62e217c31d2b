//! The seam between training and whoever listens: a worker's event log, a test, a terminal.

use transferscope_domain::event::{EventBody, Phase};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Optimiser steps done.
    pub step: u64,
    /// Share of the whole run that is done, 0 to 1.
    pub progress: f64,
    pub phase: Phase,
    /// Seconds left; none until a few steps were timed.
    pub eta_s: Option<f64>,
}

/// Receives what a training says, and is asked whether it should stop.
pub trait Observer: Sync {
    /// Takes an event; the order of calls is the order of the log.
    ///
    /// # Errors
    /// When the event could not be kept. Training ends then: a run that cannot be recorded is no run.
    fn event(&self, body: EventBody) -> std::io::Result<()>;

    /// Takes the latest progress; called often, must be cheap.
    fn progress(&self, progress: Progress);

    /// Whether to stop at the next step; asked between steps, must be cheap.
    fn should_stop(&self) -> bool;
}

/// Listens to nothing and never stops.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _body: EventBody) -> std::io::Result<()> {
        Ok(())
    }
    fn progress(&self, _progress: Progress) {}
    fn should_stop(&self) -> bool {
        false
    }
}
