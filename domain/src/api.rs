//! The JSON that leaves the server; the OpenAPI document (`server/src/openapi.rs`) is made from these types. Fields may
//! be added, not renamed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Arm, ExperimentId, Failure, RunId, RunState, ShareSlug, Task,
    alignment::AlignmentValue,
    backbone::Backbone,
    dataset::DatasetManifest,
    event::{LeftOut, Phase},
    experiment::ExperimentSpec,
    leaderboard::{Resolution, Row},
    pretraining::Pretraining,
    report::{CaseScore, LoadReport},
    run::QueueMove,
    training::TrainingSpec,
};

/// A run, as lists and its page show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunView {
    pub id: RunId,
    pub state: RunState,
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    pub seed: u64,
    pub dataset: String,
    /// Whether the data set is computed phantoms.
    pub synthetic: bool,
    pub experiment: Option<ExperimentId>,
    /// 0 to 1.
    pub progress: f64,
    /// Seconds left, where the worker can tell.
    pub eta_s: Option<f64>,
    /// What the worker is doing.
    pub phase: Option<Phase>,
    /// The device in words; what was asked for until the worker has started.
    pub device: String,
    /// Latest value of each `split/metric`.
    pub metrics: BTreeMap<String, f64>,
    /// The test result; none until the run has succeeded.
    pub primary: Option<Primary>,
    /// Why it failed or was lost; cleared when it succeeds.
    pub failure: Option<Failure>,
    pub training: TrainingSpec,
    /// What a pre-training run makes; none for a downstream task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<Pretraining>,
    pub created_ms: i64,
    pub started_ms: Option<i64>,
    pub finished_ms: Option<i64>,
    /// When the worker was last heard.
    pub heartbeat_ms: Option<i64>,
    /// How often a worker was started for this run.
    pub attempts: u32,
    /// Position in the queue, 1 = next; none unless queued.
    pub queue_position: Option<u32>,
}

/// A run's ranking result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Primary {
    pub name: String,
    pub value: f64,
    /// `higher` or `lower`.
    pub direction: crate::Direction,
}

/// Everything that only the run's own page needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: RunView,
    pub parameters: Option<u64>,
    pub total_epochs: Option<u32>,
    pub total_steps: Option<u64>,
    pub load_report: Option<LoadReport>,
    pub left_out: Vec<LeftOut>,
    pub previews: Vec<PreviewView>,
    /// Names that `metrics?name=` knows for this run.
    pub metric_names: Vec<String>,
    pub code_version: String,
    pub dataset_hash: String,
    pub checkpoint_hash: Option<String>,
    pub seconds: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
    /// Optimiser steps at its last checkpoint, which a run that failed or was stopped can go on from; none without
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_step: Option<u64>,
    /// Seq of the last recorded event: where a live stream goes on.
    pub last_seq: u64,
}

/// A preview picture, served at `/runs/{id}/previews/{file}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewView {
    pub epoch: f64,
    pub case_id: String,
    pub file: String,
    pub caption: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunList {
    pub runs: Vec<RunView>,
    /// Pass as `cursor` for the next page; none on the last.
    pub next_cursor: Option<String>,
}

/// The queue in the order in which it is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueView {
    /// Runs that have a worker, oldest first.
    pub running: Vec<RunView>,
    /// The next runs, the first one first; `waiting_count` says how many there are in all.
    pub waiting: Vec<RunView>,
    pub waiting_count: u32,
    /// Names of the experiments that have one, by id.
    #[serde(default)]
    pub experiment_names: BTreeMap<String, String>,
    /// Waiting runs of a kind that has finished here before, which `time_left_s` is of.
    pub measured: u32,
    /// Workers at once.
    pub jobs: u32,
    /// Seconds until the measured ones and those that run are done, by what such runs took; none where nothing is
    /// known.
    pub time_left_s: Option<f64>,
    /// Why no run is started now; none unless the machine could not start one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<QueuePause>,
}

/// A queue that waits for its machine: what stands in the way is no run's fault, and no run is spent on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueuePause {
    /// What happened and where, and what mends it.
    pub reason: String,
    /// When it began.
    pub since_ms: i64,
    /// Seconds until a start is tried again; 0 while it is being tried.
    pub next_try_s: f64,
}

/// Where a waiting run, or the waiting runs of an experiment, shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    pub to: QueueMove,
}

/// A curve: `[step, epoch, t_ms, value]` a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricSeries {
    pub name: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Vec<f64>>))]
    pub points: Vec<(u64, f64, i64, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlignmentView {
    /// Layers, first to last.
    pub layers: Vec<String>,
    pub kernel: String,
    /// Bandwidth by layer, in the order of `layers`.
    pub bandwidth: Vec<f64>,
    pub estimator: String,
    pub n: u32,
    pub values: Vec<AlignmentValue>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaseScores {
    pub cases: Vec<CaseScore>,
}

/// What starting an experiment answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExperimentCreated {
    pub id: ExperimentId,
    pub runs: Vec<CreatedRun>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedRun {
    pub id: RunId,
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExperimentView {
    pub id: ExperimentId,
    pub name: String,
    pub spec: ExperimentSpec,
    pub created_ms: i64,
    pub runs: Vec<RunView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExperimentList {
    pub experiments: Vec<ExperimentSummary>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExperimentSummary {
    pub id: ExperimentId,
    pub name: String,
    pub created_ms: i64,
    pub runs: u32,
    pub finished: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaderboardView {
    pub rows: Vec<Row>,
    /// Whether rows are ranked against others that differ in what should agree.
    #[serde(default)]
    pub mixed: bool,
    /// What the test cases can resolve, by task, data set and comparable group.
    #[serde(default)]
    pub resolution: Vec<Resolution>,
    /// Runs that are not on the board, by state: stated beside every claim.
    pub not_shown: BTreeMap<String, u32>,
}

/// A backbone with its use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackboneView {
    #[serde(flatten)]
    pub backbone: Backbone,
    /// Runs that started from it or trained its architecture from scratch.
    #[serde(default)]
    pub runs: u32,
}

/// A backbone with what stands on its card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackboneDetail {
    #[serde(flatten)]
    pub view: BackboneView,
    /// What became of the tensors of the file that was added.
    pub load_report: Option<LoadReport>,
    /// How it was made, if it was pre-trained by this program.
    pub made: Option<Made>,
}

/// How a backbone was pre-trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Made {
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// The command that makes it again.
    pub command: String,
    pub code_version: String,
    pub device: String,
    pub seconds: f64,
    /// Hash of the data set.
    pub data_hash: String,
    /// `[step, loss]`, thinned to means of equal stretches.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Vec<f64>>))]
    pub loss_curve: Vec<(u64, f64)>,
    /// What was reached on patients that were not learnt from: metric, without split, to value.
    pub validation: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackboneList {
    pub backbones: Vec<BackboneView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetList {
    pub datasets: Vec<DatasetManifest>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskView {
    pub name: Task,
    pub label: String,
    pub help: String,
    pub primary: String,
    pub direction: crate::Direction,
    pub unit: String,
    pub metrics: Vec<String>,
    pub baselines: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskList {
    pub tasks: Vec<TaskView>,
}

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
    /// Whether it shows patients: ids of patients and cases, what is known of each case and what was said of it, and
    /// pictures. Otherwise cases and patients are numbered and the rest is left out.
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
    /// Whether it shows patients. Links that were frozen before makers were asked do.
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
    /// Whether patients are left out: cases and patients bear numbers for names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub numbered: bool,
    /// Runs that were asked for and are not there: deleted, or never made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<RunId>,
}

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
    /// What is wrong and what mends it, in words.
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
