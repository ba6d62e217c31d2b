//! A run: what is asked for, and the states it goes through.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Architecture, Arm, ExperimentId, Family, RunId, Target, Task, TrainingSpec, choice::choices,
    dataset::Plan, pretraining::Pretraining,
};

/// `request.json` of a run directory: everything that is needed to repeat the run.
/// Paths are relative to the run directory, so that a data folder can move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(remote = "Self")]
pub struct RunRequest {
    pub schema: u32,
    pub id: RunId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentId>,
    /// `provicnet-mini`, ...; `unet` for the specialist.
    pub backbone: String,
    pub family: Family,
    /// The encoder's size; the `mini` one of the family unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    pub task: Task,
    pub arm: Arm,
    pub seed: u64,
    /// Name of the data set.
    pub dataset: String,
    /// Folder that holds the data set's `dataset.json`.
    pub dataset_dir: String,
    /// Content hash of the data set (cases and split) when the run was asked for.
    pub dataset_hash: String,
    /// Hash of who trains, validates and tests; empty in requests from before it was written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub split_hash: String,
    /// `builtin:NAME` for a checkpoint that ships with the program, else a file; none unless
    /// the arm is `pretrained`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// BLAKE3 hash of the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_hash: Option<String>,
    pub training: TrainingSpec,
    /// How the data set's cases are brought to the network; none for the grids of the study's networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// What a pre-training run makes; none for a downstream task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<Pretraining>,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub device: DeviceChoice,
    /// Version of the program that wrote the request.
    pub code_version: String,
}

impl RunRequest {
    /// The encoder's size; none for the specialist.
    pub fn encoder(&self) -> Option<Architecture> {
        self.architecture.clone().or_else(|| Architecture::mini(self.family))
    }
}

impl Serialize for RunRequest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RunRequest::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RunRequest {
    /// Requests from before tasks had targets named the mask to learn among the settings.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut request = RunRequest::deserialize(deserializer)?;
        request.task = request.training.target.of(request.task);
        request.training.target = Target::default();
        Ok(request)
    }
}

/// The version of `request.json` written now.
pub const REQUEST_SCHEMA: u32 = 1;

/// Where to train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// CUDA where a driver and a card answer, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The card with this index.
    Cuda(usize),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Cuda(0) => f.write_str("cuda"),
            DeviceChoice::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(DeviceChoice::Cuda)
                .ok_or_else(|| format!("unknown device {text:?}: use auto, cpu, cuda or cuda:N")),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(d: DeviceChoice) -> String {
        d.to_string()
    }
}

choices! {
    /// Where a waiting run goes in the queue.
    QueueMove, "move" {
        First = "first", "First", "To the front of the queue.";
        Up = "up", "Up", "One place forward.";
        Down = "down", "Down", "One place back.";
        Last = "last", "Last", "To the end of the queue.";
    }
}

/// The states of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Waiting for a free worker.
    Queued,
    /// A worker was started and has not begun training.
    Preparing,
    Running,
    /// Asked to stop; the worker has not ended yet.
    Stopping,
    /// Ended because someone asked.
    Stopped,
    Succeeded,
    /// Ended with an error that would come again.
    Failed,
    /// The worker is gone without a word; it will be started again from its last checkpoint.
    Lost,
}

impl RunState {
    pub const ALL: [RunState; 8] = [
        RunState::Queued,
        RunState::Preparing,
        RunState::Running,
        RunState::Stopping,
        RunState::Stopped,
        RunState::Succeeded,
        RunState::Failed,
        RunState::Lost,
    ];

    /// The name in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Preparing => "preparing",
            RunState::Running => "running",
            RunState::Stopping => "stopping",
            RunState::Stopped => "stopped",
            RunState::Succeeded => "succeeded",
            RunState::Failed => "failed",
            RunState::Lost => "lost",
        }
    }

    /// Whether the run has ended for good.
    pub fn is_final(self) -> bool {
        matches!(self, RunState::Stopped | RunState::Succeeded | RunState::Failed)
    }

    /// Whether a worker process may be alive.
    pub fn has_worker(self) -> bool {
        matches!(self, RunState::Preparing | RunState::Running | RunState::Stopping)
    }

    /// Whether a run may go from this state to `next`.
    pub fn may_become(self, next: RunState) -> bool {
        use RunState::*;
        match self {
            Queued => matches!(next, Preparing | Stopped | Failed),
            Preparing => matches!(next, Running | Stopping | Stopped | Succeeded | Failed | Lost),
            Running => matches!(next, Stopping | Stopped | Succeeded | Failed | Lost),
            Stopping => matches!(next, Stopped | Succeeded | Failed),
            Lost => matches!(next, Queued | Stopped | Failed),
            Stopped | Succeeded | Failed => false,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        RunState::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("unknown run state {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_stay_and_names_go_round() {
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse::<RunState>().unwrap(), state);
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
            let leaves = RunState::ALL.into_iter().any(|next| state.may_become(next));
            assert_eq!(leaves, !state.is_final());
        }
    }

    #[test]
    fn devices_parse() {
        assert_eq!("cuda:2".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(2));
        assert!("gpu".parse::<DeviceChoice>().is_err());
        assert_eq!(DeviceChoice::Cuda(0).to_string(), "cuda");
    }
}
