//! What of an experiment's plan is done, and what is still to be queued.

use transferscope_domain::{RunState, experiment::PlannedRun, study::RunRecord};

/// Whether a record is of a planned run.
pub fn is_of(record: &RunRecord, planned: &PlannedRun) -> bool {
    let PlannedRun { backbone, task, arm, seed, variant } = planned;
    (&record.backbone, record.task, record.arm, record.seed, record.variant())
        == (backbone, *task, *arm, *seed, *variant)
}

/// The planned runs that neither have a result nor are on their way to one.
pub fn missing<'a>(planned: &'a [PlannedRun], records: &[RunRecord]) -> Vec<&'a PlannedRun> {
    let there = |state: RunState| !matches!(state, RunState::Failed | RunState::Stopped);
    planned.iter().filter(|p| !records.iter().any(|r| is_of(r, p) && there(r.state))).collect()
}
