//! Why a worker is gone, in plain words: its exit status, where it was, the last lines of its log.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use transferscope_domain::{Failure, FailureKind};

use super::{
    event_log,
    executor::Ending,
    worker::{
        self, EXIT_CANNOT_WRITE, EXIT_INTERRUPTED, EXIT_NOT_RECORDED, EXIT_NOT_WRITTEN, memory_hint,
        memory_kind, says_interrupted,
    },
};

/// Bytes of `worker.log` that are looked at.
const TAIL_BYTES: u64 = 16 * 1024;
const TAIL_LINES: usize = 3;
const LINE_CHARS: usize = 200;

/// What comes after the end of a worker that left no final event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another worker after this time, and nothing is counted.
    GoesOn(Duration),
    /// The same, but so many attempts of so many made no progress.
    Counted { wait: Duration, misses: u32, of: u32 },
    /// Nothing: so many attempts made no progress.
    Ends { misses: u32 },
}

/// The failure of a run whose worker left no final event; `last` is the last recorded step and epoch.
pub fn failure(
    run_dir: &Path,
    ending: Ending,
    last: Option<(u64, f64)>,
    batch_size: u32,
    next: Next,
) -> Failure {
    let tail = match log_tail(run_dir) {
        Ok(lines) => lines,
        Err(error) => vec![format!("(worker.log cannot be read: {error})")],
    };
    let place = match last {
        Some((step, epoch)) => format!(" after step {step} (epoch {epoch:.2})"),
        None => " before its first training step".to_owned(),
    };
    let mut message = format!("{}{place}.", in_words(ending));
    if !tail.is_empty() {
        message.push_str(&format!(" Its log ends: {}", tail.join(" | ")));
    }
    if last.is_some() && !run_dir.join(event_log::FILE).exists() {
        message.push_str(&format!(
            " Its event log ({}) is gone from the run's directory: values up to its last checkpoint are kept, and a \
             new log begins there.",
            event_log::FILE
        ));
    }
    let cannot_write =
        [EXIT_CANNOT_WRITE, EXIT_NOT_RECORDED].map(|code| Ending::Exit(i32::from(code))).contains(&ending);
    // A kill that nobody explains may be the kernel's or a person's.
    let memory = memory_kind(&tail.join("\n"));
    let mut hint = match next {
        Next::GoesOn(_) if cannot_write => {
            "It continues from its last checkpoint by itself when the data folder can be written again: make room on \
             its disk, or correct its permissions."
                .to_owned()
        }
        Next::GoesOn(wait) => format!("It continues from its last checkpoint in {} s.", wait.as_secs()),
        Next::Counted { wait, misses, of } => format!(
            "It continues from its last checkpoint in {} s; attempts in a row without progress: {misses} of at most \
             {of}.",
            wait.as_secs()
        ),
        Next::Ends { misses } => {
            message.push_str(&format!(" {misses} attempts in a row made no progress."));
            FailureKind::WorkerDied.hint().to_owned()
        }
    };
    if let Some(kind) = &memory {
        hint.push(' ');
        hint.push_str(&memory_hint(kind, batch_size));
    } else if ending == Ending::Signal(9) {
        hint.push_str(" If nobody killed the worker, the machine most likely ran out of memory. ");
        hint.push_str(&memory_hint(&FailureKind::OutOfMemory, batch_size));
    }
    let kind = if cannot_write { FailureKind::Disk } else { memory.unwrap_or(FailureKind::WorkerDied) };
    Failure::new(kind, message).with_hint(hint)
}

/// Whether the last that a run's log says is that a signal asked its worker to leave. A log that cannot be read says
/// nothing.
pub fn was_interrupted(run_dir: &Path) -> bool {
    event_log::read_tail(&run_dir.join(event_log::FILE)).is_ok_and(|events| says_interrupted(&events))
}

fn in_words(ending: Ending) -> String {
    match ending {
        Ending::Signal(signal) => {
            format!("The worker was ended by signal {signal}{}", signal_name(signal))
        }
        Ending::Exit(code) if code == i32::from(EXIT_INTERRUPTED) => {
            "The worker was interrupted by a signal from outside".into()
        }
        Ending::Exit(code) if code == i32::from(EXIT_NOT_RECORDED) => {
            "The worker could not write its last event (is the disk full?) and ended".into()
        }
        Ending::Exit(code) if code == i32::from(EXIT_NOT_WRITTEN) => {
            "The worker could not write into the data folder and ended".into()
        }
        Ending::Exit(code) if code == i32::from(EXIT_CANNOT_WRITE) => {
            "The worker could not write into the run's directory (is the disk full?) and ended".into()
        }
        Ending::Exit(code) => format!("The worker ended with exit code {code} and without a final event"),
        Ending::Unseen => "The worker process is gone; how it ended is not known".into(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        2 => " (SIGINT, interrupt)",
        4 => " (SIGILL, an instruction that this processor does not support)",
        6 => " (SIGABRT, the program aborted itself)",
        7 => " (SIGBUS, memory or a mapped file became unavailable)",
        9 => " (SIGKILL, by the system or by a user)",
        11 => " (SIGSEGV, invalid memory access)",
        15 => " (SIGTERM, a request to end)",
        _ => "",
    }
}

/// The last lines that the last worker has written, oldest first, without control characters.
fn log_tail(run_dir: &Path) -> io::Result<Vec<String>> {
    let mut file = match File::open(run_dir.join(worker::LOG_FILE)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let own = text.rsplit_once(worker::LOG_HEADER).map_or(&*text, |(_, own)| own);
    let mut lines: Vec<String> = own
        .lines()
        .rev()
        .map(|line| line.chars().filter(|c| !c.is_control()).take(LINE_CHARS).collect::<String>())
        .filter(|line| !line.trim().is_empty())
        .take(TAIL_LINES)
        .collect();
    lines.reverse();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_names_signal_place_and_memory() {
        let dir = tempfile::tempdir().unwrap();
        let log = format!("old worker\n{0}\nfirst\n\nsecond\u{1b}[0m\nthird\nfourth\n", worker::LOG_HEADER);
        std::fs::write(dir.path().join(worker::LOG_FILE), log).unwrap();
        std::fs::write(dir.path().join(event_log::FILE), "").unwrap();
        let next = Next::Counted { wait: Duration::from_secs(15), misses: 2, of: 3 };
        let failure = failure(dir.path(), Ending::Signal(9), Some((12, 1.5)), 4, next);
        assert_eq!(failure.kind, FailureKind::WorkerDied);
        assert!(!failure.message.contains("is gone"), "{}", failure.message);
        for part in ["SIGKILL", "step 12", "epoch 1.50", "second[0m | third | fourth"] {
            assert!(failure.message.contains(part), "{part}: {}", failure.message);
        }
        assert!(!failure.message.contains("first") && !failure.message.contains("old"));
        for part in ["2 of at most 3", "batch_size", "try 2"] {
            assert!(failure.hint.contains(part), "{part}: {}", failure.hint);
        }
    }

    #[test]
    fn an_aborted_allocation_is_memory_and_a_missing_log_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let ends = Next::Ends { misses: 3 };
        let plain = failure(dir.path(), Ending::Exit(101), None, 2, ends);
        assert!(plain.message.contains("exit code 101") && plain.message.contains("before its first"));
        assert!(!plain.hint.contains("batch_size"));
        let text = "memory allocation of 99999999 bytes failed";
        std::fs::write(dir.path().join(worker::LOG_FILE), text).unwrap();
        let memory = failure(dir.path(), Ending::Signal(6), None, 2, ends);
        assert!(memory.kind == FailureKind::OutOfMemory && memory.hint.contains("batch_size"), "{memory:?}");
    }

    #[test]
    fn a_full_disk_and_a_log_that_is_gone_are_said() {
        let dir = tempfile::tempdir().unwrap();
        let ending = Ending::Exit(i32::from(EXIT_CANNOT_WRITE));
        let full = failure(dir.path(), ending, Some((3, 0.5)), 2, Next::GoesOn(Duration::from_secs(1)));
        assert_eq!(full.kind, FailureKind::Disk);
        assert!(
            full.hint.contains("by itself") && full.message.contains("events.jsonl) is gone"),
            "{full:?}"
        );
    }
}
