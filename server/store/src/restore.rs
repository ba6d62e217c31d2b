//! Rows made of files: what lies in a folder of records, and one row of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::{
    Result, StoreError,
    records::{Kind, REVOKED},
};

/// Names of files in a folder of records.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub made: BTreeSet<String>,
    pub revoked: BTreeSet<String>,
}

/// What lies in a folder of records; a folder that is not there is empty, and other files are not looked at.
pub(crate) fn listing(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(e) => return Err(StoreError::Record { path: folder.display().to_string(), source: e }),
    };
    for entry in entries {
        let entry =
            entry.map_err(|e| StoreError::Record { path: folder.display().to_string(), source: e })?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|n| !n.starts_with('.')) else { continue };
        if let Some(id) = name.strip_suffix(REVOKED) {
            listing.revoked.insert(id.to_owned());
        } else if let Some(id) = name.strip_suffix(".json") {
            listing.made.insert(id.to_owned());
        }
    }
    Ok(listing)
}

/// Adds a row as a file holds it. Columns that this version does not have are left out; those that the file does not
/// have get their default.
pub(crate) async fn restore_row(
    conn: &mut SqliteConnection,
    kind: Kind,
    row: &Map<String, Value>,
) -> Result<()> {
    let known: Vec<String> = sqlx::query_scalar("select name from pragma_table_info(?)")
        .bind(kind.table())
        .fetch_all(&mut *conn)
        .await?;
    let columns: Vec<(&String, &Value)> = row.iter().filter(|(name, _)| known.contains(name)).collect();
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    // The names are those of the table's own columns.
    let statement = format!("insert into {} ({}) values ({marks})", kind.table(), names.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for (name, value) in columns {
        query = match value {
            Value::Null => query.bind(None::<String>),
            Value::String(text) => query.bind(text),
            Value::Number(n) if n.is_i64() => query.bind(n.as_i64()),
            Value::Number(n) => query.bind(n.as_f64()),
            other => {
                let message = format!("{name} is {other}: a text or a number was expected");
                return Err(StoreError::Corrupt { what: "record", message });
            }
        };
    }
    query
        .execute(conn)
        .await
        .map_err(|e| StoreError::on_unique(e, || "there is one of this name already".into()))?;
    Ok(())
}

/// Puts waiting runs where a file says they stand, and says how many stood elsewhere.
pub(crate) async fn restore_places(
    conn: &mut SqliteConnection,
    kept: &BTreeMap<String, f64>,
    rows: &BTreeMap<String, f64>,
) -> Result<usize> {
    let mut changed = 0;
    for (id, place) in kept.iter().filter(|(id, place)| rows.get(*id) != Some(place)) {
        changed += sqlx::query(
            "update runs set place = ? where id = ? and state not in ('stopped', 'succeeded', 'failed')",
        )
        .bind(place)
        .bind(id)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    }
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}
