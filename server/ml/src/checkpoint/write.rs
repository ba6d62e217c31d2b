//! Writing safetensors files, whole or not at all.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::Path,
};

use burn::tensor::f16;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo, TensorView},
};

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

/// Numbers that are turned into bytes at once.
const CHUNK: usize = 1 << 16;

/// Writes a file of f32 tensors and syncs it, without a second copy of them in memory. What is there
/// when it fails is no whole file.
///
/// # Errors
/// When it cannot be written, and when a shape does not fit its numbers.
pub fn write_synced(
    path: &Path,
    tensors: &[NamedTensor],
    metadata: HashMap<String, String>,
) -> io::Result<()> {
    let mut end = 0;
    let infos = tensors.iter().map(|t| {
        let start = end;
        end += t.data.len() * size_of::<f32>();
        let info = TensorInfo { dtype: Dtype::F32, shape: t.shape.clone(), data_offsets: (start, end) };
        (t.name.clone(), info)
    });
    let header = Metadata::new(Some(metadata), infos.collect()).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&header)?;
    // The numbers begin at a multiple of their size.
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut file = fs::File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for chunk in tensors.iter().flat_map(|t| t.data.chunks(CHUNK)) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|v| v.to_le_bytes()).collect();
        file.write_all(&bytes)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::open;

    #[test]
    fn a_file_that_is_written_in_pieces_is_read_back() {
        let tensors = [
            NamedTensor { name: "a".into(), shape: vec![2, CHUNK], data: vec![0.5; 2 * CHUNK] },
            NamedTensor { name: "b".into(), shape: vec![], data: vec![-1.0] },
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write_synced(&path, &tensors, HashMap::from([("k".into(), "v".into())])).unwrap();
        let mut file = open(&path).unwrap();
        assert_eq!(file.weights().unwrap(), tensors);
        assert_eq!(file.metadata()["k"], "v");
        assert!(write_synced(&folder.path().join("none/x"), &tensors, HashMap::new()).is_err());
    }
}
