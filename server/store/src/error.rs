//! Why the store cannot answer.

/// Why the store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing; `what` is a word such as `run`.
    #[error("there is no {what} {id:?}")]
    NotFound { what: &'static str, id: String },
    /// It was there, and someone took it back.
    #[error("{what} {id:?} was revoked")]
    Gone { what: &'static str, id: String },
    /// The question does not fit the present state.
    #[error("{0}")]
    Conflict(String),
    /// An argument that came from outside has no meaning.
    #[error("{field}: {message}")]
    Invalid { field: &'static str, message: String },
    /// A stored text is not what this version writes.
    #[error("stored {what} cannot be read: {message}")]
    Corrupt { what: &'static str, message: String },
    /// Nothing of what was asked for is stored; when there is room again the next try works.
    #[error("the disk that holds the database is full, so nothing was stored")]
    Full,
    /// The lock or a connection was not to be had in time; nothing of what was asked for is stored.
    #[error("the database is busy: {0}")]
    Busy(&'static str),
    /// The file holds something else than a database of ours.
    #[error(
        "the database{} is damaged ({found}); nothing was changed. Stop the server, if one runs, and rebuild the \
         database from the run directories with: {}",
        path.as_ref().map(|p| format!(" {p}")).unwrap_or_default(),
        reindex(path.as_deref().unwrap_or_default())
    )]
    Damaged { path: Option<String>, found: String },
    /// There is no database where there are things that it should know.
    #[error(
        "{found}; nothing was changed. Rebuild the database {path} from the files in the data folder with: {}",
        reindex(path)
    )]
    Missing { path: String, found: String },
    /// What only the database would know is also kept in a file, and that one cannot be written or read.
    #[error("{path} cannot be written or read, so nothing was stored: {source}")]
    Record { path: String, source: std::io::Error },
    #[error("the database does not answer: {0}")]
    Database(sqlx::Error),
    #[error("the database cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("cannot create the database's folder {path}: {source}")]
    Folder { path: String, source: std::io::Error },
}

impl StoreError {
    /// Names a thing that is not there.
    pub fn not_found(what: &'static str, id: impl ToString) -> Self {
        StoreError::NotFound { what, id: id.to_string() }
    }

    /// Turns a broken uniqueness rule into a conflict, and leaves other errors alone.
    pub(crate) fn on_unique(error: sqlx::Error, message: impl FnOnce() -> String) -> Self {
        match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => StoreError::Conflict(message()),
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match (primary_code(&error), &error) {
            (Some(SQLITE_FULL), _) => StoreError::Full,
            (Some(SQLITE_BUSY | SQLITE_LOCKED), _) => {
                StoreError::Busy("another program keeps it locked; end that program, or try again later")
            }
            (Some(SQLITE_CORRUPT | SQLITE_NOTADB), sqlx::Error::Database(said)) => {
                StoreError::Damaged { path: None, found: said.message().to_owned() }
            }
            (_, sqlx::Error::PoolTimedOut) => {
                StoreError::Busy("too many requests wait for it; try again later")
            }
            _ => StoreError::Database(error),
        }
    }
}

/// The command that rebuilds the database at a path.
fn reindex(database: &str) -> String {
    match std::path::Path::new(database).parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => format!("transferscope reindex --data-dir {}", folder.display()),
        None => "transferscope reindex".into(),
    }
}

/// SQLite's result codes that mean something to us.
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;

/// The result code in SQLite's answer without what only details it; none where SQLite was not asked.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(said) = error else { return None };
    Some(said.code()?.parse::<i32>().ok()? & 0xff)
}

/// Writes a value as JSON text for a column.
pub(crate) fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> crate::Result<String> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt { what, message: e.to_string() })
}

/// Reads a column that holds JSON text.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> crate::Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt { what, message: e.to_string() })
}

/// Reads a column that holds a name of a closed set.
pub(crate) fn from_name<T: std::str::FromStr>(what: &'static str, text: &str) -> crate::Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| StoreError::Corrupt { what, message: e.to_string() })
}
