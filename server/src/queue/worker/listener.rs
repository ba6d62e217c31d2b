//! What a training tells, and what it is told: events go into the log, progress into the heartbeat; whether to stop
//! and whether to wait for room on the disk comes back.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use transferscope_domain::event::{EventBody, LogLevel, Phase};
use transferscope_ml::observer::{Observer, Progress};

use crate::queue::event_log::EventLog;

const CANCEL_CHECK: Duration = Duration::from_millis(200);
/// Time between two tries to write on a full disk.
const ROOM_CHECK: Duration = Duration::from_millis(500);
/// How long a training waits for room. Then its worker leaves, so that memory and card are free, and another one goes
/// on from the last checkpoint.
pub(super) const ROOM_PATIENCE: Duration = Duration::from_secs(300);

/// The observer of a worker: events to the log, progress to the heartbeat.
pub(super) struct Listener<'a> {
    log: &'a EventLog,
    cancel_file: PathBuf,
    interrupted: Arc<AtomicBool>,
    pub(super) start: Instant,
    progress: Mutex<Progress>,
    /// When the cancel file was last looked for, and whether it was there.
    cancel: Mutex<(Option<Instant>, bool)>,
    /// When the present wait for room began.
    room: Mutex<Option<Instant>>,
}

impl<'a> Listener<'a> {
    pub(super) fn new(log: &'a EventLog, cancel_file: PathBuf, interrupted: Arc<AtomicBool>) -> Self {
        Self {
            log,
            cancel_file,
            interrupted,
            start: Instant::now(),
            progress: Mutex::new(Progress { step: 0, progress: 0.0, phase: Phase::Preparing, eta_s: None }),
            cancel: Mutex::new((None, false)),
            room: Mutex::default(),
        }
    }

    pub(super) fn latest(&self) -> Progress {
        *lock(&self.progress)
    }

    pub(super) fn cancel_asked(&self) -> bool {
        self.cancel_file.exists()
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    pub(super) fn beat(&self) {
        let Progress { step, progress, phase, eta_s } = self.latest();
        let finite = |v: f64| if v.is_finite() { v } else { 0.0 };
        let body = EventBody::Heartbeat {
            step,
            progress: finite(progress).clamp(0.0, 1.0),
            phase,
            eta_s: eta_s.filter(|v| v.is_finite()),
        };
        if let Err(error) = self.log.append(body) {
            tracing::warn!(%error, "a heartbeat could not be written");
        }
    }
}

impl Observer for Listener<'_> {
    fn event(&self, body: EventBody) -> io::Result<()> {
        match self.log.append(body)?.body {
            EventBody::Log { level: LogLevel::Info, message } => tracing::info!("{message}"),
            EventBody::Log { level: LogLevel::Warn, message } => tracing::warn!("{message}"),
            EventBody::Log { level: LogLevel::Error, message } => tracing::error!("{message}"),
            _ => {}
        }
        Ok(())
    }

    fn progress(&self, progress: Progress) {
        *lock(&self.progress) = progress;
    }

    fn should_stop(&self) -> bool {
        if self.is_interrupted() {
            return true;
        }
        let mut seen = lock(&self.cancel);
        if !seen.1 && seen.0.is_none_or(|t| t.elapsed() >= CANCEL_CHECK) {
            *seen = (Some(Instant::now()), self.cancel_file.exists());
        }
        seen.1
    }

    fn wait_for_room(&self, what: &str, error: &io::Error) -> bool {
        if self.should_stop() {
            return false;
        }
        let now = Instant::now();
        let mut room = lock(&self.room);
        let began = *room.get_or_insert(now);
        drop(room);
        if began == now {
            tracing::warn!(%error, "{what} cannot be written; waiting for room on the disk");
        }
        // However long a single try takes: what could be written is said, and ends the wait.
        if now.duration_since(began) >= ROOM_PATIENCE {
            return false;
        }
        thread::sleep(ROOM_CHECK);
        true
    }

    fn found_room(&self) {
        *lock(&self.room) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_room_ends_by_the_clock_and_not_by_the_number_of_tries() {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = EventLog::open(&dir.path().join("events.jsonl")).unwrap();
        let listener = Listener::new(&log, dir.path().join("cancel"), Arc::default());
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let began = |ago: Duration| *lock(&listener.room) = Instant::now().checked_sub(ago);
        assert!(listener.wait_for_room("x", &full));
        began(ROOM_PATIENCE - Duration::from_secs(10));
        assert!(listener.wait_for_room("x", &full));
        // One slow try was all that there was.
        began(ROOM_PATIENCE);
        assert!(!listener.wait_for_room("x", &full));
        listener.found_room();
        assert!(listener.wait_for_room("x", &full), "the next wait has all of its time");
        std::fs::write(dir.path().join("cancel"), "").unwrap();
        thread::sleep(CANCEL_CHECK);
        assert!(!listener.wait_for_room("x", &full), "somebody asked to stop");
    }
}
