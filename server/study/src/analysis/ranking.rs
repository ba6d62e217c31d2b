//! Networks ranked over tasks: who is better throughout, whatever a task is measured by.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use transferscope_domain::{Adaptation, Arm, Task};

use super::{ArmSummary, Cell};
use crate::statistics::{friedman, nemenyi_critical_difference};

/// Error that the critical difference allows.
const ALPHA: f64 = 0.05;

/// A network that was ranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ranked {
    pub backbone: String,
    pub arm: Arm,
    pub adaptation: Adaptation,
    pub label_share: f64,
    /// Mean over tasks of its rank by the mean over seeds; 1 is best.
    pub mean_rank: f64,
}

/// All networks over the tasks that all of them have results of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ranking {
    pub tasks: Vec<Task>,
    /// Best first.
    pub networks: Vec<Ranked>,
    /// Of Friedman's test, corrected for ties: whether the ranks differ at all.
    pub p: f64,
    /// The least difference of mean ranks that Nemenyi's test tells apart at 5 %.
    pub critical_difference: Option<f64>,
}

/// The ranking; none for fewer than two tasks that all networks have a result of, or fewer than three networks.
///
/// # Source
/// Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (2006).
pub fn ranking(cells: &[Cell], specialists: &[ArmSummary]) -> Option<Ranking> {
    let mut networks: Vec<(Ranked, Vec<(Task, f64)>)> = Vec::new();
    let mut add = |backbone: &str, adaptation, label_share, arm: &ArmSummary| {
        let Some(mean) = arm.mean else { return };
        // Higher is better for all of them.
        let value = arm.task.primary_metric().direction().sign() * mean;
        let same = |r: &Ranked| {
            r.backbone == backbone
                && (r.arm, r.adaptation) == (arm.arm, adaptation)
                && r.label_share == label_share
        };
        match networks.iter_mut().find(|(r, _)| same(r)) {
            Some((_, values)) => values.push((arm.task, value)),
            None => {
                let backbone = backbone.to_owned();
                let ranked = Ranked { backbone, arm: arm.arm, adaptation, label_share, mean_rank: 0.0 };
                networks.push((ranked, vec![(arm.task, value)]));
            }
        }
    };
    for cell in cells {
        for arm in &cell.arms {
            add(&cell.key.backbone, cell.key.adaptation, cell.key.label_share, arm);
        }
    }
    for specialist in specialists {
        add(&specialist.backbone, Adaptation::Full, specialist.label_share, specialist);
    }
    let value = |values: &[(Task, f64)], task| values.iter().find(|(t, _)| *t == task).map(|(_, v)| *v);
    let row = |task| networks.iter().map(|(_, values)| value(values, task)).collect::<Option<Vec<f64>>>();
    let occurring: BTreeSet<Task> =
        networks.iter().flat_map(|(_, values)| values).map(|(task, _)| *task).collect();
    let (tasks, scores): (Vec<Task>, Vec<Vec<f64>>) =
        occurring.into_iter().filter_map(|task| Some((task, row(task)?))).unzip();
    let test = friedman(&scores, true)?;
    let critical_difference = nemenyi_critical_difference(networks.len(), tasks.len(), ALPHA);
    let mut networks: Vec<Ranked> = networks
        .into_iter()
        .zip(&test.average_ranks)
        .map(|((ranked, _), rank)| Ranked { mean_rank: *rank, ..ranked })
        .collect();
    networks.sort_by(|a, b| a.mean_rank.total_cmp(&b.mean_rank));
    Some(Ranking { tasks, networks, p: test.p, critical_difference })
}
