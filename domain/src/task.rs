//! What a run is trained for: the downstream tasks, and pre-training.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::metric::{MetricKind, Split};

/// What a run is trained for. Later tasks are added as variants; nothing matches on it with a
/// wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// t2w, hbv, adc -> gland zones (or the whole gland, where a data set has no zones).
    Segmentation,
    /// t2w with its in-plane k-space truncated by 2 -> full resolution.
    SuperResolution,
    /// No downstream task: the run makes a backbone ([`crate::pretraining`]). Not in [`Task::ALL`],
    /// never ranked, and no experiment's axis.
    Pretraining,
}

/// What kind of output a task's head gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A class for every voxel.
    Classes,
    /// An image of the input's geometry.
    Image,
}

impl Task {
    /// All downstream tasks, in the order in which pages list them.
    pub const ALL: [Task; 2] = [Task::Segmentation, Task::SuperResolution];

    /// The name in JSON, URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Task::Segmentation => "segmentation",
            Task::SuperResolution => "super-resolution",
            Task::Pretraining => "pretraining",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            Task::Segmentation => "Gland segmentation",
            Task::SuperResolution => "Super-resolution",
            Task::Pretraining => "Pre-training",
        }
    }

    /// One line that says what goes in and what comes out.
    pub fn help(self) -> &'static str {
        match self {
            Task::Segmentation => {
                "T2-weighted, high-b and ADC images in; peripheral and transition zone out. Scored by mean Dice."
            }
            Task::SuperResolution => {
                "T2-weighted image with half of its in-plane k-space in; full resolution out. Scored by PSNR."
            }
            Task::Pretraining => {
                "All images in; general features out, learnt by an objective of its own. Scored by its validation loss."
            }
        }
    }

    /// The metric that ranks runs of this task.
    pub fn primary_metric(self) -> MetricKind {
        match self {
            Task::Segmentation => MetricKind::Dice,
            Task::SuperResolution => MetricKind::PsnrDb,
            Task::Pretraining => MetricKind::Loss,
        }
    }

    /// All metrics that a run of this task reports, the primary one first.
    pub fn metrics(self) -> &'static [MetricKind] {
        match self {
            Task::Segmentation => &[MetricKind::Dice],
            Task::SuperResolution => &[MetricKind::PsnrDb, MetricKind::Ssim, MetricKind::Nmse],
            Task::Pretraining => &[MetricKind::Loss, MetricKind::MaskedError, MetricKind::Dice],
        }
    }

    /// Names of the trivial methods whose scores stand beside every result of this task, as
    /// used in metric names (`test/psnr_db@zero-filled`).
    pub fn baselines(self) -> &'static [&'static str] {
        match self {
            Task::Segmentation => &[],
            Task::SuperResolution => &["zero-filled", "bicubic"],
            Task::Pretraining => &["visible-mean", "random-weights"],
        }
    }

    /// The split that a run's result is of: patients that were never looked at, and for pre-training,
    /// which has none to spare, those that validated it.
    pub fn result_split(self) -> Split {
        match self {
            Task::Segmentation | Task::SuperResolution => Split::Test,
            Task::Pretraining => Split::Val,
        }
    }

    /// What the task's head gives; none for pre-training, whose head is thrown away.
    pub fn output(self) -> Option<Output> {
        match self {
            Task::Segmentation => Some(Output::Classes),
            Task::SuperResolution => Some(Output::Image),
            Task::Pretraining => None,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Task {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Task::ALL.into_iter().chain([Task::Pretraining]);
        all.find(|t| t.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Task::ALL.iter().map(|t| t.as_str()).collect();
            format!("unknown task {text:?}: use one of {}", known.join(", "))
        })
    }
}
