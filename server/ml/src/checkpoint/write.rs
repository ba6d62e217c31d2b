//! Writing safetensors files, whole or not at all.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    io::{self, Write},
    path::Path,
};

use burn::tensor::f16;
use safetensors::{Dtype, SafeTensorError, View, tensor::TensorView};

use crate::params::NamedTensor;

/// Number type of a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    Single,
    Half,
}

/// Serialises tensors and text metadata.
pub fn to_bytes(tensors: &[NamedTensor], precision: Precision, metadata: HashMap<String, String>) -> Vec<u8> {
    let raw: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|t| {
            let bytes = match precision {
                Precision::Single => t.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Precision::Half => t.data.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            };
            (t.name.clone(), t.shape.clone(), bytes)
        })
        .collect();
    let dtype = match precision {
        Precision::Single => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let views = raw.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, shape.clone(), bytes).expect("the bytes were made for this shape");
        (name.clone(), view)
    });
    safetensors::serialize(views, Some(metadata)).expect("names are distinct and shapes fit")
}

/// Writes a file so that a reader sees the old one or the new one, never a part: temporary name,
/// fsync, rename.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("part");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// A tensor as safetensors writes it.
struct Single<'a>(&'a NamedTensor);

impl View for Single<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.0.data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.0.data.len() * size_of::<f32>()
    }
}

/// Writes a file of f32 tensors and syncs it, a tensor at a time: large files need no second copy
/// in memory. What is there when it fails is no whole file.
///
/// # Errors
/// When it cannot be written.
pub fn write_synced(
    path: &Path,
    tensors: &[NamedTensor],
    metadata: HashMap<String, String>,
) -> io::Result<()> {
    let views = tensors.iter().map(|t| (t.name.as_str(), Single(t)));
    safetensors::serialize_to_file(views, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(error) => error,
        other => io::Error::other(other),
    })?;
    fs::File::open(path)?.sync_all()
}
