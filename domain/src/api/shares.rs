//! Links to comparisons and to frozen pages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AlignmentView, MetricSeries, PreviewView, RunView};
use crate::{ExperimentId, RunId, ShareSlug, report::CaseScore};

/// What a shared link keeps of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShareRequest {
    pub runs: Vec<RunId>,
    /// The compare page's query fields, e.g. `{"x": "step", "metric": "val/dice"}`.
    #[serde(default)]
    pub view: BTreeMap<String, String>,
    /// Whether the link keeps its data as it is now.
    #[serde(default)]
    pub frozen: bool,
    /// Whether it shows patient data: ids of patients and cases, the labels, predictions and pictures of each case.
    /// Otherwise cases and patients are numbered and the rest is left out.
    #[serde(default)]
    pub include_patients: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShareCreated {
    pub slug: ShareSlug,
}

/// A shared comparison as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShareView {
    pub slug: ShareSlug,
    pub schema: u32,
    pub frozen: bool,
    pub created_ms: i64,
    pub view: BTreeMap<String, String>,
    pub runs: Vec<RunId>,
    /// Whether it shows patient data. Links frozen by versions without this choice do.
    #[serde(default)]
    pub include_patients: bool,
    /// The data as it was; none for a live link.
    pub data: Option<CompareData>,
    /// BLAKE3 of the data; none for a live link.
    pub content_hash: Option<String>,
}

/// What is posted to keep the page of an experiment, or of several side by side, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SnapshotRequest {
    pub experiments: Vec<ExperimentId>,
    /// The experiment page's query fields, e.g. `{"layer": "last"}`.
    #[serde(default)]
    pub view: BTreeMap<String, String>,
}

/// A link to a frozen page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenLink {
    pub slug: ShareSlug,
    pub title: String,
    pub created_ms: i64,
}

/// The numbers of a frozen page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SnapshotView {
    pub slug: ShareSlug,
    /// Version of `data`.
    pub schema: u32,
    pub title: String,
    pub created_ms: i64,
    pub experiments: Vec<ExperimentId>,
    /// BLAKE3 of the data as it is stored.
    pub content_hash: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: serde_json::Value,
}

/// Everything that a comparison draws.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompareData {
    pub runs: Vec<RunView>,
    /// Curves by run, in the order of `runs`.
    pub series: Vec<Vec<MetricSeries>>,
    pub cases: Vec<Vec<CaseScore>>,
    pub alignment: Vec<Option<AlignmentView>>,
    pub previews: Vec<Vec<PreviewView>>,
    /// Whether patient data are left out: cases and patients have numbers instead of names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub numbered: bool,
    /// Requested runs that do not exist: deleted, or never created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<RunId>,
}
