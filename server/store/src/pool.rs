//! Opening the database: one writing connection, several reading ones.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Result, StoreError};

/// The schema's history, from the folder `migrations/` of the repository.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// How long a connection waits for another process's write (a command beside a running server).
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// Enough for all that two pages and a stream ask at once; SQLite reads are short.
const READERS: u32 = 4;

/// The handle through which everything is asked; clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// Refuses to write, so that a query in the wrong pool is an error and not a lock.
    pub(crate) read: SqlitePool,
    /// One connection: writers queue here and not in SQLite's busy loop.
    write: SqlitePool,
    /// Keeps a temporary database's folder until the last handle is gone.
    _folder: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens the database, creates it where there is none, and brings it up to date.
    ///
    /// # Errors
    /// When the file cannot be written, or was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), None).await
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
        Self::open_with(&path, Some(folder)).await
    }

    async fn open_with(path: &Path, folder: Option<tempfile::TempDir>) -> Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|source| StoreError::Folder { path: parent.display().to_string(), source })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit survives the end of a process; what the end of the machine could take is in
            // the run directories and is recorded again.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        MIGRATOR.run(&write).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.create_if_missing(false).pragma("query_only", "on"))
            .await?;
        Ok(Self { inner: Arc::new(Inner { read, write, _folder: folder }) })
    }

    pub(crate) fn read(&self) -> &SqlitePool {
        &self.inner.read
    }

    /// Begins a transaction that holds the write lock from its start: one that reads first and
    /// writes later could otherwise find that another process has written in between.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.inner.write.begin_with("begin immediate").await?)
    }

    /// Closes all connections; later questions through any clone fail.
    pub async fn close(&self) {
        self.inner.read.close().await;
        self.inner.write.close().await;
    }
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
    async fn the_reading_pool_cannot_write_and_a_database_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/transferscope.db");
        let store = Store::open(&path).await.unwrap();
        let refused = sqlx::query("delete from runs").execute(store.read()).await;
        assert!(refused.unwrap_err().to_string().contains("readonly"));
        store.close().await;
        assert!(Store::open(&path).await.unwrap().read().acquire().await.is_ok());
    }
}
