//! How much of a task's result is the encoder's: a frozen pre-trained encoder against the same head on a frozen
//! random one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use transferscope_domain::{Adaptation, Arm, RunState, Task, Unsure, study::RunRecord};

use super::{
    Cell, Input, cells,
    gain::{self, relative},
    scores::CaseTable,
};
use crate::statistics::{Estimate, crossed, mean};

/// The gain of frozen pre-trained encoders over frozen random ones on a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EncoderShare {
    pub task: Task,
    /// How encoders were frozen: with the task's head, or with one linear layer.
    pub adaptation: Adaptation,
    pub label_share: f64,
    pub backbones: Vec<String>,
    /// Seeds that all of these backbones have pairs of.
    pub seeds: usize,
    /// Mean over the backbones in the metric's unit, above 0 where pre-trained encoders are better, from the crossed
    /// layout of seeds and test patients.
    pub difference: Estimate,
    /// Mean over backbones and seeds, in percent of the random encoders'; none where one of them is 0.
    pub percent: Option<f64>,
}

impl EncoderShare {
    /// Whether the task depends on the encoder here: its interval leaves 0 out. None where there is no interval.
    pub fn depends(&self) -> Option<bool> {
        self.difference.interval.map(|interval| !interval.contains(0.0))
    }
}

/// Of every task that has pairs of frozen encoders, by the whole head where there are such runs.
pub fn shares(input: Input<'_>, cells: &[Cell]) -> Vec<EncoderShare> {
    let mut all: Vec<EncoderShare> = Vec::new();
    for adaptation in [Adaptation::Frozen, Adaptation::LinearProbe] {
        let frozen = || cells.iter().filter(move |c| c.key.adaptation == adaptation);
        let occurring: BTreeSet<Task> = frozen().map(|c| c.key.task).collect();
        for task in occurring {
            let most = frozen().filter(|c| c.key.task == task).map(|c| c.key.label_share).reduce(f64::max);
            let of_task = |c: &&Cell| c.key.task == task && Some(c.key.label_share) == most;
            let known = all.iter().any(|s| s.task == task);
            if !known {
                all.extend(share(input, &frozen().filter(of_task).collect::<Vec<_>>()));
            }
        }
    }
    all.sort_by_key(|s| s.task);
    all
}

fn share(input: Input<'_>, cells: &[&Cell]) -> Option<EncoderShare> {
    let seeds = cells::seeds(input);
    let finished = |cell: &Cell, arm: Arm| -> Vec<&RunRecord> {
        let runs = seeds.iter().filter_map(|seed| cell.key.wanted().latest(input.records, arm, *seed));
        runs.filter(|r| r.state == RunState::Succeeded).collect()
    };
    let mut of_backbone = Vec::new();
    for cell in cells {
        let (tuned, random) = (finished(cell, Arm::Pretrained), finished(cell, Arm::Scratch));
        let (pairs, _) = gain::pairs(&seeds, &tuned, &random, Arm::Scratch);
        if !pairs.is_empty() {
            of_backbone.push((*cell, pairs));
        }
    }
    // Seeds that every backbone has, so that each counts the same in all of them.
    let common: Vec<u64> = seeds
        .iter()
        .copied()
        .filter(|seed| of_backbone.iter().all(|(_, pairs)| pairs.iter().any(|(run, _)| run.seed == *seed)))
        .collect();
    let (first, _) = of_backbone.first()?;
    let metric = first.key.task.primary_metric();
    let sign = metric.direction().sign();
    let pairs: Vec<(&RunRecord, &RunRecord)> = common
        .iter()
        .flat_map(|seed| {
            of_backbone.iter().filter_map(|(_, p)| p.iter().find(|(r, _)| r.seed == *seed).copied())
        })
        .collect();
    let values = pairs.iter().map(|(run, other)| Some(sign * (run.value? - other.value?)));
    let value = mean(&values.collect::<Option<Vec<f64>>>()?)?;
    let percents = pairs.iter().map(|(run, other)| relative(metric.direction(), run.value?, other.value?));
    let runs: Vec<&RunRecord> =
        pairs.iter().map(|(run, _)| *run).chain(pairs.iter().map(|(_, other)| *other)).collect();
    let spread = CaseTable::of(&runs).and_then(|table| {
        let parts = table.parts_of_pairs(|m, control| Some(sign * (m - control))).ok_or(Unsure::Undefined)?;
        // Pairs of one seed stand side by side: their mean over backbones is the seed's row.
        let rows: Vec<Vec<f64>> = parts
            .chunks(of_backbone.len())
            .map(|seed| {
                let n = seed.len() as f64;
                (0..table.patients).map(|k| seed.iter().map(|row| row[k]).sum::<f64>() / n).collect()
            })
            .collect();
        crossed(&rows)
    });
    Some(EncoderShare {
        task: first.key.task,
        adaptation: first.key.adaptation,
        label_share: first.key.label_share,
        backbones: of_backbone.iter().map(|(cell, _)| cell.key.backbone.clone()).collect(),
        seeds: common.len(),
        difference: Estimate::of(value, if common.len() < 2 { Err(Unsure::OneSeed) } else { spread }),
        percent: percents.collect::<Option<Vec<f64>>>().and_then(|p| mean(&p)),
    })
}

/// Tasks that do not depend on the encoder here.
pub fn indifferent(shares: &[EncoderShare]) -> Vec<Task> {
    shares.iter().filter(|s| s.depends() == Some(false)).map(|s| s.task).collect()
}
