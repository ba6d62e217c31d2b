//! How far a cell's features moved, by layer.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use transferscope_domain::{
    alignment::{AlignmentValue, names},
    study::RunRecord,
};

use super::Measured;
use crate::statistics::mean;

/// Which layer of an encoder stands for it. Families name their layers differently; their depth is what they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LayerChoice {
    First,
    Middle,
    /// What the head sees.
    Last,
}

impl LayerChoice {
    pub const ALL: [Self; 3] = [Self::First, Self::Middle, Self::Last];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Middle => "middle",
            Self::Last => "last",
        }
    }

    /// The place of the layer among `count`.
    pub fn of(self, count: usize) -> Option<usize> {
        let last = count.checked_sub(1)?;
        Some(match self {
            Self::First => 0,
            Self::Middle => last / 2,
            Self::Last => last,
        })
    }
}

impl FromStr for LayerChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is not a layer: use first, middle or last");
        Self::ALL.into_iter().find(|l| l.as_str() == text).ok_or_else(unknown)
    }
}

/// A layer's alignment in a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlignedLayer {
    pub layer: String,
    pub depth: u32,
    /// Mean over seeds of the tested networks' value.
    pub mean: f64,
    /// Seed and value.
    pub seeds: Vec<(u64, f64)>,
    /// Mean bandwidth of the kernel, in standardised feature units; 0 where there is no kernel.
    pub bandwidth: f64,
    /// Rows of features in each set.
    pub rows: u32,
    /// Mean by epoch over seeds: how the features drifted.
    pub course: Vec<(f64, f64)>,
}

/// Controls of a cell at its chosen layer, as means over seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Control {
    /// MMD² of features with themselves: at most 0.
    pub identity: Option<f64>,
    /// MMD² between the features before training and those of random weights: the scale.
    pub random: Option<f64>,
    /// CKA where the cases are shuffled: what chance alone gives.
    pub shuffled: Option<f64>,
}

/// The epoch whose network was tested: the one whose alignment has a p-value, else the last.
fn tested_epoch(run: &RunRecord) -> Option<f64> {
    let of = |v: &&AlignmentValue| v.metric == names::D2P;
    let tested = run.alignment.iter().filter(of).find(|v| v.p.is_some());
    tested
        .or_else(|| run.alignment.iter().filter(of).max_by(|a, b| a.epoch.total_cmp(&b.epoch)))
        .map(|v| v.epoch)
}

fn value(run: &RunRecord, metric: &str, depth: u32, epoch: f64) -> Option<f64> {
    let of = |v: &&AlignmentValue| v.metric == metric && v.depth == depth && v.epoch == epoch;
    run.alignment.iter().find(of).map(|v| v.value)
}

/// All layers of a cell's pre-trained runs, first to last.
pub fn layers(runs: &[&RunRecord], measured: Measured) -> Vec<AlignedLayer> {
    let metric = measured.as_str();
    let mut names: Vec<(u32, String)> = Vec::new();
    for v in runs.iter().flat_map(|r| &r.alignment).filter(|v| v.metric == metric) {
        if names.iter().all(|(depth, _)| *depth != v.depth) {
            names.push((v.depth, v.layer.clone()));
        }
    }
    names.sort();
    let layer = |(depth, layer): (u32, String)| {
        let seeds: Vec<(u64, f64)> = runs
            .iter()
            .filter_map(|run| Some((run.seed, value(run, metric, depth, tested_epoch(run)?)?)))
            .collect();
        let of_layer = || {
            let all = runs.iter().flat_map(|r| &r.alignment);
            all.filter(move |v| v.metric == metric && v.depth == depth)
        };
        let mut epochs: Vec<f64> = of_layer().map(|v| v.epoch).collect();
        epochs.sort_by(f64::total_cmp);
        epochs.dedup();
        let at =
            |epoch: f64| of_layer().filter(move |v| v.epoch == epoch).map(|v| v.value).collect::<Vec<_>>();
        Some(AlignedLayer {
            mean: mean(&seeds.iter().map(|s| s.1).collect::<Vec<_>>())?,
            bandwidth: mean(&of_layer().map(|v| v.bandwidth).collect::<Vec<_>>()).unwrap_or(0.0),
            rows: of_layer().map(|v| v.n).max().unwrap_or(0),
            course: epochs.into_iter().filter_map(|e| Some((e, mean(&at(e))?))).collect(),
            layer,
            depth,
            seeds,
        })
    };
    names.into_iter().filter_map(layer).collect()
}

/// The controls at a layer.
pub fn controls(runs: &[&RunRecord], depth: u32) -> Control {
    let of = |metric: &str| {
        let values =
            runs.iter().flat_map(|r| &r.alignment).filter(|v| v.metric == metric && v.depth == depth);
        mean(&values.map(|v| v.value).collect::<Vec<_>>())
    };
    Control {
        identity: of(names::CONTROL_IDENTITY),
        random: of(names::CONTROL_RANDOM),
        shuffled: of(names::CONTROL_SHUFFLED),
    }
}
