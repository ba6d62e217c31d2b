//! A queue that waits for its machine: no inodes, no memory for a process, no permission, a full disk. Such a problem
//! is no run's fault: the run goes back to its place, and the next start is tried after growing waits.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use transferscope_domain::{RunId, api::QueuePause};

/// The first wait; each one is twice the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The pause of a queue, if there is one; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pause {
    inner: Arc<Mutex<Option<Paused>>>,
}

#[derive(Debug)]
struct Paused {
    reason: String,
    since_ms: i64,
    /// Starts that failed, one after the other.
    failures: u32,
    next: Instant,
    /// Runs that could not be started in this pause. Another is tried next: the obstacle may be one run's own, such
    /// as the permissions of its directory.
    refused: Vec<RunId>,
}

impl Pause {
    /// What pages and the API say of it at `now`; none where runs are started.
    pub fn view(&self, now: Instant) -> Option<QueuePause> {
        self.lock().as_ref().map(|paused| QueuePause {
            reason: paused.reason.clone(),
            since_ms: paused.since_ms,
            next_try_s: paused.next.saturating_duration_since(now).as_secs_f64(),
        })
    }

    /// Whether a start may be tried at `now`; none where there is no pause.
    pub(super) fn is_over(&self, now: Instant) -> Option<bool> {
        self.lock().as_ref().map(|paused| now >= paused.next)
    }

    /// Runs that are not the next to try.
    pub(super) fn refused(&self) -> Vec<RunId> {
        self.lock().as_ref().map(|paused| paused.refused.clone()).unwrap_or_default()
    }

    /// Every run was tried in this pause: begin again with the first.
    pub(super) fn forget_refused(&self) {
        if let Some(paused) = self.lock().as_mut() {
            paused.refused.clear();
        }
    }

    /// Begins a pause, or makes it longer: nothing can be started, as was seen with `run` if with one.
    pub(super) fn begin(&self, run: Option<&RunId>, reason: String, now: Instant, now_ms: i64) {
        let mut inner = self.lock();
        let paused = inner.get_or_insert_with(|| Paused {
            reason: String::new(),
            since_ms: now_ms,
            failures: 0,
            next: now,
            refused: Vec::new(),
        });
        // Two workers that end by one full disk are one failure.
        if paused.failures == 0 || now >= paused.next {
            paused.next = now + wait(paused.failures);
            paused.failures += 1;
        }
        paused.reason = reason;
        if let Some(run) = run.filter(|run| !paused.refused.contains(run)) {
            paused.refused.push(run.clone());
        }
    }

    /// Ends the pause, and says whether there was one.
    pub(super) fn end(&self) -> bool {
        self.lock().take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Paused>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait after so many failures before this one.
fn wait(failures: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_begin_anew_after_a_success() {
        let waits: Vec<u64> = (0..9).map(|n| wait(n).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(wait(40).as_secs(), 60);

        let (pause, start) = (Pause::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        let run: RunId = "some-run".parse().unwrap();
        assert_eq!((pause.view(start), pause.is_over(start)), (None, None));
        pause.begin(Some(&run), "no room".into(), at(0), 7);
        assert_eq!((pause.is_over(at(0)), pause.is_over(at(1))), (Some(false), Some(true)));
        // A second worker that says the same meanwhile does not make it longer.
        pause.begin(None, "no room".into(), at(0), 8);
        assert_eq!(pause.is_over(at(1)), Some(true));
        pause.begin(Some(&run), "still none".into(), at(1), 9);
        let view = pause.view(at(1)).unwrap();
        assert_eq!((view.reason.as_str(), view.since_ms, view.next_try_s), ("still none", 7, 2.0));
        assert_eq!(pause.view(at(99)).unwrap().next_try_s, 0.0);
        assert_eq!(pause.refused(), [run]);
        pause.forget_refused();
        assert!(pause.refused().is_empty());
        assert!(pause.end() && !pause.end());
        pause.begin(None, "again".into(), at(50), 10);
        assert_eq!(pause.is_over(at(51)), Some(true));
    }
}
