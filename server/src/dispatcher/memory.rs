//! What the dispatcher's loop remembers between its looks; losing it costs only time.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use transferscope_domain::{RunId, RunState};
use transferscope_store::ActiveRun;

use crate::executor::Force;

/// What one loop remembers between its looks.
#[derive(Debug, Default)]
pub struct Memory {
    /// The state in which a run was seen, by the number of its attempts, and since when. By a clock that nobody sets:
    /// what was waited before this server started does not count, which makes a wait longer and never endless.
    since: HashMap<RunId, (RunState, u32, Instant)>,
    /// The last force used on a run that was asked to stop.
    pub forced: HashMap<RunId, Force>,
    /// Runs whose worker this process has started.
    pub ours: HashSet<RunId>,
    /// Runs that were claimed and for which no worker was started, until the database knows.
    pub unstarted: HashSet<RunId>,
    /// Runs whose last look failed, and why.
    pub failing: BTreeMap<RunId, String>,
}

impl Memory {
    /// Takes note of the states that runs have at `now`.
    pub fn see(&mut self, runs: &[ActiveRun], now: Instant) {
        for run in runs {
            let seen = (run.state, run.attempts);
            let known = self.since.get(&run.id).map(|(state, attempts, _)| (*state, *attempts));
            if known != Some(seen) {
                self.since.insert(run.id.clone(), (run.state, run.attempts, now));
            }
        }
    }

    /// For how long a run has been in its state, as far as this loop has seen.
    pub fn waited(&self, run: &RunId, now: Instant) -> Duration {
        self.since.get(run).map_or(Duration::ZERO, |(.., since)| now.saturating_duration_since(*since))
    }

    /// Forgets runs that have ended.
    pub fn forget(&mut self, has_ended: &impl Fn(&RunId) -> bool) {
        self.since.retain(|run, _| !has_ended(run));
        self.forced.retain(|run, _| !has_ended(run));
        self.unstarted.retain(|run| !has_ended(run));
        self.failing.retain(|run, _| !has_ended(run));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_begins_with_the_state_and_knows_no_wall_clock() {
        let run = |state, attempts| ActiveRun {
            id: "some-run".parse().unwrap(),
            state,
            attempts,
            // A clock that was set back by an hour since: it is not looked at.
            state_ms: i64::MAX,
            heartbeat_ms: None,
            handle: None,
            last_step: None,
        };
        let (mut memory, start) = (Memory::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        let waited = |memory: &Memory, s: u64| memory.waited(&run(RunState::Lost, 1).id, at(s)).as_secs();
        memory.see(&[run(RunState::Running, 1)], at(0));
        memory.see(&[run(RunState::Lost, 1)], at(10));
        memory.see(&[run(RunState::Lost, 1)], at(12));
        assert_eq!(waited(&memory, 15), 5);
        // Lost again, by the next worker, between two looks.
        memory.see(&[run(RunState::Lost, 2)], at(20));
        assert_eq!(waited(&memory, 21), 1);
        assert_eq!(waited(&memory, 3), 0);
        memory.forget(&|_| true);
        assert_eq!(waited(&memory, 99), 0);
    }
}
