//! The seam between training and whoever listens: a worker's event log, a test, a terminal.

use std::io;

use transferscope_domain::{
    event::{EventBody, Phase},
    failure::is_full,
};

use crate::outcome::RunError;

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
    fn event(&self, body: EventBody) -> io::Result<()>;

    /// Takes the latest progress; called often, must be cheap.
    fn progress(&self, progress: Progress);

    /// Whether to stop at the next step; asked between steps, must be cheap.
    fn should_stop(&self) -> bool;

    /// Called when the disk is full: waits a while and says whether to write again. Who does not want to wait says
    /// no, and the training ends with the error.
    fn wait_for_room(&self, _what: &str, _error: &io::Error) -> bool {
        false
    }

    /// Called when what was waited for could be written.
    fn found_room(&self) {}
}

/// Writes something, again and again while the disk is full and the observer waits for room.
///
/// # Errors
/// [`RunError::Write`] for every other error, and when the observer does not wait any longer.
pub fn written<T>(
    observer: &dyn Observer,
    what: &str,
    mut write: impl FnMut() -> io::Result<T>,
) -> Result<T, RunError> {
    let mut waited = false;
    loop {
        match write() {
            Ok(done) => {
                if waited {
                    observer.found_room();
                }
                return Ok(done);
            }
            Err(error) if is_full(&error) && observer.wait_for_room(what, &error) => waited = true,
            Err(source) => return Err(RunError::Write { what: what.into(), source }),
        }
    }
}

/// Says something; waits for room where the disk is full.
///
/// # Errors
/// As [`written`].
pub fn emit(observer: &dyn Observer, body: EventBody) -> Result<(), RunError> {
    written(observer, "the event log", || observer.event(body.clone()))
}

/// Listens to nothing and never stops.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _body: EventBody) -> io::Result<()> {
        Ok(())
    }
    fn progress(&self, _progress: Progress) {}
    fn should_stop(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Waits a number of times.
    struct Patient(AtomicU32);

    impl Observer for Patient {
        fn event(&self, _body: EventBody) -> io::Result<()> {
            Ok(())
        }
        fn progress(&self, _progress: Progress) {}
        fn should_stop(&self) -> bool {
            false
        }
        fn wait_for_room(&self, _what: &str, _error: &io::Error) -> bool {
            self.0.fetch_sub(1, Ordering::SeqCst) > 0
        }
    }

    #[test]
    fn a_full_disk_is_waited_for_and_nothing_else_is() {
        let tries = Cell::new(0);
        let full_until = |enough: u32| {
            tries.set(0);
            move |tries: &Cell<u32>| {
                tries.set(tries.get() + 1);
                if tries.get() < enough {
                    Err(io::Error::from(io::ErrorKind::StorageFull))
                } else {
                    Ok(tries.get())
                }
            }
        };
        let write = full_until(3);
        assert_eq!(written(&Patient(AtomicU32::new(5)), "x", || write(&tries)).unwrap(), 3);
        let write = full_until(9);
        let error = written(&Patient(AtomicU32::new(2)), "the checkpoint", || write(&tries)).unwrap_err();
        assert!(error.to_string().contains("the checkpoint"), "{error}");
        assert_eq!(tries.get(), 3);
        tries.set(0);
        let denied = || -> io::Result<()> {
            tries.set(tries.get() + 1);
            Err(io::Error::from(io::ErrorKind::PermissionDenied))
        };
        assert!(written(&Patient(AtomicU32::new(5)), "x", denied).is_err());
        assert_eq!(tries.get(), 1);
    }
}
