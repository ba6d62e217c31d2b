//! What the database alone would know, kept as small JSON files beside it, so that it can be made anew.
//!
//! ```text
//! DATA/experiments/<id>.json          a row of `experiments`
//! DATA/links/<slug>.json              a row of `shares`, as it was made
//! DATA/snapshots/<slug>.json          a row of `snapshots`, as it was made
//! DATA/{links,snapshots}/<slug>.revoked.json
//! DATA/queue.json                     the places of runs that somebody moved
//! DATA/runs/<id>/arrival.json         when a run was asked for, and as the how manieth
//! DATA/runs/<id>/stopped.json         that a run was stopped while it had no worker that could say so in its log
//! ```
//!
//! A row comes first, in a transaction that is still open and has checked everything; then the file, which is there
//! whole or not at all; then the commit. A file that cannot be written leaves no row, and a commit that fails takes the
//! file back. Only the end of the process between file and commit leaves a file that is ahead of its row, and then the
//! file counts at the next start ([`crate::reconcile`]). The other order could leave a row that somebody was promised
//! and that a lost database would take along.
//!
//! Files are written once and not changed (a revoked link gets a second file), but for `queue.json`.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{Column, Row, Sqlite, SqliteConnection, Transaction, TypeInfo, ValueRef, sqlite::SqliteRow};

use transferscope_domain::failure::is_full;

use crate::{Result, Store, StoreError, error::to_json};

/// Version of these files.
pub const RECORD_SCHEMA: u32 = 1;
/// Name of the arrival in a run directory.
pub const ARRIVAL_FILE: &str = "arrival.json";
/// Name of the note of a stop in a run directory.
pub const STOPPED_FILE: &str = "stopped.json";
/// The queue's order, in the data folder.
pub const QUEUE_FILE: &str = "queue.json";
/// Ending of the file that ends a link.
pub const REVOKED: &str = ".revoked.json";
/// Largest file that is read: a frozen experiment is a document with its pictures.
const RECORD_MAX: u64 = 256 << 20;

/// Tables whose rows are kept as files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Experiment,
    Link,
    Snapshot,
}

impl Kind {
    pub const ALL: [Self; 3] = [Kind::Experiment, Kind::Link, Kind::Snapshot];

    /// Its folder in the data folder.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Experiment => "experiments",
            Kind::Link => "links",
            Kind::Snapshot => "snapshots",
        }
    }

    pub(crate) fn table(self) -> &'static str {
        match self {
            Kind::Experiment => "experiments",
            Kind::Link => "shares",
            Kind::Snapshot => "snapshots",
        }
    }

    /// The column that names a row.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Kind::Experiment => "id",
            Kind::Link | Kind::Snapshot => "slug",
        }
    }

    /// Whether a row of it can be taken back.
    pub(crate) fn is_link(self) -> bool {
        self != Kind::Experiment
    }
}

/// A row in a file: column to value, whatever columns the version had that wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub schema: u32,
    pub row: Map<String, Value>,
}

/// `arrival.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    pub schema: u32,
    /// Lists and the queue are ordered by it.
    pub number: i64,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Whether the run's data set is computed phantoms.
    pub synthetic: bool,
}

/// `stopped.json` and `<slug>.revoked.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub schema: u32,
    /// Milliseconds since 1970.
    pub t_ms: i64,
}

/// `queue.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Places {
    pub schema: u32,
    /// Run to place, on the scale of run numbers.
    pub places: std::collections::BTreeMap<String, f64>,
}

/// Files that were written for a transaction that is not committed yet, with what they held before.
#[derive(Debug, Default)]
#[must_use = "a commit that fails takes them back"]
pub(crate) struct Written(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Written {
    /// Brings back what was there before; what cannot be is put right at the next start.
    fn undo(self) {
        for (path, before) in self.0.into_iter().rev() {
            let undone = match before {
                Some(bytes) => write_file(&path, &bytes, true),
                None => fs::remove_file(&path),
            };
            if let Err(error) = undone
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "a record of something that was not stored stays");
            }
        }
    }
}

impl Store {
    /// The data folder, in which the database lies.
    pub(crate) fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The file of a row.
    pub(crate) fn record_path(&self, kind: Kind, id: &str) -> PathBuf {
        self.root().join(kind.folder()).join(format!("{id}.json"))
    }

    /// The file that ends a link.
    pub(crate) fn revoked_path(&self, kind: Kind, id: &str) -> PathBuf {
        self.root().join(kind.folder()).join(format!("{id}{REVOKED}"))
    }

    pub(crate) fn run_path(&self, id: &str) -> PathBuf {
        self.root().join("runs").join(id)
    }

    /// Writes the file of a row that the transaction holds.
    pub(crate) async fn keep_row(&self, tx: &mut SqliteConnection, kind: Kind, id: &str) -> Result<Written> {
        let row = row_of(tx, kind, id).await?;
        let text = to_json("record", &Record { schema: RECORD_SCHEMA, row })?;
        self.keep(self.record_path(kind, id), text, true).await
    }

    /// Notes that a link ended.
    pub(crate) async fn keep_revoked(&self, kind: Kind, id: &str, t_ms: i64) -> Result<Written> {
        let text = to_json("record", &Ended { schema: RECORD_SCHEMA, t_ms })?;
        self.keep(self.revoked_path(kind, id), text, true).await
    }

    /// Notes that runs were stopped that have no worker. A run whose directory is gone needs no note.
    pub(crate) async fn keep_stopped(
        &self,
        runs: impl IntoIterator<Item = String>,
        t_ms: i64,
    ) -> Result<Written> {
        let text = to_json("record", &Ended { schema: RECORD_SCHEMA, t_ms })?;
        let mut written = Written::default();
        for run in runs {
            let dir = self.run_path(&run);
            if !dir.is_dir() {
                continue;
            }
            // Not waited for until it is on the disk: hundreds at once would hold all other writes up, and the row is
            // not waited for either.
            match self.keep(dir.join(STOPPED_FILE), text.clone(), false).await {
                Ok(one) => written.0.extend(one.0),
                Err(error) => {
                    written.undo();
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    /// Writes the order of the queue as the transaction holds it.
    pub(crate) async fn keep_queue(&self, tx: &mut SqliteConnection) -> Result<Written> {
        let places = places_of(tx).await?;
        let text = to_json("queue", &Places { schema: RECORD_SCHEMA, places })?;
        self.keep(self.root().join(QUEUE_FILE), text, true).await
    }

    async fn keep(&self, path: PathBuf, text: String, durable: bool) -> Result<Written> {
        let write = move || -> io::Result<Written> {
            let before = match fs::read(&path) {
                Ok(bytes) => Some(bytes),
                Err(e) if e.kind() == io::ErrorKind::NotFound => None,
                Err(e) => return Err(e),
            };
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let written = write_file(&path, text.as_bytes(), durable);
            let kept = Written(vec![(path, before)]);
            if let Err(error) = written {
                kept.undo();
                return Err(error);
            }
            Ok(kept)
        };
        let what = self.root().display().to_string();
        tokio::task::spawn_blocking(write)
            .await
            .unwrap_or_else(|e| Err(io::Error::other(e)))
            .map_err(|source| cannot_keep(what, source))
    }

    /// Commits; where that fails the files that were written for it are taken back.
    pub(crate) async fn commit(&self, tx: Transaction<'static, Sqlite>, written: Written) -> Result<()> {
        match tx.commit().await {
            Ok(()) => Ok(()),
            Err(error) => {
                written.undo();
                Err(error.into())
            }
        }
    }
}

/// Why a record could not be kept; a full disk has a name of its own.
pub(crate) fn cannot_keep(path: String, source: io::Error) -> StoreError {
    if is_full(&source) { StoreError::Full } else { StoreError::Record { path, source } }
}

/// A row as the transaction holds it.
pub(crate) async fn row_of(conn: &mut SqliteConnection, kind: Kind, id: &str) -> Result<Map<String, Value>> {
    let question = match kind {
        Kind::Experiment => "select * from experiments where id = ?",
        Kind::Link => "select * from shares where slug = ?",
        Kind::Snapshot => "select * from snapshots where slug = ?",
    };
    let row = sqlx::query(question).bind(id).fetch_one(conn).await?;
    columns(&row)
}

fn columns(row: &SqliteRow) -> Result<Map<String, Value>> {
    let mut map = Map::new();
    for column in row.columns() {
        let raw = row.try_get_raw(column.ordinal())?;
        let value = match raw.type_info().name() {
            _ if raw.is_null() => Value::Null,
            "INTEGER" => row.try_get::<i64, _>(column.ordinal())?.into(),
            "REAL" => row.try_get::<f64, _>(column.ordinal())?.into(),
            "TEXT" => row.try_get::<String, _>(column.ordinal())?.into(),
            other => {
                let message = format!("column {} holds {other}", column.name());
                return Err(StoreError::Corrupt { what: "row", message });
            }
        };
        map.insert(column.name().to_owned(), value);
    }
    Ok(map)
}

/// Runs that somebody moved and that still wait or may wait again.
pub(crate) async fn places_of(
    conn: &mut SqliteConnection,
) -> Result<std::collections::BTreeMap<String, f64>> {
    let rows: Vec<(String, f64)> = sqlx::query_as(
        "select id, place from runs
        where place is not null and state not in ('stopped', 'succeeded', 'failed')",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Reads one of these files.
///
/// # Errors
/// When it cannot be read, is too large, or holds something else.
pub fn read_record<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut text = String::new();
    let file = File::open(path)?;
    if file.metadata()?.len() > RECORD_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {RECORD_MAX} bytes")));
    }
    file.take(RECORD_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Writes a file that is there whole or not at all, and where `durable` is set on the disk when this returns.
///
/// # Errors
/// When it cannot be written; nothing of it stays then.
pub fn write_file(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no file name"));
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{}.{}.{count}.part", name.to_string_lossy(), std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        // The first error is the one that says something.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    if durable {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
