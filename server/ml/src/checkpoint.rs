//! Checkpoint files: safetensors with the parameters in PyTorch's names and layouts.

use std::{collections::HashMap, fs, io::Write, path::Path};

use burn::{
    module::Module,
    tensor::{backend::Backend, f16},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use transferscope_domain::report::LoadReport;

use crate::params::{Fill, NamedTensor, fill};

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} has {size} bytes, more than the {limit} that a checkpoint of this program may have")]
    TooLarge { path: String, size: u64, limit: u64 },
    #[error("{path} is not a usable safetensors file: {reason}")]
    Damaged { path: String, reason: String },
    #[error("{path}: tensor {name} has type {found}; f32 and f16 can be read")]
    Type { path: String, name: String, found: String },
    #[error("{path} does not fit the model: {count} encoder tensors are missing, the first is {first}")]
    Missing { path: String, count: usize, first: String },
    #[error("{path}: tensor {name} has shape {found:?}, the model needs {expected:?}")]
    Shape { path: String, name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("{path}: tensor {name} holds a value that is not finite")]
    NotFinite { path: String, name: String },
}

/// Largest file that is read.
const SIZE_LIMIT: u64 = 4 << 30;

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
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("part");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Reads a file's tensors and metadata.
///
/// # Errors
/// When the file is missing, too large, damaged or of another number type.
pub fn read(path: &Path) -> Result<(Vec<NamedTensor>, HashMap<String, String>), CheckpointError> {
    let shown = path.display().to_string();
    let failed = |source| CheckpointError::Read { path: shown.clone(), source };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > SIZE_LIMIT {
        return Err(CheckpointError::TooLarge { path: shown, size, limit: SIZE_LIMIT });
    }
    parse(&shown, &fs::read(path).map_err(failed)?)
}

/// Parses a file that is in memory; `path` is for messages.
///
/// # Errors
/// As [`read`].
pub fn parse(
    path: &str,
    bytes: &[u8],
) -> Result<(Vec<NamedTensor>, HashMap<String, String>), CheckpointError> {
    let damaged = |e: safetensors::SafeTensorError| CheckpointError::Damaged {
        path: path.into(),
        reason: e.to_string(),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let bytes = view.data();
        let data: Vec<f32> = match view.dtype() {
            Dtype::F32 => {
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            Dtype::F16 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            other => {
                let found = format!("{other:?}");
                return Err(CheckpointError::Type { path: path.into(), name: name.into(), found });
            }
        };
        if data.iter().any(|v| !v.is_finite()) {
            return Err(CheckpointError::NotFinite { path: path.into(), name: name.into() });
        }
        tensors.push(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), data });
    }
    Ok((tensors, metadata))
}

/// Fills the encoder of `module` (its parameters named `encoder.*`) from `tensors`; what belongs to
/// heads on either side is left alone.
///
/// # Errors
/// When an encoder parameter is missing or has another shape: a run must not start from a half
/// loaded encoder.
pub fn load_encoder<B: Backend, M: Module<B>>(
    module: M,
    path: &str,
    tensors: &[NamedTensor],
) -> Result<(M, LoadReport), CheckpointError> {
    let by_name: HashMap<&str, &NamedTensor> = tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut report = LoadReport { source: path.to_owned(), ..LoadReport::default() };
    let mut wrong = None;
    let module = fill(module, |name, shape| {
        if !name.starts_with("encoder.") {
            return Fill::Keep;
        }
        match by_name.get(name) {
            None => report.missing.push(name.to_owned()),
            Some(t) if t.shape != shape => {
                wrong.get_or_insert(CheckpointError::Shape {
                    path: path.into(),
                    name: name.into(),
                    found: t.shape.clone(),
                    expected: shape.to_vec(),
                });
            }
            Some(t) => {
                report.applied.push(name.to_owned());
                return Fill::Values(t.data.clone());
            }
        }
        Fill::Keep
    });
    if let Some(error) = wrong {
        return Err(error);
    }
    if let Some(first) = report.missing.first() {
        return Err(CheckpointError::Missing {
            path: path.into(),
            count: report.missing.len(),
            first: first.clone(),
        });
    }
    report.unused = tensors.iter().map(|t| t.name.clone()).filter(|n| !report.applied.contains(n)).collect();
    Ok((module, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        init,
        model::net::{Net, Ports},
        params::collect,
    };
    use burn_flex::Flex;
    use proptest::prelude::*;
    use transferscope_domain::{Family, task::Output};

    fn net(family: Family, seed: u64) -> Net<Flex> {
        init::random(
            Net::mini(family, Ports { sequences: 3, out: 3, output: Output::Classes }, &Default::default()),
            seed,
        )
    }

    #[test]
    fn an_encoder_goes_through_a_file_and_a_head_stays() {
        for family in [Family::ProfoundConv, Family::Provicnet] {
            let source = collect(&net(family, 1));
            let bytes = to_bytes(&source, Precision::Single, HashMap::from([("k".into(), "v".into())]));
            let (tensors, metadata) = parse("x", &bytes).unwrap();
            assert_eq!(metadata["k"], "v");
            let (loaded, report) = load_encoder(net(family, 2), "x", &tensors).unwrap();
            assert!(report.missing.is_empty() && !report.unused.is_empty());
            for (a, b) in collect(&loaded).iter().zip(&source) {
                assert_eq!(a.name, b.name);
                let random = a.name.ends_with(".weight") && a.shape.len() > 1;
                assert_eq!(a.data == b.data, a.name.starts_with("encoder.") || !random, "{}", a.name);
            }
        }
    }

    #[test]
    fn names_and_layouts_are_the_published_ones() {
        let names: Vec<_> =
            collect(&net(Family::ProfoundConv, 0)).into_iter().map(|t| (t.name, t.shape)).collect();
        for (name, shape) in [
            ("encoder.downsample_layers.0.0.weight", vec![24, 3, 4, 4, 4]),
            ("encoder.downsample_layers.1.0.weight", vec![24]),
            ("encoder.downsample_layers.3.1.weight", vec![192, 96, 1, 1, 1]),
            ("encoder.stages.2.1.dwconv.weight", vec![96, 1, 7, 7, 7]),
            ("encoder.stages.0.0.pwconv1.weight", vec![96, 24]),
            ("encoder.stages.0.0.grn.gamma", vec![1, 1, 1, 1, 96]),
            ("encoder.norm.bias", vec![192]),
        ] {
            assert!(names.contains(&(name.into(), shape.clone())), "{name} {shape:?}");
        }
        let names: Vec<_> = collect(&net(Family::Provicnet, 0)).into_iter().map(|t| t.name).collect();
        for name in [
            "encoder.blocks.3.attn.qkv.weight",
            "encoder.blocks.0.ls1.gamma",
            "encoder.patch_embed.proj.weight",
            "encoder.axis_pos.weight",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
    }

    #[test]
    fn a_missing_or_misshapen_encoder_tensor_is_named() {
        let mut source = collect(&net(Family::ProfoundConv, 1));
        let at = source.iter().position(|t| t.name == "encoder.norm.weight").unwrap();
        let taken = source.remove(at);
        let error = load_encoder(net(Family::ProfoundConv, 2), "f", &source).unwrap_err().to_string();
        assert!(error.contains("encoder.norm.weight"), "{error}");
        source.push(NamedTensor { shape: vec![1], data: vec![0.0], ..taken });
        let error = load_encoder(net(Family::ProfoundConv, 2), "f", &source).unwrap_err().to_string();
        assert!(error.contains("[1]") && error.contains("[192]"), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors(cut in 0usize..200, flip in 0usize..200, bit in 0u8..8) {
            let tensor = NamedTensor { name: "a".into(), shape: vec![2, 3], data: vec![1.0; 6] };
            let mut bytes = to_bytes(&[tensor], Precision::Half, HashMap::new());
            let n = bytes.len();
            bytes[flip % n] ^= 1 << bit;
            let _ = parse("x", &bytes);
            prop_assert!(parse("x", &bytes[..cut % n]).is_err());
        }
    }
}
