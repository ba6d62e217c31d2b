//! Prediction before training: what frozen features of backbones say of a task.

use serde::{Deserialize, Serialize};

use crate::Task;

/// Version of the file written now. Scores of version 1 were made without an intercept and with the plain H-score, and
/// version 2 had neither LEEP nor NCE; they are made again.
pub const PREDICTION_SCHEMA: u32 = 3;

/// Scores of backbones on one task and data set, by their frozen features alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Prediction {
    pub schema: u32,
    pub task: Task,
    pub dataset: String,
    pub dataset_hash: String,
    pub split_hash: String,
    /// What the features were asked to tell, in words.
    pub target: String,
    /// Training cases that were looked at.
    pub cases: u32,
    pub computed_ms: i64,
    pub backbones: Vec<BackboneScores>,
}

/// What one backbone's features are worth for the task; higher is better in every score, and a score that
/// does not exist for the task's kind of target is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackboneScores {
    pub backbone: String,
    /// Hash of its checkpoint; none for random weights, the control.
    pub checkpoint_hash: Option<String>,
    /// Whose features: the encoder's last layer.
    pub layer: String,
    /// Rows of features.
    pub rows: u32,
    pub parameters: u64,
    /// Evidence of a linear model with an intercept.
    pub logme: Option<f64>,
    /// With the shrunk covariance.
    pub h_score: Option<f64>,
    /// With clusters of the features as source classes (N-LEEP); of classes only.
    #[serde(default)]
    pub leep: Option<f64>,
    /// With the same clusters; of classes only.
    #[serde(default)]
    pub nce: Option<f64>,
    pub knn: Option<f64>,
    pub linear_probe: Option<f64>,
    pub seconds: f64,
}
