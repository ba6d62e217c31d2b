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
pub(crate) mod blocks;
mod change;
mod choice;
mod element;
mod encoder;
mod error;
mod file;
mod foreign;
mod form;
mod key_map;
mod legacy_file;
mod names;
mod pickle;
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

pub(crate) use architecture::{Hints, TensorList, depth, heads, tensor_shape};
pub(crate) use change::Change;
pub use choice::Pick;
pub use element::ElementType;
pub use encoder::load_encoder;
pub use error::CheckpointError;
pub(crate) use error::Fault;
pub use file::{CheckpointFile, Container, StoredTensor, open_bytes};
pub(crate) use form::{Constant, Folder, Form, Known};
pub use key_map::{EncoderWeights, KeyMap};
#[cfg(test)]
pub(crate) use names::inside as names_inside;
pub(crate) use names::unchunked;
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
