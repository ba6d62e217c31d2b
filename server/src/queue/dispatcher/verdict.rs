//! What a look at a run means: from its state, its worker and its log to what is done. Nothing here reads a file, a
//! clock or the database.

use std::time::Duration;

use transferscope_domain::RunState;

use crate::queue::{
    executor::{Ending, Force, Liveness},
    timing::Timing,
    worker::{EXIT_CANNOT_WRITE, EXIT_INTERRUPTED, EXIT_LOCK_HELD, EXIT_NOT_RECORDED, EXIT_NOT_WRITTEN},
};

/// What is seen of a run that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// `preparing`, `running`, `stopping` or `lost`.
    pub state: RunState,
    pub worker: Liveness,
    /// Whether its log ends with a final event, which is recorded.
    pub ended: bool,
    /// Whether the last that its log says is that a signal asked the worker to leave.
    pub interrupted: bool,
    /// For how long it has been in this state, as far as this server has seen; by a clock that nobody sets.
    pub waited: Duration,
    /// Attempts in a row without progress, this one included unless it made some.
    pub misses: u32,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: its worker is at work.
    Keep,
    /// Nothing yet: a lost run waits.
    Wait,
    /// It is running: its worker lives, whatever was thought.
    Reattach,
    /// The same, and the worker that was started beside it is no attempt.
    Yield,
    /// It is asked to stop, and then made to.
    Stop(Option<Force>),
    /// It has ended, as its log says.
    Ended,
    /// It was asked to stop and has no worker any more.
    Stopped,
    /// It goes on from its checkpoint with another worker.
    Lose(Loss),
    /// It is put into the queue again.
    Requeue,
    /// It has failed: attempt after attempt came to nothing.
    GiveUp,
}

/// What the end of a worker without a last word costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Whether the attempt counts unless it made progress: it does where the run itself may be the cause.
    pub counted: bool,
    /// Whether the machine is the cause, so that no other run is started either.
    pub machine: bool,
}

/// What to do about a run.
pub fn verdict(look: &Look, timing: &Timing) -> Action {
    match (look.state, &look.worker) {
        (RunState::Lost, Liveness::Alive) => Action::Reattach,
        (RunState::Stopping, Liveness::Alive) => Action::Stop(force(look.waited, timing)),
        (_, Liveness::Alive) => Action::Keep,
        (_, Liveness::Dead(_)) if look.ended => Action::Ended,
        (RunState::Stopping, Liveness::Dead(_)) => Action::Stopped,
        (RunState::Lost, Liveness::Dead(_)) if look.waited < timing.requeue_after => Action::Wait,
        // Lost by a server that allowed more attempts.
        (RunState::Lost, Liveness::Dead(_)) if look.misses >= timing.attempts_max => Action::GiveUp,
        (RunState::Lost, Liveness::Dead(_)) => Action::Requeue,
        (_, Liveness::Dead(Ending::Exit(code))) if *code == i32::from(EXIT_LOCK_HELD) => Action::Yield,
        (_, Liveness::Dead(ending)) => {
            let loss = loss(*ending, look.interrupted);
            if loss.counted && look.misses >= timing.attempts_max {
                Action::GiveUp
            } else {
                Action::Lose(loss)
            }
        }
    }
}

/// How firmly a worker that was asked to stop so long ago is made to.
fn force(waited: Duration, timing: &Timing) -> Option<Force> {
    if waited >= timing.kill_after {
        Some(Force::Kill)
    } else if waited >= timing.terminate_after {
        Some(Force::Terminate)
    } else {
        None
    }
}

fn loss(ending: Ending, interrupted: bool) -> Loss {
    let exit = |code: u8| ending == Ending::Exit(i32::from(code));
    if exit(EXIT_CANNOT_WRITE) || exit(EXIT_NOT_RECORDED) {
        return Loss { counted: false, machine: true };
    }
    if exit(EXIT_NOT_WRITTEN) {
        return Loss { counted: true, machine: true };
    }
    // SIGINT and SIGTERM end a worker that cannot watch for them yet.
    let asked = exit(EXIT_INTERRUPTED)
        || matches!(ending, Ending::Signal(2 | 15))
        || (ending == Ending::Unseen && interrupted);
    Loss { counted: !asked, machine: false }
}

/// Whose problem it is that no worker can be started for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// There is nothing to start: its directory is gone.
    Run,
    /// Whatever else: it can pass, and must not cost a run.
    Machine,
}

/// Whose problem a failed start is, by what is there: the folder of all runs, and the run's own directory.
pub fn obstacle(runs_are_there: bool, run_is_there: bool) -> Obstacle {
    // Without any run's directory the data folder itself is away, as a network disk can be.
    if runs_are_there && !run_is_there { Obstacle::Run } else { Obstacle::Machine }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timing() -> Timing {
        Timing { requeue_after: 2 * SECOND, ..Timing::default() }
    }

    fn look(state: RunState, worker: Liveness) -> Look {
        Look { state, worker, ended: false, interrupted: false, waited: Duration::ZERO, misses: 1 }
    }

    fn dead(state: RunState, ending: Ending) -> Look {
        look(state, Liveness::Dead(ending))
    }

    fn of(look: &Look) -> Action {
        verdict(look, &timing())
    }

    #[test]
    fn a_living_worker_is_never_taken_for_lost() {
        for state in [RunState::Preparing, RunState::Running] {
            for waited in [Duration::ZERO, 1000 * SECOND] {
                assert_eq!(of(&Look { waited, misses: 99, ..look(state, Liveness::Alive) }), Action::Keep);
            }
        }
        let lost = Look { waited: 1000 * SECOND, misses: 99, ..look(RunState::Lost, Liveness::Alive) };
        assert_eq!(of(&lost), Action::Reattach);
        let bounced = Ending::Exit(i32::from(EXIT_LOCK_HELD));
        assert_eq!(of(&Look { misses: 99, ..dead(RunState::Preparing, bounced) }), Action::Yield);
    }

    #[test]
    fn finished_is_finished_whatever_was_guessed() {
        for state in [RunState::Preparing, RunState::Running, RunState::Stopping, RunState::Lost] {
            for ending in [Ending::Unseen, Ending::Exit(0), Ending::Exit(1), Ending::Signal(9)] {
                let look = Look { ended: true, misses: 99, waited: 1000 * SECOND, ..dead(state, ending) };
                assert_eq!(of(&look), Action::Ended);
            }
        }
    }

    #[test]
    fn attempts_without_progress_end_a_run_and_others_do_not() {
        let counted = Action::Lose(Loss { counted: true, machine: false });
        let asked = Action::Lose(Loss { counted: false, machine: false });
        for ending in [Ending::Signal(9), Ending::Exit(101), Ending::Unseen, Ending::Exit(0)] {
            let after = |misses| of(&Look { misses, ..dead(RunState::Running, ending) });
            // 0: it made progress.
            assert_eq!([0, 1, 2].map(after), [counted; 3], "{ending:?}");
            assert_eq!(after(3), Action::GiveUp, "{ending:?}");
        }
        for ending in [Ending::Signal(15), Ending::Signal(2), Ending::Exit(i32::from(EXIT_INTERRUPTED))] {
            assert_eq!(of(&Look { misses: 99, ..dead(RunState::Running, ending) }), asked, "{ending:?}");
        }
        // The server was gone too and saw no status; the log says it.
        let unseen = Look { interrupted: true, misses: 99, ..dead(RunState::Running, Ending::Unseen) };
        assert_eq!(of(&unseen), asked);
        // An earlier interrupt says nothing of a kill that was seen.
        let killed = Look { interrupted: true, misses: 3, ..dead(RunState::Running, Ending::Signal(9)) };
        assert_eq!(of(&killed), Action::GiveUp);
    }

    #[test]
    fn a_full_disk_costs_no_attempt_and_stops_the_queue() {
        for code in [EXIT_CANNOT_WRITE, EXIT_NOT_RECORDED] {
            let look = Look { misses: 99, ..dead(RunState::Running, Ending::Exit(i32::from(code))) };
            assert_eq!(of(&look), Action::Lose(Loss { counted: false, machine: true }));
        }
    }

    #[test]
    fn what_cannot_be_written_for_another_reason_is_tried_a_few_times() {
        let after = |misses| {
            let ending = Ending::Exit(i32::from(EXIT_NOT_WRITTEN));
            of(&Look { misses, ..dead(RunState::Running, ending) })
        };
        assert_eq!(after(2), Action::Lose(Loss { counted: true, machine: true }));
        assert_eq!(after(3), Action::GiveUp);
    }

    #[test]
    fn a_lost_run_waits_and_then_goes_on() {
        let after = |waited| of(&Look { waited, ..dead(RunState::Lost, Ending::Unseen) });
        assert_eq!(after(Duration::ZERO), Action::Wait);
        assert_eq!(after(2 * SECOND), Action::Requeue);
        let given_up = Look { waited: 2 * SECOND, misses: 3, ..dead(RunState::Lost, Ending::Unseen) };
        assert_eq!(of(&given_up), Action::GiveUp);
    }

    #[test]
    fn a_worker_that_does_not_stop_is_made_to() {
        let after = |s: u32| of(&Look { waited: s * SECOND, ..look(RunState::Stopping, Liveness::Alive) });
        assert_eq!(after(0), Action::Stop(None));
        assert_eq!(after(10), Action::Stop(Some(Force::Terminate)));
        assert_eq!(after(20), Action::Stop(Some(Force::Kill)));
        for ending in [Ending::Signal(9), Ending::Unseen, Ending::Exit(i32::from(EXIT_CANNOT_WRITE))] {
            assert_eq!(of(&Look { misses: 99, ..dead(RunState::Stopping, ending) }), Action::Stopped);
        }
    }

    #[test]
    fn only_a_run_without_its_directory_is_the_obstacle_itself() {
        assert_eq!(obstacle(true, false), Obstacle::Run);
        for (runs, run) in [(true, true), (false, false), (false, true)] {
            assert_eq!(obstacle(runs, run), Obstacle::Machine);
        }
    }
}
