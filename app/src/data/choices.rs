//! What the new-experiment form offers, and how long a plan would take.

use serde::{Deserialize, Serialize};
use transferscope_domain::{
    Arm, Task,
    api::BackboneView,
    dataset::DatasetManifest,
    experiment::{ExperimentSpec, PlannedRun},
    training::TrainingSpec,
};

/// Everything that the form offers, and how long runs took here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    pub backbones: Vec<BackboneView>,
    /// Without the cases' file names and hashes, which the form does not need.
    pub datasets: Vec<DatasetManifest>,
    pub preparing: Option<String>,
    pub timings: Vec<Timing>,
}

/// Measured time of finished runs of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    pub dataset: String,
    /// Of the training cases.
    pub label_share: f64,
    /// Median wall time of a run by its epochs, in seconds.
    pub seconds_per_epoch: f64,
}

/// How long a plan would take, from measured runs alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Runs of the plan.
    pub runs: usize,
    /// Runs of a kind that has finished here before.
    pub measured: usize,
    /// Seconds of those, one after another.
    pub seconds: f64,
}

/// Runs and rough time of `spec`.
pub fn estimate(spec: &ExperimentSpec, timings: &[Timing]) -> Estimate {
    let plan = spec.plan();
    let epochs = f64::from(spec.epochs.unwrap_or(TrainingSpec::DEFAULT_EPOCHS));
    let of = |run: &PlannedRun| {
        timings
            .iter()
            .find(|t| {
                t.backbone == run.backbone
                    && t.task == run.task
                    && t.arm == run.arm
                    && t.dataset == spec.dataset
                    && t.label_share == run.variant.label_share
            })
            .map(|t| t.seconds_per_epoch * epochs)
    };
    let known: Vec<f64> = plan.iter().filter_map(of).collect();
    Estimate { runs: plan.len(), measured: known.len(), seconds: known.iter().sum() }
}

#[cfg(test)]
mod tests {
    use transferscope_domain::TaskKind;

    use super::*;

    #[test]
    fn only_measured_kinds_count_towards_the_time() {
        let mut spec = ExperimentSpec::quick("phantom");
        spec.epochs = Some(4);
        let timing = Timing {
            backbone: "provicnet-mini".into(),
            task: TaskKind::Segmentation.into(),
            arm: Arm::Scratch,
            dataset: "phantom".into(),
            label_share: 1.0,
            seconds_per_epoch: 2.5,
        };
        let e = estimate(&spec, std::slice::from_ref(&timing));
        assert_eq!((e.runs, e.measured, e.seconds), (75, 3, 30.0));
        let other = Timing { dataset: "other".into(), ..timing.clone() };
        assert_eq!(estimate(&spec, &[other]).measured, 0);
        spec.label_shares = vec![0.1, 1.0];
        assert_eq!(estimate(&spec, &[timing]).measured, 3, "a tenth of the cases takes another time");
    }
}
