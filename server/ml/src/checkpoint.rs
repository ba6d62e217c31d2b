//! Checkpoint files: reading those of PyTorch and of safetensors, writing safetensors, and filling
//! an encoder from them.
//!
//! Parameters have PyTorch's names and layouts everywhere. A file is data, never a program: see
//! [`pickle`] for how PyTorch's are read without running what they name.
//!
//! Start reading at [`open`].

use std::{collections::BTreeMap, path::Path};

use crate::params::NamedTensor;

pub mod architecture;
mod blocks;
mod choice;
mod element;
mod encoder;
mod error;
mod fcmae;
mod file;
mod foreign;
mod key_map;
mod legacy_file;
mod names;
mod pickle;
mod position;
mod safetensors_file;
mod shards;
mod state_dicts;
mod torch_file;
mod tree;
mod view;
mod weight_norm;
mod write;
mod zip;

#[cfg(test)]
mod tests;

pub use choice::Pick;
pub use element::ElementType;
pub use encoder::load_encoder;
pub use error::CheckpointError;
pub use fcmae::dense_from_sparse;
pub use file::{CheckpointFile, Container, StoredTensor, open_bytes};
pub use key_map::{EncoderWeights, KeyMap, Network};
pub use position::resized_positions;
pub use shards::open;
pub use tree::Tree;
pub use weight_norm::merge_weight_norm;
pub use write::{Precision, remove_parts, sync_folder, to_bytes, write_atomically, write_synced};

/// Reads a whole file: its weights and its metadata.
///
/// # Errors
/// As [`open`] and [`CheckpointFile::weights`].
pub fn read(path: &Path) -> Result<(Vec<NamedTensor>, BTreeMap<String, String>), CheckpointError> {
    let mut file = open(path)?;
    Ok((file.weights()?, file.metadata().clone()))
}
