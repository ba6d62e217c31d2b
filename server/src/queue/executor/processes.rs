//! Worker processes of this machine, found by their command lines: a worker exists before it has its lock, and a
//! server that was started again did not see it begin.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkerProcess {
    pub pid: u32,
    /// The run directory of its command line.
    pub run_dir: PathBuf,
}

/// All worker processes that are seen now. One that is ending, or is not ours to look at, is none.
///
/// # Errors
/// When the system does not list its processes.
pub(super) fn workers() -> io::Result<Vec<WorkerProcess>> {
    let ours = rustix::process::geteuid().as_raw();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Of another user, or ended meanwhile: what is not ours to end is no worker of ours.
        if !entry.metadata().is_ok_and(|about| about.uid() == ours) {
            continue;
        }
        let Some(line) = command_line(&entry.path()) else { continue };
        let Some(run_dir) = run_dir(&line) else { continue };
        let run_dir = if run_dir.is_absolute() {
            run_dir.to_owned()
        } else {
            let Ok(at) = fs::read_link(entry.path().join("cwd")) else { continue };
            at.join(run_dir)
        };
        // Names of one folder differ where links lead to it.
        let run_dir = run_dir.canonicalize().unwrap_or(run_dir);
        found.push(WorkerProcess { pid, run_dir });
    }
    Ok(found)
}

/// How long a process that has just begun its program is waited for, and how often it is looked at meanwhile.
const BEGINNING: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(2);

/// A process's command line; none where it has none.
fn command_line(process: &Path) -> Option<Vec<u8>> {
    let start = Instant::now();
    loop {
        let line = fs::read(process.join("cmdline")).ok()?;
        // Between the old program and the new one a process has a program and no command line yet. One without a
        // program is the kernel's own, or has ended.
        let begins = line.is_empty() && fs::read_link(process.join("exe")).is_ok();
        if !begins || start.elapsed() > BEGINNING {
            return Some(line);
        }
        thread::sleep(LOOK);
    }
}

/// The run directory of a command line `.. worker RUN_DIR --attempt N`, its arguments ended by zeros: that with which
/// workers are started, whole, since other programs can have a run directory among their arguments too.
fn run_dir(line: &[u8]) -> Option<&Path> {
    let mut arguments = line.split(|b| *b == 0);
    arguments.find(|argument| *argument == b"worker")?;
    let dir = arguments.next().filter(|dir| !dir.is_empty() && !dir.starts_with(b"-"))?;
    arguments.next().filter(|word| *word == b"--attempt")?;
    let number = arguments.next()?;
    let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    (is_number && arguments.all(<[u8]>::is_empty)).then(|| Path::new(OsStr::from_bytes(dir)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_known_by_its_command_line() {
        let of = |line: &str| run_dir(line.replace(' ', "\0").as_bytes()).map(Path::to_owned);
        assert_eq!(of("transferscope worker /data/runs/a --attempt 1 "), Some("/data/runs/a".into()));
        assert_eq!(of("/bin/sh program.sh worker /data/runs/b --attempt 12 "), Some("/data/runs/b".into()));
        for none in [
            "transferscope serve ",
            "transferscope worker ",
            "transferscope worker --help ",
            "grep -r worker /data/runs/a ",
            "grep worker /data/runs/a --attempt ",
            "sh -c true worker /data/runs/a --attempt 1 more ",
            "",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_process_is_seen_until_it_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mine =
            || workers().unwrap().into_iter().find(|w| w.run_dir == dir.path().canonicalize().unwrap());
        assert_eq!(mine(), None);
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read line", "worker", ".", "--attempt", "1"])
            .current_dir(dir.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let start = std::time::Instant::now();
        while mine().map(|w| w.pid) != Some(child.id()) {
            assert!(start.elapsed().as_secs() < 10, "the process is not seen");
        }
        drop(child.stdin.take());
        // Not waited for yet: a zombie is no worker.
        while mine().is_some() {
            assert!(start.elapsed().as_secs() < 10, "the process is still seen");
        }
        child.wait().unwrap();
    }
}
