//! Whether a task was learnt at all: what networks gain over each other on one that was not is noise.

use transferscope_domain::Task;

use super::{ArmSummary, Cell};

/// The tasks on which no arm of any network is better than the best simple baseline on the same cases with the whole
/// 95 % interval of the difference. Where nothing has an interval yet, or there is no simple baseline, nothing is said.
pub fn unlearnt(cells: &[Cell], specialists: &[ArmSummary]) -> Vec<Task> {
    let mut known: Vec<(Task, bool)> = Vec::new();
    for arm in cells.iter().flat_map(|c| &c.arms).chain(specialists) {
        let Some(better) = arm.over_trivial.map(|i| i.low > 0.0) else { continue };
        match known.iter_mut().find(|(task, _)| *task == arm.task) {
            Some((_, learnt)) => *learnt |= better,
            None => known.push((arm.task, better)),
        }
    }
    known.into_iter().filter(|(_, learnt)| !learnt).map(|(task, _)| task).collect()
}
