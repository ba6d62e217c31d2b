//! The downstream tasks.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::metric::MetricKind;

/// A downstream task. Later tasks are added as variants; nothing matches on it with a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// t2w, hbv, adc -> gland zones (or the whole gland, where a data set has no zones).
    Segmentation,
    /// t2w with its in-plane k-space truncated by 2 -> full resolution.
    SuperResolution,
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
    /// All tasks, in the order in which pages list them.
    pub const ALL: [Task; 2] = [Task::Segmentation, Task::SuperResolution];

    /// The name in JSON, URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Task::Segmentation => "segmentation",
            Task::SuperResolution => "super-resolution",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            Task::Segmentation => "Gland segmentation",
            Task::SuperResolution => "Super-resolution",
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
        }
    }

    /// The metric that ranks runs of this task.
    pub fn primary_metric(self) -> MetricKind {
        match self {
            Task::Segmentation => MetricKind::Dice,
            Task::SuperResolution => MetricKind::PsnrDb,
        }
    }

    /// All metrics that a run of this task reports, the primary one first.
    pub fn metrics(self) -> &'static [MetricKind] {
        match self {
            Task::Segmentation => &[MetricKind::Dice],
            Task::SuperResolution => &[MetricKind::PsnrDb, MetricKind::Ssim, MetricKind::Nmse],
        }
    }

    /// Names of the trivial methods whose scores stand beside every result of this task, as
    /// used in metric names (`test/psnr_db@zero-filled`).
    pub fn baselines(self) -> &'static [&'static str] {
        match self {
            Task::Segmentation => &[],
            Task::SuperResolution => &["zero-filled", "bicubic"],
        }
    }

    /// What the task's head gives.
    pub fn output(self) -> Output {
        match self {
            Task::Segmentation => Output::Classes,
            Task::SuperResolution => Output::Image,
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
        Task::ALL.into_iter().find(|t| t.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Task::ALL.iter().map(|t| t.as_str()).collect();
            format!("unknown task {text:?}: use one of {}", known.join(", "))
        })
    }
}
