//! Whether a task was learnt at all: what networks gain over each other on one that was not is noise.

use transferscope_domain::{Direction, Task};

use super::{ArmSummary, Cell};

/// The tasks on which no arm of any network is better than the best trivial method with its whole 95 % interval.
/// Where nothing has an interval yet, or there is no trivial method, nothing is said.
pub fn unlearnt(cells: &[Cell], specialists: &[ArmSummary]) -> Vec<Task> {
    let mut known: Vec<(Task, bool)> = Vec::new();
    for arm in cells.iter().flat_map(|c| &c.arms).chain(specialists) {
        let Some(better) = beats_trivial(arm) else { continue };
        match known.iter_mut().find(|(task, _)| *task == arm.task) {
            Some((_, learnt)) => *learnt |= better,
            None => known.push((arm.task, better)),
        }
    }
    known.into_iter().filter(|(_, learnt)| !learnt).map(|(task, _)| task).collect()
}

fn beats_trivial(arm: &ArmSummary) -> Option<bool> {
    let (interval, (_, trivial)) = (arm.interval?, arm.baseline.as_ref()?);
    Some(match arm.task.primary_metric().direction() {
        Direction::Higher => interval.low > *trivial,
        Direction::Lower => interval.high < *trivial,
    })
}
