//! What a training needs to go on: `checkpoints/last.safetensors` and `best.safetensors`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};

use transferscope_domain::{Direction, api::LossPoint};

use super::optimiser::Optimiser;
use crate::{
    checkpoint::{self, CheckpointError, Precision},
    family::Net,
    params::{Fill, collect, fill},
};

/// Where a training is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Position {
    /// Optimiser steps done.
    pub step: u64,
    /// The best validation so far; none before the first one after a training step.
    pub best: Option<Best>,
    /// Seconds of training before this process.
    pub seconds: f64,
    /// A thinned loss curve, where the training keeps one.
    pub curve: Vec<LossPoint>,
}

/// A validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// Of the task's primary metric.
    pub value: f64,
    pub epoch: f64,
    pub loss: f64,
}

impl Best {
    /// Whether it is better than `other`: by the metric, and by the loss where that is equal. With few cases a
    /// metric of ranks has few values, and the first to reach one would be no better than the others.
    pub fn beats(&self, other: &Best, direction: Direction) -> bool {
        direction.better(self.value, other.value) || self.value == other.value && self.loss < other.loss
    }
}

/// The file to go on from.
pub fn last_path(run_dir: &Path) -> PathBuf {
    run_dir.join("checkpoints/last.safetensors")
}

/// The file with the best validation value.
pub fn best_path(run_dir: &Path) -> PathBuf {
    run_dir.join("checkpoints/best.safetensors")
}

/// Writes the parameters alone.
///
/// # Errors
/// When the folder cannot be written.
pub fn save_best<B: AutodiffBackend>(run_dir: &Path, net: &Net<B>) -> std::io::Result<()> {
    let bytes = checkpoint::to_bytes(&collect(&net.valid()), Precision::Single, HashMap::new());
    checkpoint::write_atomically(&best_path(run_dir), &bytes)
}

/// Writes parameters, moments and position.
///
/// # Errors
/// When the folder cannot be written.
pub fn save_last<B: AutodiffBackend, M: AutodiffModule<B>>(
    run_dir: &Path,
    net: &M,
    optimiser: &Optimiser<B>,
    position: &Position,
) -> std::io::Result<()> {
    let mut tensors = collect(&net.valid());
    for tensor in &mut tensors {
        tensor.name.insert_str(0, "p/");
    }
    let (moments, time) = optimiser.state();
    tensors.extend(moments);
    let mut metadata = HashMap::from([
        ("step".to_owned(), position.step.to_string()),
        ("time".to_owned(), time.to_string()),
        ("seconds".to_owned(), position.seconds.to_string()),
    ]);
    if !position.curve.is_empty() {
        metadata.insert("curve".into(), serde_json::to_string(&position.curve)?);
    }
    if let Some(Best { value, epoch, loss }) = position.best {
        metadata.insert("best_value".into(), value.to_string());
        metadata.insert("best_epoch".into(), epoch.to_string());
        metadata.insert("best_loss".into(), loss.to_string());
    }
    checkpoint::write_atomically(
        &last_path(run_dir),
        &checkpoint::to_bytes(&tensors, Precision::Single, metadata),
    )
}

/// Reads `last`, if there is one, into `net` and `optimiser`.
///
/// # Errors
/// When the file is there but damaged or of another network.
pub fn load_last<B: AutodiffBackend, M: AutodiffModule<B>>(
    run_dir: &Path,
    net: M,
    optimiser: &mut Optimiser<B>,
    device: &B::Device,
) -> Result<(M, Option<Position>), CheckpointError> {
    let path = last_path(run_dir);
    if !path.exists() {
        return Ok((net, None));
    }
    let (mut tensors, metadata) = checkpoint::read(&path)?;
    let number = |key: &str| metadata.get(key).and_then(|v| v.parse::<f64>().ok());
    let damaged = || CheckpointError::Damaged {
        path: path.display().to_string(),
        reason: "its position is missing".into(),
    };
    let step = number("step").ok_or_else(damaged)? as u64;
    let time = number("time").ok_or_else(damaged)? as u64;
    let position = Position {
        step,
        best: number("best_value").zip(number("best_epoch")).map(|(value, epoch)| Best {
            value,
            epoch,
            loss: number("best_loss").unwrap_or(f64::INFINITY),
        }),
        seconds: number("seconds").unwrap_or(0.0),
        curve: metadata.get("curve").and_then(|v| serde_json::from_str(v).ok()).unwrap_or_default(),
    };
    optimiser.restore(&tensors, time, device);
    tensors.retain_mut(|t| match t.name.strip_prefix("p/") {
        Some(name) => {
            t.name = name.to_owned();
            true
        }
        None => false,
    });
    Ok((fill_all(net, &path, &tensors)?, Some(position)))
}

/// Reads `best` into `net`.
///
/// # Errors
/// When the file is missing, damaged or of another network.
pub fn load_best<B: AutodiffBackend>(run_dir: &Path, net: Net<B>) -> Result<Net<B>, CheckpointError> {
    let path = best_path(run_dir);
    let (tensors, _) = checkpoint::read(&path)?;
    fill_all(net, &path, &tensors)
}

fn fill_all<B: AutodiffBackend, M: AutodiffModule<B>>(
    net: M,
    path: &Path,
    tensors: &[crate::params::NamedTensor],
) -> Result<M, CheckpointError> {
    let by_name: HashMap<&str, _> = tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut problem = None;
    let net = fill(net, |name, shape| match by_name.get(name) {
        Some(t) if t.shape == shape => Fill::Values(t.data.clone()),
        other => {
            problem.get_or_insert_with(|| match other {
                Some(t) => CheckpointError::Shape {
                    path: path.display().to_string(),
                    name: name.into(),
                    found: t.shape.clone(),
                    expected: shape.to_vec(),
                },
                None => CheckpointError::Missing {
                    path: path.display().to_string(),
                    count: 1,
                    first: name.into(),
                },
            });
            Fill::Keep
        }
    });
    problem.map_or(Ok(net), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_told_apart_by_their_loss() {
        let at = |value, loss| Best { value, epoch: 1.0, loss };
        assert!(at(0.8, 0.9).beats(&at(0.7, 0.1), Direction::Higher));
        assert!(at(0.8, 0.1).beats(&at(0.8, 0.2), Direction::Higher));
        assert!(!at(0.8, 0.2).beats(&at(0.8, 0.2), Direction::Higher));
        assert!(at(0.1, 0.9).beats(&at(0.2, 0.1), Direction::Lower));
    }
}
