//! Reading requests, with errors that name the field.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;
use transferscope_domain::{RunId, form::FieldErrors};

use super::{BODY_MAX, error::ApiError};

/// A JSON body.
pub struct ApiJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !has_type(request.headers(), "application/json") {
            return Err(ApiError::UnsupportedMediaType(
                "Send JSON, with Content-Type: application/json.".into(),
            ));
        }
        let bytes = body(request, state).await?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            let message = inner.to_string();
            match inner.classify() {
                // The syntax is right: a value or a name is not.
                serde_json::error::Category::Data => {
                    ApiError::field(if path == "." { "body" } else { &path }, message)
                }
                _ => ApiError::BadRequest(format!("The body is not JSON: {message}.")),
            }
        })?;
        json.end().map_err(|e| ApiError::BadRequest(format!("The body is not JSON: {e}.")))?;
        Ok(ApiJson(value))
    }
}

/// Whether a request's content is of this type.
pub fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(wanted))
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(e) if e.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::TooLarge { limit: BODY_MAX }
        }
        other => ApiError::BadRequest(other.body_text()),
    })
}

/// A posted form as key-value pairs.
pub struct FormPairs(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for FormPairs {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // A form with nothing in it has no type either.
        if request.headers().contains_key(header::CONTENT_TYPE)
            && !has_type(request.headers(), "application/x-www-form-urlencoded")
        {
            let message = "Send a form, with Content-Type: application/x-www-form-urlencoded.";
            return Err(ApiError::UnsupportedMediaType(message.into()));
        }
        let bytes = body(request, state).await?;
        serde_urlencoded::from_bytes(&bytes)
            .map(FormPairs)
            .map_err(|e| ApiError::BadRequest(format!("The form cannot be read: {e}.")))
    }
}

/// The query, taken apart value by value: an empty one counts as absent, a wrong or unknown one
/// is named.
pub struct QueryPairs {
    pairs: BTreeMap<String, String>,
    errors: FieldErrors,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(parts.uri.query().unwrap_or_default())
            .map_err(|e| ApiError::BadRequest(format!("The query cannot be read: {e}.")))?;
        let mut errors = FieldErrors::new();
        let mut by_name = BTreeMap::new();
        for (name, value) in pairs {
            if by_name.contains_key(&name) {
                errors.insert(name.clone(), "given twice".into());
            }
            by_name.insert(name, value);
        }
        Ok(Self { pairs: by_name, errors, known: Vec::new() })
    }
}

impl QueryPairs {
    /// Takes one value; what cannot be read is kept as an error for [`QueryPairs::finish`].
    pub fn take<T: FromStr>(&mut self, name: &'static str) -> Option<T>
    where
        T::Err: Display,
    {
        self.known.push(name);
        let text = self.pairs.remove(name).filter(|t| !t.is_empty())?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(e) => {
                self.errors.insert(name.to_owned(), format!("{text:?}: {e}"));
                None
            }
        }
    }

    /// Notes what is wrong with a value that was read.
    pub fn wrong(&mut self, name: &'static str, message: impl Into<String>) {
        self.errors.insert(name.to_owned(), message.into());
    }

    /// Ends reading.
    ///
    /// # Errors
    /// `Invalid`, with all values that could not be read and all names that were never asked for.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in self.pairs.into_keys() {
            let message = if self.known.is_empty() {
                "unknown: this address takes no query".to_owned()
            } else {
                format!("unknown: use {}", self.known.join(", "))
            };
            self.errors.insert(name, message);
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.errors)) }
    }
}

/// An id in the path; a text that can be no id names nothing.
pub struct IdPath<T>(pub T);

impl<S: Send + Sync, T> FromRequestParts<S> for IdPath<T>
where
    T: FromStr,
    T::Err: Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|e| ApiError::NotFound(e.body_text()))?;
        text.parse().map(IdPath).map_err(|e: T::Err| ApiError::NotFound(e.to_string()))
    }
}

/// Names in the path, as they stand there.
pub struct Names<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = Path::<T>::from_request_parts(parts, state).await;
        found.map(|Path(names)| Names(names)).map_err(|e| ApiError::NotFound(e.body_text()))
    }
}

/// An id and a file name in the path.
pub struct IdAndName<T>(pub T, pub String);

impl<S: Send + Sync, T> FromRequestParts<S> for IdAndName<T>
where
    T: FromStr,
    T::Err: Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((id, name)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|e| ApiError::NotFound(e.body_text()))?;
        let id = id.parse().map_err(|e: T::Err| ApiError::NotFound(e.to_string()))?;
        Ok(IdAndName(id, name))
    }
}

/// The fields of a query or a form, in their order.
pub type Pairs = Vec<(String, String)>;

/// The fields of a query.
pub fn pairs(query: Option<String>) -> Result<Pairs, ApiError> {
    serde_urlencoded::from_str(&query.unwrap_or_default())
        .map_err(|e| ApiError::BadRequest(format!("The query cannot be read: {e}.")))
}

/// Run ids from comma-separated lists.
///
/// # Errors
/// `Invalid` when there is none or one is no id.
pub fn run_ids<'a>(lists: impl Iterator<Item = &'a str>) -> Result<Vec<RunId>, ApiError> {
    let mut runs: Vec<RunId> = Vec::new();
    for text in lists.flat_map(|list| list.split(',')).map(str::trim).filter(|t| !t.is_empty()) {
        let id = text.parse().map_err(|e| ApiError::field("runs", format!("{e}")))?;
        if !runs.contains(&id) {
            runs.push(id);
        }
    }
    if runs.is_empty() {
        return Err(ApiError::field("runs", "missing: name the runs, as in runs=a,b"));
    }
    Ok(runs)
}
