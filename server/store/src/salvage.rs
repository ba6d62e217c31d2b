//! What a damaged database still says of the things that only it knew, written into the files beside it.

use std::path::Path;

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    Result, StoreError,
    reconcile::{is_name, is_run, write},
    records::{ARRIVAL_FILE, Arrival, Ended, Kind, RECORD_SCHEMA, REVOKED, Record, row_of},
};

/// Writes the records that are missing beside a damaged database, as far as it can be read, and says in words what
/// could not be.
///
/// # Errors
/// When a file cannot be written. A database that says nothing is no error.
pub async fn salvage(database: &Path, root: &Path) -> Result<Vec<String>> {
    let mut lost = Vec::new();
    let mut conn = match SqliteConnectOptions::new().filename(database).read_only(true).connect().await {
        Ok(conn) => conn,
        Err(error) => {
            lost.push(format!("nothing can be read from it: {error}"));
            return Ok(lost);
        }
    };
    for kind in Kind::ALL {
        if let Err(error) = rows(&mut conn, kind, root, &mut lost).await {
            said(&mut lost, kind.folder(), error)?;
        }
    }
    if let Err(error) = arrivals(&mut conn, root).await {
        said(&mut lost, "the order of the runs", error)?;
    }
    drop(conn.close().await);
    Ok(lost)
}

/// Notes what could not be read; what could not be written is an error.
fn said(lost: &mut Vec<String>, what: &str, error: StoreError) -> Result<()> {
    if matches!(error, StoreError::Full | StoreError::Record { .. }) {
        return Err(error);
    }
    lost.push(format!("{what}: {error}"));
    Ok(())
}

async fn rows(conn: &mut SqliteConnection, kind: Kind, root: &Path, lost: &mut Vec<String>) -> Result<()> {
    let question = format!("select {} from {}", kind.key(), kind.table());
    let ids: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(question)).fetch_all(&mut *conn).await?;
    let folder = root.join(kind.folder());
    for id in ids.iter().filter(|id| is_name(kind, id)) {
        let path = folder.join(format!("{id}.json"));
        if path.exists() {
            continue;
        }
        let mut row = match row_of(conn, kind, id).await {
            Ok(row) => row,
            Err(error) => {
                said(lost, &format!("{} {id}", kind.folder()), error)?;
                continue;
            }
        };
        let revoked = row.get_mut("revoked_ms").map(serde_json::Value::take).and_then(|v| v.as_i64());
        write(&path, &Record { schema: RECORD_SCHEMA, row })?;
        if let Some(t_ms) = revoked {
            write(&folder.join(format!("{id}{REVOKED}")), &Ended { schema: RECORD_SCHEMA, t_ms })?;
        }
    }
    Ok(())
}

async fn arrivals(conn: &mut SqliteConnection, root: &Path) -> Result<()> {
    let rows: Vec<(String, i64, i64, bool)> =
        sqlx::query_as("select id, number, created_ms, synthetic from runs").fetch_all(conn).await?;
    for (id, number, created_ms, synthetic) in rows.into_iter().filter(|row| is_run(&row.0)) {
        let dir = root.join("runs").join(&id);
        let path = dir.join(ARRIVAL_FILE);
        if dir.is_dir() && !path.exists() {
            write(&path, &Arrival { schema: RECORD_SCHEMA, number, created_ms, synthetic })?;
        }
    }
    Ok(())
}
