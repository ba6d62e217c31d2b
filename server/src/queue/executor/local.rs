//! Workers as child processes of this machine.

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use transferscope_domain::RunId;

use super::{
    Ending, Executor, ExecutorError, Force, Liveness,
    processes::{self, WorkerProcess},
    worker_lock::{Holder, holder},
};
use crate::queue::worker;

/// Runs `PROGRAM worker RUN_DIR` in a process group of its own, with its output in the run's
/// `worker.log`, so that neither the server's end nor a Ctrl-C in its terminal reaches it.
#[derive(Debug)]
pub struct LocalExecutor {
    program: PathBuf,
    children: Mutex<HashMap<RunId, Child>>,
    /// The machine's workers when they were last listed.
    seen: Mutex<Option<(Instant, Vec<WorkerProcess>)>>,
}

/// For how long a list of the machine's workers is believed: every lost run asks for it at every look.
const SEEN_FOR: Duration = Duration::from_millis(500);

impl LocalExecutor {
    /// Uses this very program as the worker, also when its file was replaced meanwhile.
    ///
    /// # Errors
    /// When the system does not say where the program lies.
    pub fn of_this_program() -> io::Result<Self> {
        let running = Path::new("/proc/self/exe");
        Ok(Self::new(if running.exists() { running.to_owned() } else { std::env::current_exe()? }))
    }

    /// Uses `program` as the worker.
    pub fn new(program: PathBuf) -> Self {
        Self { program, children: Mutex::default(), seen: Mutex::default() }
    }

    /// The process of a worker that has no lock (yet), by a list no older than `age`.
    fn process(&self, run_dir: &Path, age: Duration) -> Result<Option<u32>, ExecutorError> {
        let run_dir = run_dir.canonicalize().unwrap_or_else(|_| run_dir.to_owned());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|(at, _)| at.elapsed() > age) {
            *seen = Some((Instant::now(), processes::workers().map_err(ExecutorError::Processes)?));
        }
        let (_, workers) = seen.get_or_insert_with(|| (Instant::now(), Vec::new()));
        Ok(workers.iter().find(|w| w.run_dir == run_dir).map(|w| w.pid))
    }

    fn children(&self) -> MutexGuard<'_, HashMap<RunId, Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for LocalExecutor {
    fn submit(&self, run: &RunId, run_dir: &Path, attempt: u32) -> Result<(), ExecutorError> {
        let log_path = run_dir.join(worker::LOG_FILE);
        let log = || -> io::Result<_> {
            let mut log = OpenOptions::new().create(true).append(true).open(&log_path)?;
            writeln!(log, "{}", worker::LOG_HEADER)?;
            let copy = log.try_clone()?;
            Ok((log, copy))
        };
        let (out, err) =
            log().map_err(|source| ExecutorError::Start { what: log_path.display().to_string(), source })?;
        let child = Command::new(&self.program)
            .arg0("transferscope")
            .arg("worker")
            .arg(run_dir)
            .args(["--attempt", &attempt.to_string()])
            .current_dir(run_dir)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|source| ExecutorError::Start { what: self.program.display().to_string(), source })?;
        self.children().insert(run.clone(), child);
        Ok(())
    }

    fn alive(&self, run: &RunId, run_dir: &Path) -> Result<Liveness, ExecutorError> {
        let mut children = self.children();
        if let Some(child) = children.get_mut(run) {
            // Our own child: its status is the truth, from before it has its lock on.
            match child.try_wait() {
                Ok(None) => return Ok(Liveness::Alive),
                Ok(Some(status)) => {
                    children.remove(run);
                    return Ok(Liveness::Dead(ending(status)));
                }
                Err(error) => {
                    tracing::debug!(run.id = %run, %error, "no status of the child; looking at its lock");
                    children.remove(run);
                }
            }
        }
        match holder(run_dir).map_err(ExecutorError::Lock)? {
            Holder::Worker(_) => Ok(Liveness::Alive),
            Holder::Nobody => match self.process(run_dir, SEEN_FOR)? {
                Some(_) => Ok(Liveness::Alive),
                None => Ok(Liveness::Dead(Ending::Unseen)),
            },
        }
    }

    fn cancel(&self, run: &RunId, run_dir: &Path, force: Force) -> Result<(), ExecutorError> {
        // A pid is only used while its process certainly lives: an unreaped child, the holder of the lock, or
        // a process that was seen just now.
        let child = match self.children().get_mut(run) {
            Some(child) => matches!(child.try_wait(), Ok(None)).then(|| child.id()),
            None => None,
        };
        let pid = match child {
            Some(pid) => Some(pid),
            None => match holder(run_dir).map_err(ExecutorError::Lock)? {
                Holder::Worker(pid) => pid,
                Holder::Nobody => self.process(run_dir, Duration::ZERO)?,
            },
        };
        let Some(target) = pid.and_then(|p| i32::try_from(p).ok()).and_then(Pid::from_raw) else {
            return Ok(());
        };
        let signal = match force {
            Force::Terminate => Signal::TERM,
            Force::Kill => Signal::KILL,
        };
        match kill_process(target, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(ExecutorError::Signal { pid: pid.unwrap_or_default(), source: e.into() }),
        }
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exit(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Unseen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(dir: &Path, body: &str) -> PathBuf {
        let path = dir.join("program.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn wait_for_end(executor: &LocalExecutor, run: &RunId, dir: &Path) -> Ending {
        let start = Instant::now();
        loop {
            if let Liveness::Dead(ending) = executor.alive(run, dir).unwrap() {
                return ending;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "the child does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn exit_status_signal_and_log_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let run: RunId = "test-run".parse().unwrap();
        let executor = LocalExecutor::new(script(dir.path(), "echo \"$1 says\" >&2; exit 3"));
        executor.submit(&run, dir.path(), 1).unwrap();
        assert_eq!(wait_for_end(&executor, &run, dir.path()), Ending::Exit(3));
        assert!(std::fs::read_to_string(dir.path().join("worker.log")).unwrap().contains("worker says"));

        let executor = LocalExecutor::new(script(dir.path(), "exec sleep 60"));
        executor.submit(&run, dir.path(), 1).unwrap();
        assert_eq!(executor.alive(&run, dir.path()).unwrap(), Liveness::Alive);
        executor.cancel(&run, dir.path(), Force::Kill).unwrap();
        assert_eq!(wait_for_end(&executor, &run, dir.path()), Ending::Signal(9));
        // Gone: nothing to signal, and no error.
        executor.cancel(&run, dir.path(), Force::Terminate).unwrap();
    }

    #[test]
    fn a_worker_without_its_lock_is_found_by_another_server() {
        let dir = tempfile::tempdir().unwrap();
        let run: RunId = "test-run".parse().unwrap();
        let program = script(dir.path(), "while :; do sleep 0.2; done");
        let before = LocalExecutor::new(program.clone());
        before.submit(&run, dir.path(), 1).unwrap();
        // Knows nothing of the child, and there is no lock.
        let after = LocalExecutor::new(program);
        assert_eq!(after.alive(&run, dir.path()).unwrap(), Liveness::Alive);
        after.cancel(&run, dir.path(), Force::Kill).unwrap();
        assert_eq!(wait_for_end(&before, &run, dir.path()), Ending::Signal(9));
        std::thread::sleep(SEEN_FOR);
        assert_eq!(wait_for_end(&after, &run, dir.path()), Ending::Unseen);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let executor = LocalExecutor::new(dir.path().join("nothing"));
        let message = executor.submit(&"test-run".parse().unwrap(), dir.path(), 1).unwrap_err().to_string();
        assert!(message.contains("could not be started"), "{message}");
    }
}
