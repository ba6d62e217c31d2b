//! What a run is trained for: the downstream tasks, of what in a data set, and pre-training.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    metric::{MetricKind, Split},
    name::Name,
};

/// Which kind of task. Later ones are added as variants; nothing matches on it with a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Images -> the classes of a mask.
    Segmentation,
    /// Images -> a label of the whole case.
    Classification,
    /// Images of which those read out echo-planar are bent by the field's inhomogeneity -> one of these as it should be.
    DistortionCorrection,
    /// An image with its in-plane k-space truncated, or of thick slices -> full resolution.
    SuperResolution,
    /// Images -> another image.
    ModalityTranslation,
    /// No downstream task: the run makes a backbone ([`crate::pretraining`]). Not in [`TaskKind::ALL`],
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

impl TaskKind {
    /// All downstream tasks, in the order in which pages list them.
    pub const ALL: [TaskKind; 5] = [
        TaskKind::Segmentation,
        TaskKind::Classification,
        TaskKind::DistortionCorrection,
        TaskKind::SuperResolution,
        TaskKind::ModalityTranslation,
    ];

    /// The name in JSON, URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskKind::Segmentation => "segmentation",
            TaskKind::Classification => "classification",
            TaskKind::DistortionCorrection => "distortion-correction",
            TaskKind::SuperResolution => "super-resolution",
            TaskKind::ModalityTranslation => "modality-translation",
            TaskKind::Pretraining => "pretraining",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            TaskKind::Segmentation => "Segmentation",
            TaskKind::Classification => "Classification",
            TaskKind::DistortionCorrection => "Distortion correction",
            TaskKind::SuperResolution => "Super-resolution",
            TaskKind::ModalityTranslation => "Modality translation",
            TaskKind::Pretraining => "Pre-training",
        }
    }

    /// One line that says what goes in and what comes out.
    pub fn help(self) -> &'static str {
        match self {
            TaskKind::Segmentation => "Images in; the classes of a mask out. Scored by mean Dice.",
            TaskKind::Classification => "Images in; a label of the whole case out. Scored by AUROC.",
            TaskKind::DistortionCorrection => {
                "Echo-planar images distorted by an inhomogeneous field, and the undistorted others, in; one of them undistorted out. Scored by SSIM around what the masks show."
            }
            TaskKind::SuperResolution => {
                "One image of reduced resolution in; full resolution out. Scored by PSNR."
            }
            TaskKind::ModalityTranslation => "Images in; another image out. Scored by SSIM.",
            TaskKind::Pretraining => {
                "All images in; general features out, trained by a pre-training objective. Scored by its validation loss."
            }
        }
    }

    /// The metric that ranks runs of this task.
    pub fn primary_metric(self) -> MetricKind {
        match self {
            TaskKind::Segmentation => MetricKind::Dice,
            TaskKind::Classification => MetricKind::Auroc,
            TaskKind::SuperResolution => MetricKind::PsnrDb,
            TaskKind::DistortionCorrection | TaskKind::ModalityTranslation => MetricKind::Ssim,
            TaskKind::Pretraining => MetricKind::Loss,
        }
    }

    /// The score of a single case that pages compare: the primary metric, or where that is of many cases
    /// together, what a case adds to it.
    pub fn case_metric(self) -> MetricKind {
        match self {
            TaskKind::Classification => MetricKind::LogLoss,
            other => other.primary_metric(),
        }
    }

    /// All metrics that a run of this task reports, the primary one first.
    pub fn metrics(self) -> &'static [MetricKind] {
        match self {
            TaskKind::Segmentation => &[MetricKind::Dice, MetricKind::Hd95Mm, MetricKind::AssdMm],
            TaskKind::Classification => &[
                MetricKind::Auroc,
                MetricKind::AveragePrecision,
                MetricKind::BalancedAccuracy,
                MetricKind::SensitivityAt80,
                MetricKind::SensitivityAt90,
                MetricKind::Kappa,
                MetricKind::LogLoss,
            ],
            TaskKind::DistortionCorrection | TaskKind::ModalityTranslation => {
                &[MetricKind::Ssim, MetricKind::PsnrDb, MetricKind::Nmse, MetricKind::Mae]
            }
            TaskKind::SuperResolution => {
                &[MetricKind::PsnrDb, MetricKind::Ssim, MetricKind::Nmse, MetricKind::Mae]
            }
            TaskKind::Pretraining => &[MetricKind::Loss, MetricKind::MaskedError, MetricKind::Dice],
        }
    }

    /// Names of the simple baselines whose scores stand beside every result of this task, as
    /// used in metric names (`test/psnr_db@zero-filled`). A run has those that fit its input.
    pub fn baselines(self) -> &'static [&'static str] {
        match self {
            TaskKind::Segmentation => &["mean-shape"],
            TaskKind::Classification => &["prevalence"],
            TaskKind::DistortionCorrection => &["identity"],
            TaskKind::SuperResolution => &["zero-filled", "bicubic", "trilinear", "repeated"],
            TaskKind::ModalityTranslation => &["mean-image"],
            TaskKind::Pretraining => &["visible-mean", "random-weights"],
        }
    }

    /// The split that a run's result is of: patients that were never looked at, and for pre-training,
    /// which has none to spare, those that validated it.
    pub fn result_split(self) -> Split {
        match self {
            TaskKind::Segmentation
            | TaskKind::Classification
            | TaskKind::DistortionCorrection
            | TaskKind::SuperResolution
            | TaskKind::ModalityTranslation => Split::Test,
            TaskKind::Pretraining => Split::Val,
        }
    }

    /// What the task's head gives; none for pre-training, whose head is thrown away.
    pub fn output(self) -> Option<Output> {
        match self {
            TaskKind::Segmentation => Some(Output::Classes),
            TaskKind::Classification => Some(Output::Label),
            TaskKind::DistortionCorrection | TaskKind::SuperResolution | TaskKind::ModalityTranslation => {
                Some(Output::Image)
            }
            TaskKind::Pretraining => None,
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = TaskKind::ALL.into_iter().chain([TaskKind::Pretraining]);
        all.find(|t| t.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = TaskKind::ALL.iter().map(|t| t.as_str()).collect();
            format!("unknown task {text:?}: use one of {}", known.join(", "))
        })
    }
}

/// A task as it is asked for and written everywhere: its kind, and of what: `segmentation:lesion`. Without a target it is
/// the data set's default ([`crate::dataset::DatasetManifest::target`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Task {
    pub kind: TaskKind,
    /// The mask, label or image that is to come out.
    pub target: Option<Name>,
}

impl Task {
    /// The same kind of this target.
    pub fn of(kind: TaskKind, target: Name) -> Self {
        Self { kind, target: Some(target) }
    }

    /// The name on pages.
    pub fn label(self) -> String {
        match (self.kind, self.target) {
            (kind, None) => kind.label().to_owned(),
            (kind, Some(target)) => format!("{} of {target}", kind.label()),
        }
    }

    /// See [`TaskKind::help`].
    pub fn help(self) -> &'static str {
        self.kind.help()
    }

    /// See [`TaskKind::primary_metric`].
    pub fn primary_metric(self) -> MetricKind {
        self.kind.primary_metric()
    }

    /// See [`TaskKind::case_metric`].
    pub fn case_metric(self) -> MetricKind {
        self.kind.case_metric()
    }

    /// See [`TaskKind::metrics`].
    pub fn metrics(self) -> &'static [MetricKind] {
        self.kind.metrics()
    }

    /// See [`TaskKind::baselines`].
    pub fn baselines(self) -> &'static [&'static str] {
        self.kind.baselines()
    }

    /// See [`TaskKind::result_split`].
    pub fn result_split(self) -> Split {
        self.kind.result_split()
    }

    /// See [`TaskKind::output`].
    pub fn output(self) -> Option<Output> {
        self.kind.output()
    }
}

impl From<TaskKind> for Task {
    fn from(kind: TaskKind) -> Self {
        Self { kind, target: None }
    }
}

impl PartialEq<TaskKind> for Task {
    /// Whether it is of this kind, whatever its target.
    fn eq(&self, kind: &TaskKind) -> bool {
        self.kind == *kind
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            None => f.pad(self.kind.as_str()),
            Some(target) => f.pad(&format!("{}:{target}", self.kind)),
        }
    }
}

impl FromStr for Task {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((kind, target)) = text.split_once(':') else {
            return text.parse::<TaskKind>().map(Task::from);
        };
        let kind: TaskKind = kind.parse()?;
        if kind == TaskKind::Pretraining {
            return Err(format!("{text:?}: pre-training has no target"));
        }
        Ok(Self::of(kind, target.parse()?))
    }
}

impl TryFrom<String> for Task {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Task> for String {
    fn from(task: Task) -> String {
        task.to_string()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Task {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let kinds = TaskKind::ALL.map(TaskKind::as_str).join(", ");
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some(format!(
                "A kind of task ({kinds}, pretraining), or with its target: the mask, label or image of the data set that is to come out, as in segmentation:lesion."
            )))
            .examples(["segmentation", "segmentation:lesion"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Task {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_written_as_its_kind_and_its_target() {
        for text in ["segmentation", "segmentation:lesion", "classification:cspca", "pretraining"] {
            let task: Task = text.parse().unwrap();
            assert_eq!(task.to_string(), text);
            assert_eq!(serde_json::from_str::<Task>(&format!("{text:?}")).unwrap(), task);
        }
        for bad in ["", "segment", "segmentation:", "segmentation:A", "pretraining:t2w", "segmentation:a:b"] {
            assert!(bad.parse::<Task>().is_err(), "{bad}");
        }
        let lesion: Task = "segmentation:lesion".parse().unwrap();
        assert!(lesion == TaskKind::Segmentation && lesion != Task::from(TaskKind::Segmentation));
        assert_eq!(lesion.label(), "Segmentation of lesion");
    }
}
