//! What a data set check says: what the set holds, what is wrong with it, and what each task can use.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::contents::CSPCA;
use crate::{
    dataset::{DatasetManifest, Folds, LeftOut, Wish},
    metric::Split,
    name::Name,
    task::{Task, TaskKind},
};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Results would be wrong or runs would fail.
    Error,
    /// Worth a look.
    Warning,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    pub severity: Severity,
    /// The case it is about; none where it is about the whole set.
    pub case_id: Option<String>,
    pub message: String,
}

/// How many cases a task can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskUse {
    pub task: TaskKind,
    /// The mask, label or image that is to come out; none where the data set has nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
    /// Whether it is what the kind of task is of where nothing else is said.
    #[serde(default)]
    pub default: bool,
    /// Images that go in.
    #[serde(default)]
    pub inputs: Vec<Name>,
    pub train: usize,
    pub val: usize,
    pub test: usize,
    /// Why the task cannot run; none where it can.
    pub problem: Option<String>,
    /// What of its results will be undefined; none where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Cases that it leaves out, with the reason.
    pub left_out: Vec<LeftOut>,
}

impl TaskUse {
    /// The task as it is asked for.
    pub fn named(&self) -> Task {
        Task { kind: self.task, target: self.target }
    }

    /// The same in the fewest words: a default target goes without saying.
    pub fn short(&self) -> Task {
        Task { kind: self.task, target: self.target.filter(|_| !self.default) }
    }

    fn of(manifest: &DatasetManifest, task: Task) -> Self {
        let default = manifest.target(task.kind) == task.target;
        match manifest.aim(task, Wish::default()) {
            Ok(aim) => Self {
                task: task.kind,
                target: task.target,
                default,
                train: manifest.usable(&aim, Split::Train).len(),
                val: manifest.usable(&aim, Split::Val).len(),
                test: manifest.usable(&aim, Split::Test).len(),
                problem: manifest.aim_problem(&aim),
                note: manifest.unmeasured(&aim),
                left_out: manifest.left_out(&aim),
                inputs: aim.inputs,
            },
            Err(problem) => Self {
                task: task.kind,
                target: task.target,
                default,
                inputs: Vec::new(),
                train: 0,
                val: 0,
                test: 0,
                problem: Some(problem),
                note: None,
                left_out: Vec::new(),
            },
        }
    }
}

impl DatasetManifest {
    /// What every task can use of it: of each kind every target, the default first; a kind of which it has nothing once,
    /// with the reason.
    pub fn uses(&self) -> Vec<TaskUse> {
        let mut tasks = self.tasks();
        for kind in TaskKind::ALL {
            if tasks.iter().all(|task| *task != kind) {
                tasks.push(kind.into());
            }
        }
        tasks.sort_by_key(|task| task.kind);
        tasks.into_iter().map(|task| TaskUse::of(self, task)).collect()
    }
}

/// Cases of a split by what is known of clinically significant cancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CancerCounts {
    pub yes: usize,
    pub no: usize,
    pub unknown: usize,
}

/// What a data set holds and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckReport {
    pub name: String,
    pub source: String,
    pub synthetic: bool,
    pub cases: usize,
    pub patients: usize,
    /// Cases that were refused when the set was added.
    pub refused: Vec<LeftOut>,
    /// Cases by channel.
    pub channels: BTreeMap<String, usize>,
    /// Cases by shape, as `DxHxW`.
    pub shapes: BTreeMap<String, usize>,
    /// Cases by voxel size in mm, as `D x H x W`.
    pub spacings_mm: BTreeMap<String, usize>,
    /// Values that occur in each mask.
    pub labels: BTreeMap<String, Vec<u32>>,
    /// Cases by mask and by who made it, where that is known.
    pub mask_sources: BTreeMap<String, BTreeMap<String, usize>>,
    /// Cases by what told their patient, where that is known.
    #[serde(default)]
    pub patient_sources: BTreeMap<String, usize>,
    /// Patients by split: train, val, test.
    pub split_patients: [usize; 3],
    /// Clinically significant cancer by split: train, val, test.
    pub cspca: [CancerCounts; 3],
    /// Cases by label, split (train, val, test) and class.
    #[serde(default)]
    pub label_cases: BTreeMap<Name, [BTreeMap<String, usize>; 3]>,
    pub split_hash: String,
    /// The round of a cross-validation that the splits are; none for a single split.
    pub folds: Option<Folds>,
    pub tasks: Vec<TaskUse>,
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether nothing was found that would make results wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|f| f.severity != Severity::Error)
    }

    /// Adds a finding.
    pub fn find(&mut self, severity: Severity, case_id: Option<&str>, message: String) {
        self.findings.push(Finding { severity, case_id: case_id.map(str::to_owned), message });
    }
}

/// The report as lines of text.
impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |map: &BTreeMap<String, usize>| {
            map.iter().map(|(k, n)| format!("{k} ({n})")).collect::<Vec<_>>().join(", ")
        };
        let kind = if self.synthetic { "synthetic" } else { "real" };
        writeln!(f, "data set {} ({kind}; {})", self.name, self.source)?;
        let [train, val, test] = self.split_patients;
        writeln!(
            f,
            "{} cases of {} patients (patients: train {train}, val {val}, test {test})",
            self.cases, self.patients
        )?;
        if !self.patient_sources.is_empty() {
            writeln!(f, "patients from: {}", counted(&self.patient_sources))?;
        }
        if let Some(Folds { count, test }) = self.folds {
            writeln!(f, "fold {test} of {count} is the test set")?;
        }
        writeln!(f, "split {}", self.split_hash)?;
        writeln!(f, "channels: {}", counted(&self.channels))?;
        writeln!(f, "shapes: {}", counted(&self.shapes))?;
        writeln!(f, "voxel sizes in mm: {}", counted(&self.spacings_mm))?;
        for (mask, values) in &self.labels {
            let values = values.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            writeln!(f, "values of {mask}: {values}")?;
        }
        for (mask, sources) in &self.mask_sources {
            writeln!(f, "{mask} masks from: {}", counted(sources))?;
        }
        for (split, counts) in Split::ALL.into_iter().zip(self.cspca) {
            let CancerCounts { yes, no, unknown } = counts;
            if yes + no > 0 {
                writeln!(
                    f,
                    "clinically significant cancer in {split}: {yes} yes, {no} no, {unknown} unknown"
                )?;
            }
        }
        for (label, by_split) in self.label_cases.iter().filter(|(label, _)| **label != CSPCA) {
            for (split, classes) in Split::ALL.into_iter().zip(by_split) {
                writeln!(f, "{label} in {split}: {}", counted(classes))?;
            }
        }
        for used in &self.tasks {
            let TaskUse { train, val, test, problem, note, left_out, .. } = used;
            let task = used.named();
            match problem {
                None => writeln!(f, "{task}: {train} train, {val} val, {test} test cases")?,
                Some(problem) => writeln!(f, "{task}: cannot run: {problem}")?,
            }
            if let Some(note) = note {
                writeln!(f, "  {note}")?;
            }
            for left in left_out {
                writeln!(f, "  without {}: {}", left.case_id, left.reason)?;
            }
        }
        for case in &self.refused {
            writeln!(f, "refused when added: {}: {}", case.case_id, case.reason)?;
        }
        for Finding { severity, case_id, message } in &self.findings {
            let word = match severity {
                Severity::Error => "ERROR",
                Severity::Warning => "note",
            };
            let place = case_id.as_deref().map(|id| format!("{id}: ")).unwrap_or_default();
            writeln!(f, "{word}: {place}{message}")?;
        }
        if self.findings.is_empty() {
            writeln!(f, "nothing wrong was found")?;
        }
        Ok(())
    }
}
