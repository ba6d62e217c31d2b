//! `worker.lock` in a run directory: held by the worker for its whole life, so that anyone can
//! tell whether one lives, after a restart of the server too. The file holds the worker's pid.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Name of the lock in a run directory.
const FILE: &str = "worker.lock";
/// How long a worker waits for the lock: a look at it by the server takes it for an instant.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a worker may not have a run directory.
#[derive(Debug, thiserror::Error)]
pub enum WorkerLockError {
    #[error(
        "another worker{} is running in {}; wait until it has ended",
        pid.map(|p| format!(" (pid {p})")).unwrap_or_default(),
        run_dir.display()
    )]
    Held { pid: Option<u32>, run_dir: PathBuf },
    #[error("{} cannot be locked: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The held lock.
#[derive(Debug)]
pub struct WorkerLock {
    _file: File,
}

impl WorkerLock {
    /// Takes the lock of a run directory and writes this process's pid into it.
    ///
    /// # Errors
    /// When another worker holds it, or the file cannot be written.
    pub fn take(run_dir: &Path) -> Result<Self, WorkerLockError> {
        let path = run_dir.join(FILE);
        let failed = |source| WorkerLockError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(WorkerLockError::Held {
                        pid: read_pid(&mut file),
                        run_dir: run_dir.to_owned(),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Who holds a run directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// A worker, with its pid once it has written it.
    Worker(Option<u32>),
}

/// Looks at the lock without keeping it.
pub(super) fn holder(run_dir: &Path) -> io::Result<Holder> {
    let mut file = match File::open(run_dir.join(FILE)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(e) => return Err(e),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Worker(read_pid(&mut file))),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Takes the lock of a run directory that has no worker, for as long as the returned file lives; none where one is at
/// work.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn lock_if_idle(run_dir: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().write(true).open(run_dir.join(FILE)) {
        Ok(file) => file,
        // No worker was ever here; the lock is not made, since it would look as if one had been.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return File::open(run_dir).map(Some),
        Err(e) => return Err(e),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_seen_and_a_second_worker_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()).unwrap(), Holder::Nobody);
        let lock = WorkerLock::take(dir.path()).unwrap();
        let pid = std::process::id();
        assert_eq!(holder(dir.path()).unwrap(), Holder::Worker(Some(pid)));
        let message = WorkerLock::take(dir.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("pid {pid}")), "{message}");
        assert!(lock_if_idle(dir.path()).unwrap().is_none());
        drop(lock);
        assert_eq!(holder(dir.path()).unwrap(), Holder::Nobody);
        let held = lock_if_idle(dir.path()).unwrap().expect("nobody is at work");
        assert!(lock_if_idle(dir.path()).unwrap().is_none());
        drop(held);
        let new = tempfile::tempdir().unwrap();
        assert!(lock_if_idle(new.path()).unwrap().is_some());
        assert_eq!(std::fs::read_dir(new.path()).unwrap().count(), 0, "no lock is left behind");
    }
}
