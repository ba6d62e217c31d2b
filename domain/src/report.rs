//! `report.json`: what a finished run leaves behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{alignment::AlignmentValue, dataset::LeftOut, run::RunRequest};

/// What loading a checkpoint did and did not fill; all lists hold tensor names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoadReport {
    pub source: String,
    pub applied: Vec<String>,
    /// Model tensors that the file does not have.
    pub missing: Vec<String>,
    /// Tensors of the file that the model does not have.
    pub unused: Vec<String>,
    /// Tensors that were resized to fit, e.g. position tables.
    pub reshaped: Vec<String>,
    /// Model tensors that the file does not have and that started as in a new network, because
    /// pre-training has no such layer.
    #[serde(default)]
    pub defaulted: Vec<String>,
    /// Which of a file's networks was taken and what else is in it, and what else is worth knowing, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a classification said of a case and what is so, among the case's scores: not measures, but what measures over
/// many cases are made of.
pub const PROBABILITY: &str = "probability";
pub const TRUTH: &str = "truth";

/// Scores of one test case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaseScore {
    pub case_id: String,
    pub patient_id: String,
    /// `val` or `test`.
    pub split: String,
    /// Metric (without split; baselines as `psnr_db@bicubic`) to value; absent where undefined.
    pub scores: BTreeMap<String, f64>,
}

/// The whole result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunReport {
    pub schema: u32,
    pub request: RunRequest,
    pub device: String,
    pub parameters: u64,
    /// How many of them were trained; none in reports from before encoders could be frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_parameters: Option<u64>,
    /// `split/metric` to value: the last validation values and the test values of the best
    /// checkpoint, with baselines.
    pub metrics: BTreeMap<String, f64>,
    /// Epoch whose checkpoint was tested.
    pub best_epoch: f64,
    pub cases: Vec<CaseScore>,
    pub alignment: Vec<AlignmentValue>,
    pub load_report: Option<LoadReport>,
    pub left_out: Vec<LeftOut>,
    pub seconds: f64,
    /// Share of the training's time that it waited for its batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_wait_share: Option<f64>,
    /// What keeping features and comparing them took, as a share of the training's time; none where no features were
    /// compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment_share: Option<f64>,
    pub peak_memory_bytes: u64,
    pub synthetic_data: bool,
}
