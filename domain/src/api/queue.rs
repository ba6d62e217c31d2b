//! The queue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RunView;
use crate::run::QueueMove;

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
    /// Estimated seconds until the running and the `measured` runs are done, from finished runs of the same kind;
    /// none if unknown.
    pub time_left_s: Option<f64>,
    /// Why no run is started now; none unless the machine could not start one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<QueuePause>,
}

/// A paused queue: the machine cannot start workers. This is not the fault of a run, and no run fails because of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueuePause {
    /// What happened and where, and how to fix it.
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
