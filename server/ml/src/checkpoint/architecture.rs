//! From an encoder's tensors to its architecture, and back to the tensors that it must have.

use std::collections::HashSet;

use transferscope_domain::{Architecture, family::transformer::known_heads};

use super::{blocks, error::CheckpointError, key_map::KeyMap};
use crate::family;

/// What weights do not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// Attention heads.
    pub heads: Option<usize>,
    /// Voxels of the image of a MAE-ViT, D, H, W.
    pub image: Option<[usize; 3]>,
}

/// The architecture of which these are the weights.
///
/// # Errors
/// In words, when a tensor that tells a size is missing or of an odd shape, and when something is
/// asked for that weights do not tell.
pub fn infer(map: &KeyMap, hints: Hints) -> Result<Architecture, String> {
    (map.form().infer)(map, hints)
}

/// A tensor's shape of `N` dimensions.
pub(crate) fn tensor_shape<const N: usize>(map: &KeyMap, name: &str) -> Result<[usize; N], String> {
    let name = format!("encoder.{name}");
    let shape =
        map.shape(&name).ok_or_else(|| format!("its size cannot be determined, since {name} is missing"))?;
    let odd =
        || format!("its size cannot be determined, since {name} has shape {shape:?}, not {N} dimensions");
    let shape: [usize; N] = shape.try_into().map_err(|_| odd())?;
    if shape.contains(&0) { Err(odd()) } else { Ok(shape) }
}

/// Attention heads of a transformer of this width.
pub(crate) fn heads(dim: usize, hints: Hints) -> Result<usize, String> {
    match hints.heads.or_else(|| known_heads(dim)) {
        Some(heads) if heads > 0 && dim.is_multiple_of(heads) => Ok(heads),
        Some(heads) => Err(format!("a width of {dim} cannot be split into {heads} heads")),
        None => Err(format!(
            "the number of attention heads cannot be derived from weights of width {dim}; give it with --heads"
        )),
    }
}

/// Number of the blocks of a transformer.
pub(crate) fn depth(map: &KeyMap) -> Result<usize, String> {
    blocks::count(map, "blocks", "attn.qkv.weight")
}

/// Name and shape of every tensor that an encoder has.
pub fn tensors(architecture: &Architecture) -> Vec<(String, Vec<usize>)> {
    let mut list = TensorList(Vec::new());
    family::list_tensors(architecture, &mut list);
    list.0
}

/// Checks that a file has every tensor of an encoder; those that the encoder does not have count as
/// unused from then on. `path` is for messages.
///
/// # Errors
/// When a tensor is missing or of another shape.
pub fn fit(map: &mut KeyMap, architecture: &Architecture, path: &str) -> Result<(), CheckpointError> {
    let needed = tensors(architecture);
    let missing: Vec<&str> =
        needed.iter().map(|(name, _)| name.as_str()).filter(|name| map.shape(name).is_none()).collect();
    if let Some(first) = missing.first() {
        return Err(CheckpointError::Missing {
            path: path.into(),
            count: missing.len(),
            first: (*first).to_owned(),
        });
    }
    for (name, expected) in &needed {
        let found = map.shape(name).unwrap_or_default();
        if found != expected {
            return Err(CheckpointError::Shape {
                path: path.into(),
                name: name.clone(),
                found: found.to_vec(),
                expected: expected.clone(),
            });
        }
    }
    let needed: HashSet<&str> = needed.iter().map(|(name, _)| name.as_str()).collect();
    map.retain(|name| needed.contains(name));
    Ok(())
}

/// Names and shapes of an encoder's tensors, written down one by one.
pub(crate) struct TensorList(Vec<(String, Vec<usize>)>);

impl TensorList {
    /// A tensor of this name within the encoder.
    pub(crate) fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.push((format!("encoder.{name}"), shape.to_vec()));
    }

    /// A weight and its bias, one value an output.
    pub(crate) fn layer(&mut self, name: &str, weight: &[usize]) {
        self.add(&format!("{name}.weight"), weight);
        self.add(&format!("{name}.bias"), &weight[..1]);
    }

    /// The blocks of a transformer, with or without a factor for each channel, and the norm after them.
    pub(crate) fn transformer_blocks(&mut self, dim: usize, depth: usize, scales: bool) {
        for block in 0..depth {
            let block = format!("blocks.{block}");
            self.layer(&format!("{block}.norm1"), &[dim]);
            self.layer(&format!("{block}.attn.qkv"), &[3 * dim, dim]);
            self.layer(&format!("{block}.attn.proj"), &[dim, dim]);
            self.layer(&format!("{block}.norm2"), &[dim]);
            self.layer(&format!("{block}.mlp.fc1"), &[4 * dim, dim]);
            self.layer(&format!("{block}.mlp.fc2"), &[dim, 4 * dim]);
            if scales {
                self.add(&format!("{block}.ls1.gamma"), &[dim]);
                self.add(&format!("{block}.ls2.gamma"), &[dim]);
            }
        }
        self.layer("norm", &[dim]);
    }
}
