//! How the server is, and what it answers when it cannot do what was asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, or `degraded`: the server answers, and `problems` says what it cannot do.
    pub status: String,
    pub version: String,
    pub device: String,
    pub queued: u32,
    pub running: u32,
    /// What is wrong now; empty where nothing is.
    #[serde(default)]
    pub problems: Vec<HealthProblem>,
}

/// Something that the server cannot do at the moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthProblem {
    /// `disk`, `database`, `reading`, `recorder`, `dispatcher` or `queue`.
    pub part: String,
    /// What is wrong and how to fix it, in words.
    pub message: String,
    /// When it began, in milliseconds since 1970.
    pub since_ms: i64,
    /// For how long it has lasted.
    pub seconds: u64,
}

/// RFC 9457 problem document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    #[serde(rename = "type")]
    pub type_: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Stable and machine-readable: `not-found`, `invalid`, `conflict`, `unauthorized`, ...
    pub kind: String,
    /// Messages by form field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, String>,
}
