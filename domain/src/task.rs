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
    /// t2w, hbv, adc -> gland zones (or the whole gland, where a data set has no zones), or lesions.
    Segmentation,
    /// t2w, hbv, adc -> whether the patient has clinically significant cancer.
    Classification,
    /// t2w, hbv and adc bent by the field's inhomogeneity -> hbv as it should be.
    DistortionCorrection,
    /// t2w with its in-plane k-space truncated, or of thick slices -> full resolution.
    SuperResolution,
    /// t2w, adc -> hbv.
    ModalityTranslation,
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
    /// A class for the whole volume.
    Label,
}

impl Task {
    /// All downstream tasks, in the order in which pages list them.
    pub const ALL: [Task; 5] = [
        Task::Segmentation,
        Task::Classification,
        Task::DistortionCorrection,
        Task::SuperResolution,
        Task::ModalityTranslation,
    ];

    /// The name in JSON, URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Task::Segmentation => "segmentation",
            Task::Classification => "classification",
            Task::DistortionCorrection => "distortion-correction",
            Task::SuperResolution => "super-resolution",
            Task::ModalityTranslation => "modality-translation",
            Task::Pretraining => "pretraining",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            Task::Segmentation => "Gland segmentation",
            Task::Classification => "Cancer classification",
            Task::DistortionCorrection => "Distortion correction",
            Task::SuperResolution => "Super-resolution",
            Task::ModalityTranslation => "Modality translation",
            Task::Pretraining => "Pre-training",
        }
    }

    /// One line that says what goes in and what comes out.
    pub fn help(self) -> &'static str {
        match self {
            Task::Segmentation => {
                "T2-weighted, high-b and ADC images in; peripheral and transition zone out. Scored by mean Dice."
            }
            Task::Classification => {
                "T2-weighted, high-b and ADC images in; clinically significant cancer, yes or no, out. Scored by AUROC."
            }
            Task::DistortionCorrection => {
                "High-b and ADC images distorted by an inhomogeneous field, and an undistorted T2-weighted one, in; undistorted high-b image out. Scored by SSIM around the gland."
            }
            Task::SuperResolution => {
                "T2-weighted image of reduced resolution in; full resolution out. Scored by PSNR."
            }
            Task::ModalityTranslation => "T2-weighted and ADC images in; high-b image out. Scored by SSIM.",
            Task::Pretraining => {
                "All images in; general features out, trained by a pre-training objective. Scored by its validation loss."
            }
        }
    }

    /// Images that go in, in the order of the network's channels.
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Task::Segmentation | Task::Classification | Task::DistortionCorrection | Task::Pretraining => {
                &["t2w", "hbv", "adc"]
            }
            Task::SuperResolution => &["t2w"],
            Task::ModalityTranslation => &["t2w", "adc"],
        }
    }

    /// Images that a case must have: what goes in and what should come out.
    pub fn images(self) -> &'static [&'static str] {
        match self {
            Task::ModalityTranslation => &["t2w", "adc", "hbv"],
            other => other.inputs(),
        }
    }

    /// The metric that ranks runs of this task.
    pub fn primary_metric(self) -> MetricKind {
        match self {
            Task::Segmentation => MetricKind::Dice,
            Task::Classification => MetricKind::Auroc,
            Task::SuperResolution => MetricKind::PsnrDb,
            Task::DistortionCorrection | Task::ModalityTranslation => MetricKind::Ssim,
            Task::Pretraining => MetricKind::Loss,
        }
    }

    /// The score of a single case that pages compare: the primary metric, or where that is of many cases
    /// together, what a case adds to it.
    pub fn case_metric(self) -> MetricKind {
        match self {
            Task::Classification => MetricKind::LogLoss,
            other => other.primary_metric(),
        }
    }

    /// All metrics that a run of this task reports, the primary one first.
    pub fn metrics(self) -> &'static [MetricKind] {
        match self {
            Task::Segmentation => &[MetricKind::Dice, MetricKind::Hd95Mm, MetricKind::AssdMm],
            Task::Classification => &[
                MetricKind::Auroc,
                MetricKind::AveragePrecision,
                MetricKind::BalancedAccuracy,
                MetricKind::SensitivityAt80,
                MetricKind::SensitivityAt90,
                MetricKind::Kappa,
                MetricKind::LogLoss,
            ],
            Task::DistortionCorrection | Task::ModalityTranslation => {
                &[MetricKind::Ssim, MetricKind::PsnrDb, MetricKind::Nmse, MetricKind::Mae]
            }
            Task::SuperResolution => {
                &[MetricKind::PsnrDb, MetricKind::Ssim, MetricKind::Nmse, MetricKind::Mae]
            }
            Task::Pretraining => &[MetricKind::Loss, MetricKind::MaskedError, MetricKind::Dice],
        }
    }

    /// Names of the simple baselines whose scores stand beside every result of this task, as
    /// used in metric names (`test/psnr_db@zero-filled`). A run has those that fit its input.
    pub fn baselines(self) -> &'static [&'static str] {
        match self {
            Task::Segmentation => &["mean-shape"],
            Task::Classification => &["prevalence"],
            Task::DistortionCorrection => &["identity"],
            Task::SuperResolution => &["zero-filled", "bicubic", "trilinear", "repeated"],
            Task::ModalityTranslation => &["mean-image"],
            Task::Pretraining => &["visible-mean", "random-weights"],
        }
    }

    /// The split that a run's result is of: patients that were never looked at, and for pre-training,
    /// which has none to spare, those that validated it.
    pub fn result_split(self) -> Split {
        match self {
            Task::Segmentation
            | Task::Classification
            | Task::DistortionCorrection
            | Task::SuperResolution
            | Task::ModalityTranslation => Split::Test,
            Task::Pretraining => Split::Val,
        }
    }

    /// What the task's head gives; none for pre-training, whose head is thrown away.
    pub fn output(self) -> Option<Output> {
        match self {
            Task::Segmentation => Some(Output::Classes),
            Task::Classification => Some(Output::Label),
            Task::DistortionCorrection | Task::SuperResolution | Task::ModalityTranslation => {
                Some(Output::Image)
            }
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
