//! Whether the server can do its work, and what is wrong where it cannot: in plain words, and since when.
//!
//! Parts of the server say what they meet ([`Health::wrong`]) and when it has passed ([`Health::well`]). Beside that a
//! small file and a small row are written whenever somebody asks ([`Health::look`]), since a server that nobody uses
//! would learn of a full disk only when it is needed. Neither costs a lock for longer than a look at a map.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Mutex as AsyncMutex;
use transferscope_domain::{RunState, api::HealthProblem, failure::is_full};
use transferscope_store::{Store, now_ms};

use crate::data_dir::DataDir;

/// Looks that follow one another faster answer what the last one found.
const LOOK_EVERY: Duration = Duration::from_millis(900);
/// How long an answer waits for a look that is under way.
const LOOK_PATIENCE: Duration = Duration::from_millis(100);
/// How long an answer waits for the number of runs.
const COUNT_PATIENCE: Duration = Duration::from_millis(150);
/// A look that takes longer is a fault of its own: something holds the disk or the database up.
const LOOK_STUCK: Duration = Duration::from_secs(3);
/// Bytes of the file that is written to see whether there is room: enough for a piece of a log.
const PROBE_BYTES: usize = 64 * 1024;

/// What something can be wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The data folder takes no file.
    Disk,
    /// The database takes no row.
    Database,
    /// Pages and the API cannot read the database.
    Reading,
    /// Events of runs are not recorded.
    Recorder,
    /// Runs are not looked after.
    Dispatcher,
    /// No run is started.
    Queue,
}

impl Part {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Disk => "disk",
            Part::Database => "database",
            Part::Reading => "reading",
            Part::Recorder => "recorder",
            Part::Dispatcher => "dispatcher",
            Part::Queue => "queue",
        }
    }
}

#[derive(Debug)]
struct Trouble {
    message: String,
    since_ms: i64,
    since: Instant,
}

/// What is wrong now; one for a server, shared by its parts.
#[derive(Debug, Default)]
pub struct Health {
    troubles: Mutex<BTreeMap<Part, Trouble>>,
    /// When a look last ended; held while one is under way.
    looked: Arc<AsyncMutex<Option<Instant>>>,
    /// When the look that is under way began.
    looking: Mutex<Option<Instant>>,
    /// How many runs there were in each state when that was last known.
    counts: Mutex<BTreeMap<RunState, u32>>,
}

impl Health {
    /// A server with nothing wrong.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Something is wrong with a part; `message` says what, where, and what mends it. Saying it again keeps the time
    /// at which it began. The first time goes to the log.
    pub fn wrong(&self, part: Part, message: impl Into<String>) {
        let message = message.into();
        let mut troubles = lock(&self.troubles);
        if let Some(known) = troubles.get_mut(&part) {
            known.message = message;
            return;
        }
        tracing::error!(part = part.as_str(), message, "something is wrong; trying again");
        troubles.insert(part, Trouble { message, since_ms: now_ms(), since: Instant::now() });
    }

    /// A part works (again).
    pub fn well(&self, part: Part) {
        if let Some(trouble) = lock(&self.troubles).remove(&part) {
            let seconds = trouble.since.elapsed().as_secs();
            tracing::info!(part = part.as_str(), seconds, "works again");
        }
    }

    /// [`Health::well`] or [`Health::wrong`], by what came of something.
    pub fn report<T, E: std::fmt::Display>(&self, part: Part, result: &Result<T, E>) {
        match result {
            Ok(_) => self.well(part),
            Err(error) => self.wrong(part, error.to_string()),
        }
    }

    /// What is wrong now, the most basic part first.
    pub fn problems(&self) -> Vec<HealthProblem> {
        let mut problems: Vec<HealthProblem> = lock(&self.troubles)
            .iter()
            .map(|(part, trouble)| HealthProblem {
                part: part.as_str().into(),
                message: trouble.message.clone(),
                since_ms: trouble.since_ms,
                seconds: trouble.since.elapsed().as_secs(),
            })
            .collect();
        let stuck = lock(&self.looking).map(|began| began.elapsed()).filter(|waited| *waited > LOOK_STUCK);
        if let Some(waited) = stuck {
            let seconds = waited.as_secs();
            problems.push(HealthProblem {
                part: Part::Database.as_str().into(),
                message: format!(
                    "A small test write to the data folder and the database has not finished for {seconds} s: \
                     something blocks the disk or the database."
                ),
                since_ms: now_ms() - i64::try_from(waited.as_millis()).unwrap_or(0),
                seconds,
            });
        }
        problems
    }

    /// Writes a small file and a small row, unless that was done just now, and notes what came of it. Waits for a
    /// moment only: what takes longer is noted when it ends.
    pub async fn look(self: &Arc<Self>, store: &Store, data: &DataDir) {
        let Ok(mut looked) = Arc::clone(&self.looked).try_lock_owned() else {
            drop(tokio::time::timeout(LOOK_PATIENCE, self.looked.lock()).await);
            return;
        };
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        *lock(&self.looking) = Some(Instant::now());
        let (health, store, data) = (Arc::clone(self), store.clone(), data.clone());
        // Goes on when the one who asked does not wait any longer.
        let look = tokio::spawn(async move {
            let root = data.root().to_owned();
            let file = tokio::task::spawn_blocking(move || write_probe(&root)).await;
            let file = file.unwrap_or_else(|e| Err(io::Error::other(e)));
            health.note_file(&file, data.root());
            match store.try_write().await {
                Ok(()) => health.well(Part::Database),
                Err(error) => health.wrong(
                    Part::Database,
                    format!("The database {} cannot be written: {error}.", data.database().display()),
                ),
            }
            *looked = Some(Instant::now());
            *lock(&health.looking) = None;
        });
        drop(tokio::time::timeout(LOOK_PATIENCE, look).await);
    }

    /// How many runs are in each state; where the database does not say so in time, how many there were when it last
    /// did.
    pub async fn counts(&self, store: &Store) -> BTreeMap<RunState, u32> {
        match tokio::time::timeout(COUNT_PATIENCE, store.counts()).await {
            Ok(Ok(counts)) => {
                self.well(Part::Reading);
                lock(&self.counts).clone_from(&counts);
                return counts;
            }
            Ok(Err(error)) => self.wrong(Part::Reading, format!("The database cannot be read: {error}.")),
            // Busy, which says nothing about the file.
            Err(_) => {}
        }
        lock(&self.counts).clone()
    }

    fn note_file(&self, result: &io::Result<()>, root: &Path) {
        let Err(error) = result else { return self.well(Part::Disk) };
        let remedy = match error.kind() {
            _ if is_full(error) => "Make room on its disk; work then continues by itself.",
            io::ErrorKind::ReadOnlyFilesystem => "Its file system is read-only: mount it for writing.",
            _ => "Check its disk and permissions (transferscope doctor).",
        };
        self.wrong(
            Part::Disk,
            format!("The data folder {} cannot be written ({error}). {remedy}", root.display()),
        );
    }
}

/// Writes a file of some pages to the disk and takes it away again.
fn write_probe(root: &Path) -> io::Result<()> {
    let path = root.join(format!(".health-{}.part", std::process::id()));
    let written = fs::File::create(&path).and_then(|mut file| {
        file.write_all(&[0x5a; PROBE_BYTES])?;
        file.sync_data()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_keeps_its_beginning_and_goes_when_it_has_passed() {
        let health = Health::new();
        assert!(health.problems().is_empty());
        health.wrong(Part::Recorder, "first");
        let began = health.problems()[0].since_ms;
        std::thread::sleep(Duration::from_millis(5));
        health.report::<(), _>(Part::Recorder, &Err("second"));
        health.wrong(Part::Disk, "full");
        let problems = health.problems();
        assert_eq!(problems.iter().map(|p| p.part.as_str()).collect::<Vec<_>>(), ["disk", "recorder"]);
        assert_eq!((problems[1].message.as_str(), problems[1].since_ms), ("second", began));
        health.well(Part::Disk);
        health.report::<_, String>(Part::Recorder, &Ok(()));
        assert!(health.problems().is_empty());
    }

    #[tokio::test]
    async fn a_look_writes_and_names_a_folder_that_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("data")).unwrap();
        let store = Store::open_temp().await.unwrap();
        let health = Health::new();
        let settled = async || {
            health.look(&store, &data).await;
            drop(health.looked.lock().await);
        };
        settled().await;
        assert_eq!(health.problems(), []);
        assert_eq!(fs::read_dir(data.root()).unwrap().count(), 3, "the probe is gone");

        fs::rename(data.root(), folder.path().join("elsewhere")).unwrap();
        settled().await;
        assert_eq!(health.problems(), [], "a second look within a second does not write");
        tokio::time::sleep(LOOK_EVERY).await;
        settled().await;
        let problems = health.problems();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains(&data.root().display().to_string()), "{problems:?}");

        fs::rename(folder.path().join("elsewhere"), data.root()).unwrap();
        tokio::time::sleep(LOOK_EVERY).await;
        settled().await;
        assert_eq!(health.problems(), []);
    }
}
