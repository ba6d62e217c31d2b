//! Backbones: the ones that ship inside the program, and the ones in `DATA/backbones`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use transferscope_domain::{Backbone, Family, backbone::is_name};

use crate::checkpoint::{self, CheckpointError, EncoderWeights};

/// What stands beside a checkpoint: how it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub name: String,
    pub family: Family,
    pub summary: String,
    /// `mae` or `patch-contrast`.
    pub objective: String,
    /// Data in words, with its hash.
    pub data: String,
    pub data_hash: String,
    pub synthetic: bool,
    pub seed: u64,
    pub steps: u64,
    pub parameters: u64,
    /// The command that makes it again.
    pub command: String,
    pub code_version: String,
    pub device: String,
    pub seconds: f64,
    /// `[step, loss]`, thinned.
    pub loss_curve: Vec<(u64, f64)>,
    /// What the objective reached on the validation cases, by name.
    pub validation: std::collections::BTreeMap<String, f64>,
}

struct Shipped {
    card: &'static str,
    weights: &'static [u8],
}

const SHIPPED: [Shipped; 2] = [
    Shipped {
        card: include_str!("../backbones/profound-conv-mini.json"),
        weights: include_bytes!("../backbones/profound-conv-mini.safetensors"),
    },
    Shipped {
        card: include_str!("../backbones/provicnet-mini.json"),
        weights: include_bytes!("../backbones/provicnet-mini.safetensors"),
    },
];

const BUILT_IN: &str = "builtin:";

fn shipped() -> impl Iterator<Item = (Card, &'static [u8])> {
    SHIPPED.iter().filter_map(|s| Some((serde_json::from_str(s.card).ok()?, s.weights)))
}

fn backbone(card: Card, weights: &[u8]) -> Backbone {
    Backbone {
        name: card.name,
        family: card.family,
        summary: card.summary,
        parameters: card.parameters,
        pretrained: true,
        objective: Some(card.objective),
        pretraining_data: Some(card.data),
        checkpoint_hash: Some(blake3::hash(weights).to_hex().to_string()),
        synthetic: card.synthetic,
    }
}

/// Every backbone that a run can start from, the shipped ones first. A folder of
/// `DATA/backbones` that cannot be read is left out with a warning.
pub fn registry(data_dir: &Path) -> Vec<Backbone> {
    let mut all: Vec<Backbone> = shipped().map(|(card, weights)| backbone(card, weights)).collect();
    let mut folders: Vec<PathBuf> = fs::read_dir(data_dir.join("backbones"))
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    folders.sort();
    for folder in folders {
        match added(&folder) {
            Ok(backbone) if all.iter().all(|b| b.name != backbone.name) => all.push(backbone),
            Ok(backbone) => {
                tracing::warn!(name = backbone.name, "a second backbone of this name is left out")
            }
            Err(reason) => {
                tracing::warn!(folder = %folder.display(), reason, "a backbone folder is left out")
            }
        }
    }
    all
}

fn added(folder: &Path) -> Result<Backbone, String> {
    let read = |file: &str| fs::read(folder.join(file)).map_err(|e| format!("{file}: {e}"));
    let card: Card = serde_json::from_slice(&read("card.json")?).map_err(|e| format!("card.json: {e}"))?;
    let folder_name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if !is_name(&card.name) || card.name != folder_name {
        return Err(format!("card.json names {:?}, not the folder", card.name));
    }
    Ok(backbone(card, &read("weights.safetensors")?))
}

/// The backbone of a name.
pub fn find(data_dir: &Path, name: &str) -> Option<Backbone> {
    registry(data_dir).into_iter().find(|b| b.name == name)
}

/// What a request names to start from: `builtin:NAME`, or a file relative to the run directory;
/// none for a backbone that is not there.
pub fn checkpoint_reference(data_dir: &Path, run_dir: &Path, name: &str) -> Option<String> {
    if shipped().any(|(card, _)| card.name == name) {
        return Some(format!("{BUILT_IN}{name}"));
    }
    find(data_dir, name)?;
    let up = run_dir.strip_prefix(data_dir).map_or(2, |inside| inside.components().count());
    Some(format!("{}backbones/{name}/weights.safetensors", "../".repeat(up)))
}

/// The tensors of a checkpoint that a request names.
///
/// # Errors
/// When it is not there, damaged, or another one than `hash` says.
pub fn read(run_dir: &Path, reference: &str, hash: Option<&str>) -> Result<EncoderWeights, CheckpointError> {
    let missing = |reason: &str| CheckpointError::Damaged { path: reference.into(), reason: reason.into() };
    let bytes = match reference.strip_prefix(BUILT_IN) {
        Some(name) => {
            let found = shipped().find(|(card, _)| card.name == name);
            found.ok_or_else(|| missing("this program ships no such checkpoint"))?.1.to_vec()
        }
        None => {
            let path = run_dir.join(reference);
            fs::read(&path)
                .map_err(|source| CheckpointError::Read { path: path.display().to_string(), source })?
        }
    };
    if hash.is_some_and(|h| h != blake3::hash(&bytes).to_hex().as_str()) {
        return Err(missing("its content has changed since the run was asked for"));
    }
    Ok(checkpoint::open_bytes(reference, bytes)?.weights()?.into())
}
