//! Experiments.

use serde::{Deserialize, Serialize};

use super::RunView;
use crate::{Arm, ExperimentId, RunId, Task, experiment::ExperimentSpec};

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
