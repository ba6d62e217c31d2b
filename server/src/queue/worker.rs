//! The worker process: one run from `request.json` to its final event.
//!
//! It needs its run directory, its data and its checkpoint; no database and no port. It can be
//! killed at any instant and started again. The final event is the last thing that it writes;
//! a worker that ends without one (a kill, an interrupt) leaves a run that can go on.

use std::{
    fs::File,
    io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};
use transferscope_domain::{
    Failure, FailureKind, RunRequest,
    event::{EventBody, LogLevel, RunEvent},
    failure::is_full,
};
use transferscope_ml::{
    observer::Observer,
    outcome::{Outcome, RunError},
    run::execute,
    run_dir::peak_memory_bytes,
};

use super::{
    event_log::{self, EventLog},
    executor::{WorkerLock, WorkerLockError},
    request_file::{self, RequestError},
};

mod listener;
mod words;

use listener::{Listener, ROOM_PATIENCE};
pub use words::{memory_hint, memory_kind};

/// Output of the workers of a run, in its directory.
pub const LOG_FILE: &str = "worker.log";
/// Stands in `worker.log` before the output of each worker.
pub const LOG_HEADER: &str = "--- worker started ---";
/// The file whose presence in a run directory asks its worker to stop for good.
pub const CANCEL_FILE: &str = "cancel";

/// Exit code of a worker that was interrupted and can go on.
pub const EXIT_INTERRUPTED: u8 = 75;
/// Exit code of a worker that could not write its last event.
pub const EXIT_NOT_RECORDED: u8 = 74;
/// Exit code of a worker that could not write into its run directory, mostly for want of room; another one can go on
/// when that has passed.
pub const EXIT_CANNOT_WRITE: u8 = 73;
/// Exit code of a worker that could not write for another reason than a full disk: the attempt counts unless it came
/// further, since the reason may lie in the run.
pub const EXIT_NOT_WRITTEN: u8 = 71;
/// Exit code of a worker that found another one at work.
pub const EXIT_LOCK_HELD: u8 = 69;

/// What the log of a run says last where a signal asked its worker to leave.
const INTERRUPTED: &str = "The worker was asked to leave by a signal; the run goes on from its last checkpoint when it \
                           is started again.";

/// What to do where a full disk ended the worker and not the run.
const GOES_ON_WITH_ROOM: &str =
    "Make room on the disk that holds the data folder; the run continues by itself.";

const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long the final event is tried again where it cannot be written, a full disk aside.
const FINAL_EVENT_PATIENCE: Duration = Duration::from_secs(20);

/// How a worker ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    Finished,
    /// As asked, after this step.
    Cancelled {
        step: u64,
        epoch: f64,
    },
    Failed(Failure),
    /// The run had ended before this worker came.
    Already,
    /// A signal asked the worker to leave; another worker can go on.
    Interrupted,
    /// The run directory takes nothing, and waiting did not help; another worker can go on when it does.
    CannotWrite(Failure),
    /// It could not write for another reason, which may pass; another one goes on.
    NotWritten(Failure),
}

/// Why a worker could not do its work, where the event log cannot say it.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("{} is not a run directory: it holds no {}", .0.display(), request_file::FILE)]
    NoRun(PathBuf),
    #[error(transparent)]
    Lock(#[from] WorkerLockError),
    #[error("the event log {} cannot be read or written: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("signals cannot be watched: {0}")]
    Signals(io::Error),
    #[error("the run ended ({what}), but that could not be written: {source}")]
    NotRecorded { what: String, source: io::Error },
}

/// Carries out the run of a directory; blocks until it has ended. `attempt` is the number of this
/// worker as its starter counts; without one, the workers that came as far as training count.
///
/// # Errors
/// When the directory holds no run, another worker is at work in it, or its event log cannot be
/// written. What goes wrong in the run itself is its final event, not an error.
pub fn work(run_dir: &Path, attempt: Option<u32>) -> Result<Ended, WorkerError> {
    if !run_dir.join(request_file::FILE).is_file() {
        return Err(WorkerError::NoRun(run_dir.to_owned()));
    }
    let _lock = WorkerLock::take(run_dir)?;
    let path = run_dir.join(event_log::FILE);
    let (log, history) =
        EventLog::open(&path).map_err(|source| WorkerError::Log { path: path.clone(), source })?;
    if history.ended.is_some() {
        return Ok(Ended::Already);
    }
    let interrupted = watch_signals().map_err(WorkerError::Signals)?;
    let listener = Listener::new(&log, run_dir.join(CANCEL_FILE), interrupted);
    let ended = match request_file::read(run_dir) {
        Err(error) => Ended::Failed(refused(error)),
        Ok(request) => {
            let attempt = attempt.unwrap_or(0).max(history.started + 1);
            tracing::info!(run.id = %request.id, attempt, "worker starts");
            run(&request, run_dir, attempt, &listener)
        }
    };
    let body = match &ended {
        Ended::Finished => EventBody::Finished {
            step: listener.latest().step,
            seconds: seconds_of(run_dir).unwrap_or_else(|| listener.start.elapsed().as_secs_f64()),
            peak_memory_bytes: peak_memory_bytes(),
        },
        Ended::Cancelled { step, epoch } => EventBody::Cancelled { step: *step, epoch: *epoch },
        Ended::Failed(failure) => EventBody::Failed { failure: failure.clone() },
        Ended::Already => return Ok(ended),
        Ended::Interrupted => {
            let note = EventBody::Log { level: LogLevel::Warn, message: INTERRUPTED.into() };
            if let Err(error) = log.append(note) {
                tracing::warn!(%error, "the interrupt could not be noted");
            }
            return Ok(ended);
        }
        // Nothing can be said of it where it would have to be said.
        Ended::CannotWrite(_) | Ended::NotWritten(_) => return Ok(ended),
    };
    write_final(&log, body, &listener)
        .map_err(|source| WorkerError::NotRecorded { what: format!("{ended:?}"), source })?;
    Ok(ended)
}

/// Trains, with a heartbeat beside it, and turns a panic into a failure.
fn run(request: &RunRequest, run_dir: &Path, attempt: u32, listener: &Listener) -> Ended {
    let said = remember_panics();
    let result = thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || {
            loop {
                listener.beat();
                match stopped.recv_timeout(HEARTBEAT) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        let result = if listener.should_stop() {
            Ok(Ok(Outcome::Cancelled { step: 0, epoch: 0.0 }))
        } else {
            panic::catch_unwind(AssertUnwindSafe(|| execute(request, run_dir, attempt, listener)))
        };
        drop(stop);
        result
    });
    match result {
        Ok(Ok(Outcome::Finished)) => Ended::Finished,
        Ok(Ok(Outcome::Cancelled { step, epoch })) if listener.cancel_asked() => {
            Ended::Cancelled { step, epoch }
        }
        Ok(Ok(Outcome::Cancelled { .. })) => Ended::Interrupted,
        // What the machine does not take is no fault of the run.
        Ok(Err(RunError::Write { .. })) if listener.is_interrupted() => Ended::Interrupted,
        Ok(Err(error)) => {
            let failure = words::of_error(&error, request);
            match error {
                RunError::Write { source, .. } if is_full(&source) => {
                    Ended::CannotWrite(failure.with_hint(GOES_ON_WITH_ROOM))
                }
                // The machine's word, which may pass: another attempt, of which there are few.
                RunError::Write { source, .. } if source.raw_os_error().is_some() => {
                    Ended::NotWritten(failure)
                }
                _ => Ended::Failed(failure),
            }
        }
        Err(_) => {
            let message =
                lock(&said).take().unwrap_or_else(|| "the worker panicked without a message".into());
            Ended::Failed(words::of_panic(&message, request))
        }
    }
}

fn refused(error: RequestError) -> Failure {
    Failure::new(FailureKind::BadRequest, error.to_string())
}

/// Whether the last that a log says is that a signal asked the worker to leave.
pub fn says_interrupted(events: &[RunEvent]) -> bool {
    events
        .iter()
        .rev()
        .find(|event| !matches!(event.body, EventBody::Heartbeat { .. }))
        .is_some_and(|last| matches!(&last.body, EventBody::Log { message, .. } if message == INTERRUPTED))
}

/// Writes the last event; waits for room where the disk is full.
fn write_final(log: &EventLog, body: EventBody, listener: &Listener) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match log.append(body.clone()) {
            Ok(_) => return Ok(()),
            // It will be said by the next worker.
            Err(error) if listener.is_interrupted() => return Err(error),
            Err(error)
                if start.elapsed() < if is_full(&error) { ROOM_PATIENCE } else { FINAL_EVENT_PATIENCE } =>
            {
                tracing::warn!(%error, "the final event cannot be written; trying again");
                thread::sleep(Duration::from_secs(1));
            }
            Err(error) => return Err(error),
        }
    }
}

/// The run's own time from its report: a resumed run counts its earlier workers too.
fn seconds_of(run_dir: &Path) -> Option<f64> {
    #[derive(serde::Deserialize)]
    struct Seconds {
        seconds: f64,
    }
    let file = File::open(run_dir.join("report.json")).ok()?;
    serde_json::from_reader::<_, Seconds>(io::BufReader::new(file)).ok().map(|s| s.seconds)
}

/// Keeps the message and place of the first panic, and prints it as usual.
fn remember_panics() -> Arc<Mutex<Option<String>>> {
    let said = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&said);
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        lock(&keep).get_or_insert_with(|| format!("{what}{place}"));
        usual(info);
    }));
    said
}

/// Sets the returned flag at SIGTERM or SIGINT; a second signal ends the process at once.
fn watch_signals() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let set = Arc::clone(&flag);
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if set.swap(true, Ordering::SeqCst) {
                    std::process::exit(i32::from(EXIT_INTERRUPTED));
                }
            }
        });
    })?;
    Ok(flag)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_run_and_a_request_of_another_time_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(work(dir.path(), None), Err(WorkerError::NoRun(_))));

        std::fs::write(dir.path().join(request_file::FILE), br#"{"schema": 99}"#).unwrap();
        let Ok(Ended::Failed(failure)) = work(dir.path(), None) else { panic!("not refused") };
        assert_eq!(failure.kind, FailureKind::BadRequest);
        assert!(failure.message.contains("schema 99"), "{}", failure.message);
        // The failure is the log's last word, and a second worker has nothing to do.
        let (_, history) = EventLog::open(&dir.path().join(event_log::FILE)).unwrap();
        assert_eq!(history.ended, Some(EventBody::Failed { failure }));
        assert_eq!(work(dir.path(), None).unwrap(), Ended::Already);
    }

    #[test]
    fn an_interrupt_is_known_by_the_last_word_of_the_log() {
        let event = |seq: u64, body: EventBody| RunEvent { seq, t: 1, body };
        let note = |message: &str| EventBody::Log { level: LogLevel::Warn, message: message.into() };
        let beat = EventBody::Heartbeat {
            step: 1,
            progress: 0.1,
            phase: transferscope_domain::event::Phase::Training,
            eta_s: None,
        };
        let mut events = vec![event(1, note("no alignment")), event(2, note(INTERRUPTED)), event(3, beat)];
        assert!(says_interrupted(&events));
        events.push(event(4, note("anything else")));
        assert!(!says_interrupted(&events));
        assert!(!says_interrupted(&[]));
    }
}
