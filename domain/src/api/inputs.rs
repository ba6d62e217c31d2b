//! What runs can start from: backbones, data sets, tasks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LossPoint;
use crate::{Direction, Task, backbone::Backbone, dataset::DatasetManifest, report::LoadReport};

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

impl AsRef<Backbone> for BackboneView {
    fn as_ref(&self) -> &Backbone {
        &self.backbone
    }
}

/// A backbone with what stands on its card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackboneDetail {
    #[serde(flatten)]
    pub view: BackboneView,
    /// Which tensors of the added file were used.
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
    pub loss_curve: Vec<LossPoint>,
    /// Results on held-out patients: metric, without split, to value.
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
    pub direction: Direction,
    pub unit: String,
    pub metrics: Vec<String>,
    pub baselines: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskList {
    pub tasks: Vec<TaskView>,
}
