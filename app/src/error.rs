//! The error that server functions send to pages.

use leptos::server_fn::{
    codec::JsonEncoding,
    error::{FromServerFnError, ServerFnErrorErr},
};
use serde::{Deserialize, Serialize};

/// Why a page has no data, in words for its reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", content = "message", rename_all = "kebab-case")]
pub enum AppError {
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It was there, and someone took it back.
    #[error("{0}")]
    Gone(String),
    /// What was asked for makes no sense as it stands.
    #[error("{0}")]
    Invalid(String),
    /// The server could not be reached.
    #[error("The server did not answer: {0}")]
    Unreachable(String),
    /// Something went wrong on the server; details are in its log.
    #[error("{0}")]
    Internal(String),
}

impl AppError {
    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            AppError::NotFound(_) => "Check the address, or search the list of runs.",
            AppError::Gone(_) => "Ask whoever sent the link for another one.",
            AppError::Invalid(_) => "Change the address or the filters and try again.",
            AppError::Unreachable(_) => "Check that the server is running, then load the page again.",
            AppError::Internal(_) => "Load the page again; if the error persists, see the server's log.",
        }
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(m) | ServerFnErrorErr::Response(m) => AppError::Unreachable(m),
            ServerFnErrorErr::Args(m) | ServerFnErrorErr::MissingArg(m) => AppError::Invalid(m),
            other => AppError::Internal(other.to_string()),
        }
    }
}
