//! Runs, their curves and what they left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Point;
use crate::{
    Arm, Direction, ExperimentId, Failure, RunId, RunState, Task, alignment::AlignmentValue,
    dataset::LeftOut, event::Phase, pretraining::Pretraining, report::CaseScore, report::LoadReport,
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
    /// Estimated seconds left; none if unknown.
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
    pub direction: Direction,
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

/// A curve; on the wire each point is `[step, epoch, t_ms, value]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricSeries {
    pub name: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Vec<f64>>))]
    pub points: Vec<Point>,
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
