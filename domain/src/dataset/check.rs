//! What looking a data set over has found: the report that the command line prints, the API sends and a
//! page shows.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{event::LeftOut, task::Task};

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
    pub task: Task,
    pub train: usize,
    pub val: usize,
    pub test: usize,
    /// Why the task cannot run; none where it can.
    pub problem: Option<String>,
    /// Cases that it leaves out, with the reason.
    pub left_out: Vec<LeftOut>,
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
    /// Patients by split: train, val, test.
    pub split_patients: [usize; 3],
    pub tasks: Vec<TaskUse>,
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether nothing was found that would make results wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|f| f.severity != Severity::Error)
    }

    /// Notes a finding, of a case or of the whole set.
    pub fn find(&mut self, severity: Severity, case_id: Option<&str>, message: String) {
        self.findings.push(Finding { severity, case_id: case_id.map(str::to_owned), message });
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |map: &BTreeMap<String, usize>| {
            map.iter().map(|(k, n)| format!("{k} ({n})")).collect::<Vec<_>>().join(", ")
        };
        let kind = if self.synthetic { " (synthetic)" } else { "" };
        writeln!(f, "{}{kind}: {}", self.name, self.source)?;
        let [train, val, test] = self.split_patients;
        writeln!(
            f,
            "  {} cases of {} patients (train {train}, val {val}, test {test})",
            self.cases, self.patients
        )?;
        writeln!(f, "  channels: {}", counted(&self.channels))?;
        writeln!(f, "  shapes: {}", counted(&self.shapes))?;
        writeln!(f, "  voxel sizes in mm: {}", counted(&self.spacings_mm))?;
        for (mask, values) in &self.labels {
            let values = values.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            writeln!(f, "  values of {mask}: {values}")?;
        }
        for task in &self.tasks {
            writeln!(
                f,
                "  {}: {} train, {} val, {} test cases",
                task.task.label(),
                task.train,
                task.val,
                task.test
            )?;
            if let Some(problem) = &task.problem {
                writeln!(f, "    cannot run: {problem}")?;
            }
            for left in &task.left_out {
                writeln!(f, "    without {}: {}", left.case_id, left.reason)?;
            }
        }
        for case in &self.refused {
            writeln!(f, "  refused {}: {}", case.case_id, case.reason)?;
        }
        for finding in &self.findings {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            match &finding.case_id {
                Some(case) => writeln!(f, "  {severity}: case {case}: {}", finding.message)?,
                None => writeln!(f, "  {severity}: {}", finding.message)?,
            }
        }
        if self.findings.is_empty() {
            writeln!(f, "  nothing wrong was found")?;
        }
        Ok(())
    }
}
