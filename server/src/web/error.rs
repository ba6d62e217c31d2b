//! Errors at the HTTP boundary, in one place: status, kind and words. Detail that is nobody's
//! business outside goes to the log.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use transferscope_domain::{api::Problem, failure::is_full, form::FieldErrors};
use transferscope_store::StoreError;

use super::reach::NotOurs;
use crate::{
    inputs::viewer::ViewError,
    off_thread::BrokenOff,
    queue::{resume::ResumeError, submit::SubmitError},
    results::{board::BoardError, study::StudyError},
};

/// Seconds after which a client that was turned away should come back.
const RETRY_AFTER: &str = "5";

/// Everything that a request can be answered with besides success.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0}")]
    NotFound(String),
    /// The request cannot be read at all.
    #[error("{0}")]
    BadRequest(String),
    /// The request can be read and its values make no sense; messages by field.
    #[error("{} field(s) need attention", .0.len())]
    Invalid(FieldErrors),
    /// It was there, and someone took it back.
    #[error("{0}")]
    Gone(String),
    #[error("{0}")]
    Conflict(String),
    #[error(
        "This needs the server's token (in the file token of its data folder): send it as Authorization: Bearer TOKEN."
    )]
    Unauthorized,
    #[error("{0}")]
    CrossSite(String),
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error("{0}")]
    MethodNotAllowed(String),
    #[error("The body is too large: {limit} bytes at most.")]
    TooLarge { limit: usize },
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// Come back in a moment: the server does as much as it may already.
    #[error("{0}")]
    Busy(String),
    /// There is no room for what was asked; nothing of it was kept.
    #[error("The disk that holds the data folder is full, so nothing was stored. Make room and try again.")]
    DiskFull,
    /// The database's file is not what it was.
    #[error("{0}")]
    Damaged(String),
    /// The client took too long to say what it wants.
    #[error("{0}")]
    TimedOut(String),
    /// The text is for the log.
    #[error("Something went wrong on the server; see its log.")]
    Internal(String),
}

impl ApiError {
    /// One field with a wrong value.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        ApiError::Invalid([(name.to_owned(), message.into())].into())
    }

    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            ApiError::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            ApiError::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request", "Bad request"),
            ApiError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Invalid values"),
            ApiError::Gone(_) => (StatusCode::GONE, "gone", "Gone"),
            ApiError::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Conflict"),
            ApiError::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Token needed"),
            ApiError::CrossSite(_) => (StatusCode::FORBIDDEN, "cross-site", "Refused"),
            ApiError::NotOurs(NotOurs::Unknown { .. }) => {
                (StatusCode::MISDIRECTED_REQUEST, "host-not-allowed", "Not a name of this server")
            }
            ApiError::NotOurs(_) => (StatusCode::BAD_REQUEST, "bad-host", "Bad host"),
            ApiError::MethodNotAllowed(_) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            ApiError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            ApiError::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            ApiError::TimedOut(_) => (StatusCode::REQUEST_TIMEOUT, "timed-out", "Too slow"),
            ApiError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy"),
            ApiError::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "disk-full", "No room"),
            ApiError::Damaged(_) => (StatusCode::INTERNAL_SERVER_ERROR, "damaged", "Damaged database"),
            ApiError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// The problem document (RFC 9457).
    pub fn problem(&self) -> Problem {
        let (status, kind, title) = self.parts();
        Problem {
            // No page describes the kinds, so the type says no more than the status.
            type_: "about:blank".into(),
            title: title.into(),
            status: status.as_u16(),
            detail: self.to_string(),
            kind: kind.into(),
            errors: if let ApiError::Invalid(errors) = self { errors.clone() } else { FieldErrors::new() },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let ApiError::Internal(detail) = &self {
            tracing::error!(detail, "a request failed");
        }
        let (status, ..) = self.parts();
        let mut response = (status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An error's words as a sentence.
fn sentence(error: &StoreError) -> String {
    let words = error.to_string();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, id } => {
                ApiError::NotFound(format!("There is no {what} with the id {id:?}."))
            }
            StoreError::Gone { what, id } => ApiError::Gone(format!("The {what} {id:?} was revoked.")),
            StoreError::Conflict(message) => ApiError::Conflict(message),
            StoreError::Invalid { field, message } => ApiError::field(field, message),
            StoreError::Full => ApiError::DiskFull,
            StoreError::Busy(_) => ApiError::Busy(sentence(&error)),
            StoreError::Damaged { .. } | StoreError::Missing { .. } => ApiError::Damaged(sentence(&error)),
            StoreError::Record { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Database(_)
            | StoreError::Migrate(_)
            | StoreError::Folder { .. } => ApiError::Internal(error.to_string()),
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Invalid(errors) => ApiError::Invalid(errors),
            SubmitError::Store(error) => error.into(),
            SubmitError::RunDir { source, .. } if is_full(&source) => ApiError::DiskFull,
            SubmitError::Datasets(_) | SubmitError::RunDir { .. } | SubmitError::BrokenOff(_) => {
                ApiError::Internal(error.to_string())
            }
        }
    }
}

impl From<ResumeError> for ApiError {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::Store(error) => error.into(),
            ResumeError::NotPossible(words) => ApiError::Conflict(words),
            ResumeError::RunDir { .. } | ResumeError::BrokenOff(_) => ApiError::Internal(error.to_string()),
        }
    }
}

impl From<ViewError> for ApiError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::NotFound(words) => ApiError::NotFound(words),
            ViewError::Gone(words) => ApiError::Gone(words),
            ViewError::Refused { field, message } => ApiError::field(field, message),
            ViewError::Broken(detail) => ApiError::Internal(detail),
        }
    }
}

impl From<StudyError> for ApiError {
    fn from(error: StudyError) -> Self {
        match error {
            StudyError::Store(error) => error.into(),
            StudyError::NotFound(words) => ApiError::NotFound(words),
            StudyError::Asked(message) => ApiError::field("id", message),
            StudyError::BrokenOff(error) => error.into(),
        }
    }
}

impl From<BoardError> for ApiError {
    fn from(error: BoardError) -> Self {
        match error {
            BoardError::Store(error) => error.into(),
            BoardError::BrokenOff(error) => error.into(),
        }
    }
}

impl From<BrokenOff> for ApiError {
    fn from(error: BrokenOff) -> Self {
        ApiError::Internal(error.to_string())
    }
}
