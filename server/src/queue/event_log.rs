//! A run's event log on disk: `events.jsonl`, appended to by the one worker that holds the run,
//! read in bounded pieces by the recorder.
//!
//! A line is written with its line end in one `write`, so a kill leaves at most one torn last
//! line. Opening the log for writing cuts that line off and goes on with the next `seq`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Mutex,
    time::Instant,
};

use transferscope_domain::event::{EventBody, RunEvent, parse_lines};
use transferscope_store::now_ms;

/// Name of the log in a run directory.
pub const FILE: &str = "events.jsonl";

/// Bytes read at once.
pub const CHUNK: usize = 1 << 20;
/// Longest line that is taken for one: a `started` event with a full load report stays far below.
const LINE_MAX: usize = 16 << 20;

/// Whether an event is the last of its run.
pub fn is_final(body: &EventBody) -> bool {
    matches!(body, EventBody::Finished { .. } | EventBody::Failed { .. } | EventBody::Cancelled { .. })
}

/// What one read found.
#[derive(Debug, Default)]
pub struct Piece {
    pub events: Vec<RunEvent>,
    /// Where the next read starts.
    pub new_offset: u64,
    /// Complete lines that are no events.
    pub damaged: usize,
}

/// Reads complete lines from `offset`, about [`CHUNK`] bytes of them; an empty piece means that
/// there is no further complete line now.
///
/// # Errors
/// When the file cannot be read. A file that does not exist yet is empty.
pub fn read_from(path: &Path, offset: u64) -> io::Result<Piece> {
    read_piece_from(path, offset, CHUNK)
}

/// The same with about `chunk` bytes.
///
/// # Errors
/// As [`read_from`].
pub fn read_piece_from(path: &Path, offset: u64, chunk: usize) -> io::Result<Piece> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(Piece { new_offset: offset, ..Piece::default() });
        }
        Err(e) => return Err(e),
    };
    file.seek(SeekFrom::Start(offset))?;
    read_piece(&mut file, offset, chunk)
}

fn read_piece(file: &mut File, offset: u64, chunk: usize) -> io::Result<Piece> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        Read::by_ref(file).take(chunk as u64).read_to_end(&mut bytes)?;
        let at_end = bytes.len() - before < chunk;
        if at_end || bytes[before..].contains(&b'\n') {
            break;
        }
        if bytes.len() >= LINE_MAX {
            // No writer of ours makes such a line: pass over it in pieces.
            return Ok(Piece { events: Vec::new(), new_offset: offset + bytes.len() as u64, damaged: 1 });
        }
    }
    let parsed = parse_lines(&bytes);
    Ok(Piece { events: parsed.events, new_offset: offset + parsed.consumed as u64, damaged: parsed.damaged })
}

/// What the log of a run holds when a worker opens it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Seq of the last event, 0 for none.
    pub last_seq: u64,
    /// Time of the latest event; 0 for none.
    pub last_t: i64,
    /// Number of `started` events: workers that came as far as training.
    pub started: u32,
    /// The final event, if the run has ended. One that is followed by others is none: somebody let the run go on.
    pub ended: Option<EventBody>,
}

/// The writing end; one worker at a time (the worker lock sees to that).
#[derive(Debug)]
pub struct EventLog {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Length of the file up to the last complete line.
    length: u64,
    /// Whether there may be something after that, which has to be cut off first.
    torn: bool,
    seq: u64,
    clock: Clock,
}

/// Time that never goes back, whatever is done to the machine's clock: where that is set back, the time goes on by
/// what has really passed.
#[derive(Debug)]
struct Clock {
    last_ms: i64,
    at: Instant,
}

impl Clock {
    /// The time of an event at `at`, when the machine's clock says `wall_ms`.
    fn tick(&mut self, wall_ms: i64, at: Instant) -> i64 {
        let passed = at.saturating_duration_since(self.at).as_millis();
        let t = self.last_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX)).max(wall_ms);
        *self = Clock { last_ms: t, at };
        t
    }
}

impl EventLog {
    /// Opens or creates the log, cuts a torn last line off, and says what the log holds.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<(Self, History)> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let mut history = History::default();
        let mut length = 0;
        loop {
            file.seek(SeekFrom::Start(length))?;
            let piece = read_piece(&mut file, length, CHUNK)?;
            for event in piece.events {
                history.last_seq = history.last_seq.max(event.seq);
                history.last_t = history.last_t.max(event.t);
                history.started += u32::from(matches!(event.body, EventBody::Started { .. }));
                history.ended = is_final(&event.body).then_some(event.body);
            }
            if piece.new_offset == length {
                break;
            }
            length = piece.new_offset;
        }
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        file.seek(SeekFrom::Start(length))?;
        let clock = Clock { last_ms: history.last_t, at: Instant::now() };
        let inner = Inner { file, length, torn: false, seq: history.last_seq, clock };
        Ok((Self { inner: Mutex::new(inner) }, history))
    }

    /// Appends one event with the next `seq`. Checkpoints and final events are on the disk, not
    /// only in the system's cache, when this returns.
    ///
    /// # Errors
    /// When the line cannot be written whole or does not reach the disk (a full one, mostly); nothing of it stays
    /// then, so that it can be said again.
    pub fn append(&self, body: EventBody) -> io::Result<RunEvent> {
        self.append_synced_by(body, File::sync_data)
    }

    fn append_synced_by(
        &self,
        body: EventBody,
        sync: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<RunEvent> {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.cut()?;
        let durable = is_final(&body) || matches!(body, EventBody::Checkpoint { .. });
        let t = inner.clock.tick(now_ms(), Instant::now());
        let event = RunEvent { seq: inner.seq + 1, t, body };
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        inner.torn = true;
        let mut written = inner.file.write_all(&line);
        if durable && written.is_ok() {
            written = sync(&inner.file);
        }
        if let Err(error) = written {
            // Where not even that works now, it is done before the next line is written.
            let _later = inner.cut();
            return Err(error);
        }
        inner.torn = false;
        inner.length += line.len() as u64;
        inner.seq = event.seq;
        Ok(event)
    }
}

impl Inner {
    /// Cuts off what a line that failed has left.
    fn cut(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            self.torn = false;
        }
        Ok(())
    }
}

/// Bytes at the end of a log in which its last events are looked for.
const TAIL: u64 = 64 * 1024;

/// The last events of a log, oldest first, by its last bytes alone.
///
/// # Errors
/// When the file cannot be read. One that does not exist is empty.
pub fn read_tail(path: &Path) -> io::Result<Vec<RunEvent>> {
    let length = match std::fs::metadata(path) {
        Ok(about) => about.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    // The first line of it may be half a line, which is no event.
    Ok(read_from(path, length.saturating_sub(TAIL))?.events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transferscope_domain::event::LogLevel;

    fn log(message: &str) -> EventBody {
        EventBody::Log { level: LogLevel::Info, message: message.into() }
    }

    #[test]
    fn a_torn_line_is_cut_and_seq_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let (events, history) = EventLog::open(&path).unwrap();
        assert_eq!(history, History::default());
        events.append(log("a")).unwrap();
        events.append(log("b")).unwrap();
        drop(events);
        let whole = std::fs::read(&path).unwrap();
        // Killed in the middle of the third line.
        std::fs::write(&path, [&whole[..], br#"{"seq":3,"t":1,"kind":"lo"#].concat()).unwrap();
        let (events, history) = EventLog::open(&path).unwrap();
        assert_eq!(history.last_seq, 2);
        events.append(log("c")).unwrap();
        let piece = read_from(&path, 0).unwrap();
        assert_eq!(piece.damaged, 0);
        assert_eq!(piece.events.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(piece.new_offset, std::fs::metadata(&path).unwrap().len());
        assert!(read_from(&path, piece.new_offset).unwrap().events.is_empty());
    }

    #[test]
    fn a_long_log_is_read_in_pieces_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let (events, _) = EventLog::open(&path).unwrap();
        let text = "x".repeat(40_000);
        for _ in 0..100 {
            events.append(log(&text)).unwrap();
        }
        // One line longer than a chunk.
        events.append(log(&"y".repeat(3 * CHUNK))).unwrap();
        events.append(EventBody::Cancelled { step: 1, epoch: 0.5 }).unwrap();
        let (mut offset, mut seqs, mut pieces) = (0, Vec::new(), 0);
        loop {
            let piece = read_from(&path, offset).unwrap();
            if piece.new_offset == offset {
                break;
            }
            offset = piece.new_offset;
            pieces += 1;
            seqs.extend(piece.events.iter().map(|e| e.seq));
        }
        assert_eq!(seqs, (1..=102).collect::<Vec<_>>());
        assert!(pieces > 3);
        let (_, history) = EventLog::open(&path).unwrap();
        assert_eq!(history.last_seq, 102);
        assert_eq!(history.ended, Some(EventBody::Cancelled { step: 1, epoch: 0.5 }));
    }

    #[test]
    fn an_event_that_does_not_reach_the_disk_is_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let (events, _) = EventLog::open(&path).unwrap();
        events.append(log("a")).unwrap();
        let last = EventBody::Cancelled { step: 1, epoch: 0.5 };
        let refused = events.append_synced_by(last.clone(), |_| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(read_from(&path, 0).unwrap().events.len(), 1);
        assert_eq!(events.append(last).unwrap().seq, 2);
        let piece = read_from(&path, 0).unwrap();
        assert_eq!(piece.events.iter().filter(|e| is_final(&e.body)).count(), 1);
        assert_eq!(piece.damaged, 0);
        assert_eq!(read_tail(&path).unwrap(), piece.events);
    }

    #[test]
    fn a_final_event_that_others_follow_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let (events, _) = EventLog::open(&path).unwrap();
        events.append(EventBody::Cancelled { step: 1, epoch: 0.5 }).unwrap();
        assert!(EventLog::open(&path).unwrap().1.ended.is_some());
        events.append(log("goes on")).unwrap();
        assert_eq!(EventLog::open(&path).unwrap().1.ended, None);
    }

    #[test]
    fn time_goes_on_where_the_clock_is_set_back_and_follows_it_forward() {
        let start = Instant::now();
        let mut clock = Clock { last_ms: 0, at: start };
        let later = |s: u64| start + std::time::Duration::from_secs(s);
        assert_eq!(clock.tick(1_000_000, later(0)), 1_000_000);
        assert_eq!(clock.tick(1_002_000, later(2)), 1_002_000);
        // A day back, and a second goes by.
        assert_eq!(clock.tick(1_003_000 - 86_400_000, later(3)), 1_003_000);
        assert_eq!(clock.tick(9_000_000, later(4)), 9_000_000);
    }

    #[test]
    fn a_missing_log_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let piece = read_from(&dir.path().join("none"), 7).unwrap();
        assert_eq!((piece.events.len(), piece.new_offset), (0, 7));
    }
}
