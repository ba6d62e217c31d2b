//! What a checkpoint file holds and what would become of it, without reading its numbers.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use transferscope_domain::Architecture;

use super::beside;
use crate::checkpoint::{
    self, CheckpointError, KeyMap, Pick,
    architecture::{Hints, fit, infer},
};

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// `f32`, `i64`, ...
    pub element: &'static str,
    /// Our name of the encoder's tensor that it becomes, if it does.
    pub becomes: Option<String>,
}

/// A state dict of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedTree {
    /// What `--key` chooses it by; `.` for a bare one.
    pub key: String,
    pub tensors: usize,
}

/// A checkpoint file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Kind of file.
    pub container: String,
    /// The key under which the state dict lies; none where it is bare.
    pub wrapper: Option<String>,
    /// All state dicts of the file.
    pub state_dicts: Vec<InspectedTree>,
    /// What was taken, what else there is, and what else is worth knowing.
    pub notes: Vec<String>,
    /// Numbers and texts beside the tensors.
    pub metadata: BTreeMap<String, String>,
    pub tensors: Vec<InspectedTensor>,
    /// Values of the state dict that are no tensors.
    pub others: BTreeMap<String, String>,
    /// Numbers in all tensors that can be weights.
    pub parameters: u64,
    /// Numbers in those that become the encoder's.
    pub encoder_parameters: u64,
    /// The encoder, where the file has one whole.
    pub architecture: Option<Architecture>,
    pub architecture_name: Option<String>,
    /// Why there is no architecture.
    pub problem: Option<String>,
    /// Tensors of the encoder that the file does not have and that start at a constant.
    pub defaulted: Vec<String>,
}

/// Looks at a file.
///
/// # Errors
/// When the file cannot be read at all; one without a known encoder is told of in
/// [`Inspection::problem`].
pub fn inspect(path: &Path, hints: Hints, pick: &Pick) -> Result<Inspection, CheckpointError> {
    let mut file = checkpoint::open(path)?;
    let hints = beside::hints(&file, hints);
    let mut map = KeyMap::find(&mut file, pick);
    let architecture = match &mut map {
        Ok(map) => infer(map, hints)
            .and_then(|found| fit(map, &found, file.path()).map(|()| found).map_err(|e| e.to_string())),
        Err(error) => Err(error.to_string()),
    };
    let map = map.ok();
    let becomes = map.as_ref().map(KeyMap::becomes).unwrap_or_default();
    let count = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let tensors: Vec<InspectedTensor> = file
        .tensors()
        .iter()
        .enumerate()
        .map(|(at, t)| InspectedTensor {
            name: t.name.clone(),
            shape: t.shape.clone(),
            element: t.element.label(),
            becomes: becomes.get(&at).map(|name| (*name).to_owned()),
        })
        .collect();
    let mut notes = map.as_ref().map(|map| map.notes().to_vec()).unwrap_or_default();
    notes.extend(architecture.as_ref().ok().and_then(Architecture::unusual_depth));
    let state_dicts =
        file.trees().iter().map(|tree| InspectedTree { key: tree.key(), tensors: tree.tensors().len() });
    let weights = file.tensors().iter().filter(|t| t.element.is_float());
    Ok(Inspection {
        container: file.container().to_string(),
        wrapper: file.wrapper(),
        state_dicts: state_dicts.collect(),
        notes,
        metadata: file.metadata().clone(),
        others: file.others().clone(),
        parameters: weights.map(|t| count(&t.shape)).sum(),
        encoder_parameters: map.as_ref().map_or(0, KeyMap::parameters),
        architecture_name: architecture.as_ref().ok().map(Architecture::name),
        problem: architecture.as_ref().err().cloned(),
        architecture: architecture.ok(),
        defaulted: map.iter().flat_map(KeyMap::defaulted).map(str::to_owned).collect(),
        tensors,
    })
}
