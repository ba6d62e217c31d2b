//! Features of a network's layers as a file, so that runs can be compared after they have ended.
//!
//! A safetensors file with one tensor `[n, dim]` a layer; its metadata say how many rows in a row come from
//! one case, and the order of the layers.

use std::{collections::HashMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::alignment::Features;

/// Layers of a network, first to last: name and features.
pub type Layers = Vec<(String, Features)>;

/// Largest file that is read: features are small.
const BYTES_MAX: u64 = 1 << 30;
const ORDER: &str = "layers";
const SEPARATOR: char = '\n';

/// Why a file of features cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FeatureFileError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path} is no file of features: {reason}")]
    Damaged { path: String, reason: String },
}

/// The file's bytes.
///
/// # Errors
/// When a layer's values are not `n x dim`.
pub fn to_bytes(layers: &[(String, Features)]) -> std::io::Result<Vec<u8>> {
    let invalid = |e: &dyn std::fmt::Display| std::io::Error::other(e.to_string());
    let bytes: Vec<(String, [usize; 2], Vec<u8>)> = layers
        .iter()
        .map(|(name, f)| {
            let bytes = f.data.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name.clone(), [f.n, f.dim], bytes)
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, data)| {
            Ok((name.clone(), TensorView::new(Dtype::F32, shape.to_vec(), data).map_err(|e| invalid(&e))?))
        })
        .collect::<std::io::Result<Vec<_>>>()?;
    let order: Vec<&str> = layers.iter().map(|(name, _)| name.as_str()).collect();
    let metadata = HashMap::from([(ORDER.to_owned(), order.join(&SEPARATOR.to_string()))]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| invalid(&e))
}

/// Reads what [`to_bytes`] made.
///
/// # Errors
/// When the file is not there, too large, or no file of features.
pub fn read(path: &Path) -> Result<Layers, FeatureFileError> {
    let shown = || path.display().to_string();
    let io = |source| FeatureFileError::Io { path: shown(), source };
    let damaged = |reason: String| FeatureFileError::Damaged { path: shown(), reason };
    let size = fs::metadata(path).map_err(io)?.len();
    if size > BYTES_MAX {
        return Err(damaged(format!("{size} bytes are more than features take")));
    }
    let bytes = fs::read(path).map_err(io)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let order = header.metadata().as_ref().and_then(|m| m.get(ORDER)).cloned();
    let order = order.ok_or_else(|| damaged("the order of the layers is missing".into()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let layer = |name: &str| {
        let tensor = tensors.tensor(name).map_err(|e| damaged(e.to_string()))?;
        match (tensor.dtype(), tensor.shape()) {
            (Dtype::F32, [n, dim]) => {
                let values = tensor.data().as_chunks::<4>().0;
                let data = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
                Ok((name.to_owned(), Features { n: *n, dim: *dim, data }))
            }
            (dtype, shape) => Err(damaged(format!("{name} is {dtype:?} {shape:?}, not F32 with two sides"))),
        }
    };
    order.split(SEPARATOR).filter(|name| !name.is_empty()).map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layers() -> Layers {
        let features = |n, dim| Features { n, dim, data: (0..n * dim).map(|i| i as f32 / 3.0).collect() };
        // An order that the alphabet does not give.
        vec![("stage1".into(), features(4, 3)), ("pooled".into(), features(2, 5))]
    }

    #[test]
    fn what_is_written_is_read_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("best.safetensors");
        fs::write(&path, to_bytes(&layers()).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), layers());
        assert!(matches!(read(&dir.path().join("none")), Err(FeatureFileError::Io { .. })));
        let torn = Features { n: 2, dim: 2, data: vec![0.0; 3] };
        assert!(to_bytes(&[("a".into(), torn)]).is_err());
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_and_no_panic(at in 0usize..400, value: u8, length in 0usize..400) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f.safetensors");
            let mut bytes = to_bytes(&layers()).unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(length);
            fs::write(&path, &bytes).unwrap();
            if let Ok(layers) = read(&path) {
                prop_assert!(layers.iter().all(|(_, f)| f.data.len() == f.n * f.dim));
            }
        }
    }
}
