//! What the dispatcher's loop remembers between its looks; losing it costs only time.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use transferscope_domain::{RunId, RunState};
use transferscope_store::ActiveRun;

use crate::queue::executor::{Ending, Force, Liveness};

/// What one loop remembers between its looks.
#[derive(Debug, Default)]
pub struct Memory {
    /// The state in which a run was seen, by the number of its attempts, and since when. By a clock that nobody sets:
    /// what was waited before this server started does not count, which makes a wait longer and never endless.
    since: HashMap<RunId, (RunState, u32, Instant)>,
    /// The last force used on a run that was asked to stop.
    pub forced: HashMap<RunId, Force>,
    /// How the workers of runs ended, from when that was seen until something came of it: the system says it once, and
    /// a database on a full disk may not take it then.
    endings: HashMap<RunId, Ending>,
    /// Runs whose worker this process has started.
    pub ours: HashSet<RunId>,
    /// Runs that were claimed and for which no worker was started, until the database knows.
    pub unstarted: HashSet<RunId>,
    /// Workers that are still there although their run has ended, and since when that is seen.
    pub leaving: HashMap<RunId, Instant>,
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

    /// What is known of a worker when the executor says this of it now.
    pub fn known(&mut self, run: &RunId, worker: Liveness) -> Liveness {
        match worker {
            Liveness::Alive => {
                self.endings.remove(run);
                Liveness::Alive
            }
            Liveness::Dead(Ending::Unseen) => {
                Liveness::Dead(self.endings.get(run).copied().unwrap_or(Ending::Unseen))
            }
            Liveness::Dead(ending) => {
                self.endings.insert(run.clone(), ending);
                Liveness::Dead(ending)
            }
        }
    }

    /// Something came of the end of a run's worker.
    pub fn settled(&mut self, run: &RunId) {
        self.endings.remove(run);
    }

    /// Forgets runs that have ended.
    pub fn forget(&mut self, has_ended: &impl Fn(&RunId) -> bool) {
        self.since.retain(|run, _| !has_ended(run));
        self.endings.retain(|run, _| !has_ended(run));
        self.forced.retain(|run, _| !has_ended(run));
        self.unstarted.retain(|run| !has_ended(run));
        self.failing.retain(|run, _| !has_ended(run));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_seen_is_known_until_something_came_of_it() {
        let (mut memory, run) = (Memory::default(), "some-run".parse::<RunId>().unwrap());
        let unseen = Liveness::Dead(Ending::Unseen);
        assert_eq!(memory.known(&run, unseen.clone()), unseen);
        let full = Liveness::Dead(Ending::Exit(73));
        assert_eq!(memory.known(&run, full.clone()), full);
        // The system said it once; what was to be stored of it could not be.
        assert_eq!(memory.known(&run, unseen.clone()), full);
        memory.settled(&run);
        assert_eq!(memory.known(&run, unseen.clone()), unseen);
        memory.known(&run, full);
        // The next worker of the run.
        assert_eq!(memory.known(&run, Liveness::Alive), Liveness::Alive);
        assert_eq!(memory.known(&run, unseen.clone()), unseen);
    }

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
