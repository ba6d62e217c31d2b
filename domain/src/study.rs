//! What an experiment's analysis is made from: its runs with everything that they measured.

use std::collections::BTreeMap;

use crate::{
    Arm, Family, RunId, RunState, Setting, Task, TrainingSpec, alignment::AlignmentValue, dataset::Plan,
    experiment::Variant, run::RunRequest,
};

/// One run of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub id: RunId,
    pub state: RunState,
    pub backbone: String,
    pub family: Family,
    pub task: Task,
    pub arm: Arm,
    pub seed: u64,
    pub training: TrainingSpec,
    /// What must agree before runs may be compared beside their training.
    pub provenance: Provenance,
    /// `(epoch, value)` of the task's primary validation metric; the first point is before training.
    pub curve: Vec<(f64, f64)>,
    /// The task's primary test metric; none until the run has succeeded.
    pub value: Option<f64>,
    /// The best simple baseline on the same cases, and its score.
    pub baseline: Option<(String, f64)>,
    /// Scores of each test case by metric.
    pub cases: BTreeMap<String, BTreeMap<String, f64>>,
    /// The patient of each test case.
    pub patients: BTreeMap<String, String>,
    pub alignment: Vec<AlignmentValue>,
    pub parameters: Option<u64>,
    /// Wall time of its training.
    pub seconds: Option<f64>,
}

/// What a result was made from, beside the settings of its training.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance {
    /// Hashes of the data set and of who trains, validates and tests.
    pub dataset: String,
    pub split: String,
    /// The code's release (`major.minor`: patches change no numbers).
    pub release: String,
    /// How cases were brought to the network.
    pub plan: Option<Plan>,
}

impl From<&RunRequest> for Provenance {
    fn from(request: &RunRequest) -> Self {
        Self {
            dataset: request.dataset_hash.clone(),
            split: request.split_hash.clone(),
            release: request.code_version.splitn(3, '.').take(2).collect::<Vec<_>>().join("."),
            plan: request.plan.clone(),
        }
    }
}

impl RunRecord {
    pub fn variant(&self) -> Variant {
        Variant { adaptation: self.training.adaptation, label_share: self.training.label_share }
    }

    /// Fields in which two runs that are to be compared differ though they should not.
    pub fn differences(&self, other: &RunRecord) -> Vec<&'static str> {
        differences((&self.provenance, &self.training), (&other.provenance, &other.training))
    }
}

/// Fields of provenance and training that must agree before results are set against each other, and do not. Learning
/// rate and batches belong to a network's own recipe, and weights and seeds to what is compared.
pub fn differences(
    one: (&Provenance, &TrainingSpec),
    other: (&Provenance, &TrainingSpec),
) -> Vec<&'static str> {
    let ((from, a), (to, b)) = (one, other);
    let mut fields = Vec::new();
    let mut add = |field, differs: bool| fields.extend(differs.then_some(field));
    add("data set", from.dataset != to.dataset);
    add("split", from.split != to.split);
    add("code version", from.release != to.release);
    add("preprocessing", from.plan != to.plan);
    add("epochs", a.epochs != b.epochs);
    for setting in Setting::ALL {
        if let Some(called) = setting.must_agree {
            add(called, !setting.same(a, b));
        }
    }
    fields
}
