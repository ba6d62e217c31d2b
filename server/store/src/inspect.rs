//! Looking at a database file before anything is done to it.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{Result, StoreError};

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Files up to this size are read through; larger ones would hold the start up for seconds, and what is wrong in them
/// is found by the first question that meets it.
const CHECK_MAX: u64 = 256 << 20;

/// What is in a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No file, or one without a byte.
    Nothing,
    /// A sound file; `runs` is how many it knows.
    Database { runs: u64 },
}

/// Looks into a database without changing a byte of it.
///
/// # Errors
/// `Damaged` with what was found.
pub async fn inspect(path: &Path) -> Result<Found> {
    let damaged = |found: String| StoreError::Damaged { path: Some(path.display().to_string()), found };
    let length = match header(path) {
        Ok(None) => return Ok(Found::Nothing),
        Ok(Some((header, length))) => {
            if header.get(..16) != Some(MAGIC.as_slice()) {
                return Err(damaged("it does not begin as an SQLite file does".into()));
            }
            length
        }
        Err(source) => return Err(StoreError::Folder { path: path.display().to_string(), source }),
    };
    let named = |error: StoreError| match error {
        StoreError::Damaged { found, .. } => damaged(found),
        other => other,
    };
    // Only reads, so that not even the write-ahead log is folded in.
    let mut conn = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .connect()
        .await
        .map_err(|e| named(e.into()))?;
    let looked = look(&mut conn, length).await;
    drop(conn.close().await);
    match looked {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(said)) => Err(damaged(said)),
        Err(error) => Err(named(error)),
    }
}

async fn look(conn: &mut SqliteConnection, length: u64) -> Result<std::result::Result<Found, String>> {
    if length <= CHECK_MAX {
        let said: String = sqlx::query_scalar("pragma quick_check(1)").fetch_one(&mut *conn).await?;
        if said != "ok" {
            return Ok(Err(said));
        }
    }
    let tables: i64 =
        sqlx::query_scalar("select count(*) from sqlite_master where type = 'table' and name = 'runs'")
            .fetch_one(&mut *conn)
            .await?;
    let runs: i64 = if tables == 0 {
        0
    } else {
        sqlx::query_scalar("select count(*) from runs").fetch_one(&mut *conn).await?
    };
    Ok(Ok(Found::Database { runs: u64::try_from(runs).unwrap_or(0) }))
}

/// The first bytes of a file and its length; none where there is no byte.
fn header(path: &Path) -> io::Result<Option<(Vec<u8>, u64)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(100).read_to_end(&mut bytes)?;
    Ok(if bytes.is_empty() { None } else { Some((bytes, length)) })
}

/// The files that SQLite keeps beside a database: its write-ahead log, and that one's index.
pub fn companions(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, testing::new_run};

    #[tokio::test]
    async fn a_sound_file_is_counted_and_a_damaged_one_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("transferscope.db");
        assert_eq!(inspect(&path).await.unwrap(), Found::Nothing);
        std::fs::write(&path, b"").unwrap();
        assert_eq!(inspect(&path).await.unwrap(), Found::Nothing);

        let store = Store::open(&path).await.unwrap();
        for _ in 0..50 {
            store.enqueue_run(&new_run()).await.unwrap();
        }
        assert_eq!(inspect(&path).await.unwrap(), Found::Database { runs: 50 }, "beside a server");
        store.close().await;
        let sound = std::fs::read(&path).unwrap();
        assert_eq!(inspect(&path).await.unwrap(), Found::Database { runs: 50 });
        assert_eq!(std::fs::read(&path).unwrap(), sound);

        let mut scribbled = sound.clone();
        for (i, byte) in scribbled[4096..].iter_mut().enumerate() {
            *byte = (i * 37 % 251) as u8;
        }
        let random: Vec<u8> = (0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let cases: [(&str, &[u8]); 5] = [
            ("truncated", &sound[..sound.len() / 2]),
            ("cut in its header", &sound[..60]),
            ("random", &random),
            ("text", b"This is not a database."),
            ("scribbled", &scribbled),
        ];
        for (what, bytes) in cases {
            std::fs::write(&path, bytes).unwrap();
            let error = inspect(&path).await.unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error:?}");
            let words = error.to_string();
            assert!(
                words.contains("transferscope.db") && words.contains("transferscope reindex"),
                "{what}: {words}"
            );
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what} was changed");
        }
    }
}
