//! Opening the database: one writing connection, several reading ones.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use transferscope_domain::api::{RunView, disclosure::without_paths};

use crate::{Result, StoreError};

/// The schema's history, from the folder `migrations/` of the repository.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// How long a connection waits for another process's write (a command beside a running server).
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
const BEGIN: &str = "begin immediate";
/// What somebody was promised survives the end of the machine, too: every commit is on the disk before it is answered.
const SYNCHRONOUS: SqliteSynchronous = SqliteSynchronous::Full;
/// How long a question may wait for a connection.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// Who asks. Each lane has reading connections of its own, so that none can take those of another: a hundred pages
/// at once wait for each other, and the queue is served meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Pages, answers and files.
    Answers,
    /// Short questions that must be answered whatever else goes on: health, the beginnings of streams.
    Brief,
    /// Dispatcher and recorder.
    Care,
}

impl Lane {
    /// Reading connections: SQLite has one reading query a connection, and memory of its own for each.
    fn connections(self) -> u32 {
        match self {
            Lane::Answers => 6,
            Lane::Brief | Lane::Care => 2,
        }
    }
}

/// The handle through which everything is asked; clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    lane: Lane,
    /// Whoever asks through this handle sees no paths outside of this folder.
    hidden_outside: Option<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// By lane. They refuse to write, so that a query in the wrong pool is an error and not a lock.
    read: [SqlitePool; 3],
    /// One connection: writers queue here and not in SQLite's busy loop.
    write: SqlitePool,
    /// Set when the writing connection could not begin: the next one to ask gets a new connection.
    suspect: Arc<AtomicBool>,
    /// The folder of the database, with the files beside it.
    pub(crate) root: PathBuf,
    /// The highest number that a run was given.
    pub(crate) last_number: AtomicI64,
    /// Keeps a temporary database's folder until the last handle is gone.
    _folder: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens the database, creates it where there is none, and brings it up to date.
    ///
    /// # Errors
    /// When the file cannot be written, or was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), None, BUSY_TIMEOUT, SYNCHRONOUS).await
    }

    /// The same, waiting this long for another process's write.
    #[cfg(test)]
    async fn open_patient(path: &Path, patience: Duration) -> Result<Self> {
        Self::open_with(path, None, patience, SYNCHRONOUS).await
    }

    /// Opens a new database that is being made from files. It is not worth anything before it is finished, so nothing
    /// waits for the disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_for_rebuild(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), None, BUSY_TIMEOUT, SqliteSynchronous::Off).await
    }

    /// Opens an empty database in a temporary folder that goes with the last handle.
    ///
    /// # Errors
    /// When there is no writable temporary folder.
    pub async fn open_temp() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|source| StoreError::Folder {
            path: std::env::temp_dir().display().to_string(),
            source,
        })?;
        let path = folder.path().join("transferscope.db");
        Self::open_with(&path, Some(folder), BUSY_TIMEOUT, SYNCHRONOUS).await
    }

    async fn open_with(
        path: &Path,
        folder: Option<tempfile::TempDir>,
        patience: Duration,
        synchronous: SqliteSynchronous,
    ) -> Result<Self> {
        let root = path.parent().unwrap_or(Path::new(".")).to_owned();
        std::fs::create_dir_all(&root)
            .map_err(|source| StoreError::Folder { path: root.display().to_string(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(patience);
        let suspect = Arc::new(AtomicBool::new(false));
        let write = pool(1, Some(Arc::clone(&suspect)))
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        MIGRATOR.run(&write).await?;
        let reading = options.create_if_missing(false).pragma("query_only", "on");
        let read = async |lane: Lane| {
            let pool = pool(lane.connections(), None).acquire_timeout(READ_PATIENCE);
            pool.connect_with(reading.clone()).await
        };
        let read = [read(Lane::Answers).await?, read(Lane::Brief).await?, read(Lane::Care).await?];
        let last: Option<i64> =
            sqlx::query_scalar("select max(seq) from sqlite_sequence where name = 'runs'")
                .fetch_one(&read[0])
                .await?;
        let last_number = AtomicI64::new(last.unwrap_or(0));
        let inner = Inner { read, write, suspect, root, last_number, _folder: folder };
        Ok(Self { inner: Arc::new(inner), lane: Lane::Answers, hidden_outside: None })
    }

    /// The same database, asked through the connections of another lane.
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self { lane, ..self.clone() }
    }

    /// A handle for people who need not know the folders of this machine: failures of runs name files outside of
    /// `folder` by their last part, and those below it from there on.
    pub fn hiding_paths_outside(&self, folder: &Path) -> Self {
        Self { hidden_outside: Some(folder.to_string_lossy().into()), ..self.clone() }
    }

    /// A text as whoever asks may see it.
    pub fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.hidden_outside {
            Some(folder) => without_paths(text, folder).into(),
            None => text.into(),
        }
    }

    /// Runs as whoever asks may see them.
    pub(crate) fn hide_paths(&self, runs: &mut [RunView]) {
        for failure in runs.iter_mut().filter_map(|run| run.failure.as_mut()) {
            failure.message = self.shown(&failure.message).into_owned();
            failure.hint = self.shown(&failure.hint).into_owned();
        }
    }

    pub(crate) fn read(&self) -> &SqlitePool {
        &self.inner.read[self.lane as usize]
    }

    /// Begins a transaction that holds the write lock from its start: one that reads first and
    /// writes later could otherwise find that another process has written in between.
    ///
    /// A connection that cannot begin is replaced and asked once more; one that only had to wait too long is not.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        match self.inner.write.begin_with(BEGIN).await.map_err(StoreError::from) {
            Err(StoreError::Database(error)) => {
                tracing::warn!(%error, "the writing connection cannot begin; it is replaced");
                self.inner.suspect.store(true, Ordering::Release);
                Ok(self.inner.write.begin_with(BEGIN).await?)
            }
            other => other,
        }
    }

    /// Changes one number in the file and commits, to see whether the database can be written.
    ///
    /// # Errors
    /// `Database`, with what SQLite says.
    pub async fn try_write(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        // Nothing else uses this number; a value that stays as it was would not be written.
        let before: i32 = sqlx::query_scalar("pragma user_version").fetch_one(&mut *tx).await?;
        let next = before.wrapping_add(1) & i32::MAX;
        sqlx::query(sqlx::AssertSqlSafe(format!("pragma user_version = {next}"))).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Brings the write-ahead log into the file.
    pub(crate) async fn fold(&self) -> Result<()> {
        sqlx::query("pragma wal_checkpoint(truncate)").fetch_all(&self.inner.write).await?;
        Ok(())
    }

    /// Closes all connections; later questions through any clone fail.
    pub async fn close(&self) {
        for read in &self.inner.read {
            read.close().await;
        }
        self.inner.write.close().await;
    }
}

/// A pool of connections that are looked at before they are lent out.
///
/// SQLite ends a transaction by itself when the disk is full, a read or write fails, memory runs out or a statement is
/// interrupted. sqlx then fails to roll it back and goes on counting it as open: on such a connection no transaction
/// would begin any more, and one for reading would keep showing the past. It is closed, and another one opened.
fn pool(connections: u32, suspect: Option<Arc<AtomicBool>>) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).before_acquire(move |connection, _| {
        let suspected = suspect.as_ref().is_some_and(|s| s.swap(false, Ordering::AcqRel));
        // What its last user left undone was rolled back when it came back: the pool waits for its answer.
        let clean = !suspected && !connection.is_in_transaction();
        Box::pin(async move { Ok(clean) })
    })
}

/// Whether a run is stored.
pub(crate) async fn run_exists(conn: &mut SqliteConnection, id: &str) -> Result<bool> {
    Ok(sqlx::query_scalar::<_, i64>("select exists (select 1 from runs where id = ?)")
        .bind(id)
        .fetch_one(conn)
        .await?
        != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{new_run, store_with_runs};
    use sqlx::ConnectOptions;

    #[tokio::test]
    async fn migrations_go_up_down_and_up_again() {
        let store = Store::open_temp().await.unwrap();
        let tables = || async {
            sqlx::query_scalar::<_, String>(
                "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like '\\_%' escape '\\'",
            )
            .fetch_all(&store.inner.write)
            .await
            .unwrap()
        };
        let before = tables().await;
        assert!(before.iter().any(|t| t == "runs") && before.iter().any(|t| t == "shares"), "{before:?}");
        MIGRATOR.undo(&store.inner.write, 0).await.unwrap();
        assert_eq!(tables().await, Vec::<String>::new());
        MIGRATOR.run(&store.inner.write).await.unwrap();
        assert_eq!(tables().await.len(), before.len());
    }

    #[tokio::test]
    async fn segmentations_from_before_tasks_had_targets_get_them() {
        const BEFORE: i64 = 20_261_130_000_700;
        let (store, ids) = store_with_runs(4).await;
        let write = &store.inner.write;
        MIGRATOR.undo(write, BEFORE).await.unwrap();
        let old = [
            ("segmentation", "lesion"),
            ("segmentation", "gland"),
            ("segmentation", "zones"),
            ("classification", "lesion"),
        ];
        for (id, (task, target)) in ids.iter().zip(old) {
            sqlx::query(
                "update runs
                set task = ?1, request = json_set(request, '$.task', ?1, '$.training.target', ?2)
                where id = ?3",
            )
            .bind(task)
            .bind(target)
            .bind(id.as_str())
            .execute(write)
            .await
            .unwrap();
        }
        let stored = || async {
            let column = sqlx::query_scalar::<_, String>("select task from runs order by number");
            column.fetch_all(write).await.unwrap()
        };
        MIGRATOR.run(write).await.unwrap();
        let new = ["segmentation:lesion", "segmentation:gland", "segmentation", "classification"];
        assert_eq!(stored().await, new);
        for (id, task) in ids.iter().zip(new) {
            assert_eq!(
                store.request(id).await.unwrap().task.to_string(),
                task,
                "the request is read the same way"
            );
        }
        MIGRATOR.undo(write, BEFORE).await.unwrap();
        assert_eq!(stored().await, old.map(|(task, _)| task));
    }

    /// Fills the database through its writing connection, which takes no more pages, until something is refused.
    async fn fill(store: &Store) -> StoreError {
        let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&store.inner.write).await.unwrap();
        let limit = format!("pragma max_page_count = {}", pages + 4);
        sqlx::query(sqlx::AssertSqlSafe(limit)).execute(&store.inner.write).await.unwrap();
        for _ in 0..100 {
            if let Err(error) = store.enqueue_run(&new_run()).await {
                return error;
            }
        }
        panic!("the database was never full");
    }

    #[tokio::test]
    async fn a_full_database_refuses_one_write_and_the_next_goes_on() {
        let (store, _) = store_with_runs(1).await;
        for _ in 0..3 {
            let error = fill(&store).await;
            assert!(matches!(error, StoreError::Full), "{error}");
            let before = store.counts().await.unwrap();
            // Room again: where the refusal has cost the connection, the next one knows no limit anyway.
            sqlx::query("pragma max_page_count = 1000000").execute(&store.inner.write).await.unwrap();
            store.enqueue_run(&new_run()).await.unwrap();
            let after = store.counts().await.unwrap();
            assert_eq!(
                after.values().sum::<u32>(),
                before.values().sum::<u32>() + 1,
                "nothing of the refused one"
            );
            store.try_write().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_commit_that_fails_leaves_nothing() {
        let (store, _) = store_with_runs(1).await;
        // Deferred constraints are looked at by COMMIT itself.
        let mut tx = store.begin().await.unwrap();
        sqlx::query("pragma defer_foreign_keys = on").execute(&mut *tx).await.unwrap();
        sqlx::query("update runs set experiment_id = 'nowhere'").execute(&mut *tx).await.unwrap();
        assert!(tx.commit().await.is_err());
        let run = &store.runs(&Default::default()).await.unwrap().runs[0];
        assert_eq!(run.experiment, None);
        store.enqueue_run(&new_run()).await.unwrap();
    }

    /// SQLite ends a whole transaction when a writing statement in it is interrupted.
    #[tokio::test]
    async fn an_interrupted_write_or_read_leaves_its_pool_at_work() {
        let (store, ids) = store_with_runs(3).await;
        for _ in 0..2 {
            let mut tx = store.begin().await.unwrap();
            tx.lock_handle().await.unwrap().set_progress_handler(1, || false);
            let error = sqlx::query("update runs set progress = 0.5").execute(&mut *tx).await.unwrap_err();
            assert!(error.to_string().contains("interrupt"), "{error}");
            assert!(tx.commit().await.is_err());
            assert_eq!(store.run(&ids[0]).await.unwrap().run.progress, 0.0);
            store.enqueue_run(&new_run()).await.unwrap();
        }
        // More often than there are reading connections: none of them may stay behind.
        for _ in 0..2 * Lane::Answers.connections() {
            let mut tx = store.read().begin().await.unwrap();
            tx.lock_handle().await.unwrap().set_progress_handler(1, || false);
            let count = sqlx::query_scalar::<_, i64>("select count(*) from runs").fetch_one(&mut *tx).await;
            assert!(count.unwrap_err().to_string().contains("interrupt"));
            tx.lock_handle().await.unwrap().remove_progress_handler();
            drop(tx);
            store.enqueue_run(&new_run()).await.unwrap();
        }
        let total: u32 = store.counts().await.unwrap().values().sum();
        for _ in 0..2 * Lane::Answers.connections() {
            assert_eq!(store.counts().await.unwrap().values().sum::<u32>(), total, "a reader shows the past");
        }
    }

    #[tokio::test]
    async fn a_lock_that_another_process_holds_is_said_and_later_writes_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("transferscope.db");
        let store = Store::open_patient(&path, Duration::from_millis(200)).await.unwrap();
        let mut other = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        sqlx::query("begin immediate").execute(&mut other).await.unwrap();
        for _ in 0..2 {
            let error = store.enqueue_run(&new_run()).await.unwrap_err();
            assert!(
                matches!(error, StoreError::Busy(_)) && error.to_string().contains("another program"),
                "{error}"
            );
            assert!(store.counts().await.unwrap().is_empty(), "reading goes on");
        }
        sqlx::query("commit").execute(&mut other).await.unwrap();
        store.enqueue_run(&new_run()).await.unwrap();
    }

    #[tokio::test]
    async fn the_reading_pool_cannot_write_and_a_database_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/transferscope.db");
        let store = Store::open(&path).await.unwrap();
        let refused = sqlx::query("delete from runs").execute(store.read()).await;
        assert!(refused.unwrap_err().to_string().contains("readonly"));
        store.close().await;
        assert!(Store::open(&path).await.unwrap().read().acquire().await.is_ok());
    }

    #[tokio::test]
    async fn pages_cannot_take_the_connections_of_others() {
        let store = Store::open_temp().await.unwrap();
        let mut taken = Vec::new();
        for _ in 0..Lane::Answers.connections() {
            taken.push(store.read().acquire().await.unwrap());
        }
        assert!(store.read().try_acquire().is_none());
        for lane in [Lane::Brief, Lane::Care] {
            store.in_lane(lane).counts().await.unwrap();
        }
    }
}
