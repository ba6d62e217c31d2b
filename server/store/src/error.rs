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
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
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
            _ => StoreError::Database(error),
        }
    }
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
