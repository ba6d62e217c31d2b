//! From a file's tensor names to those of our encoders, `encoder.*`.
//!
//! The same encoder is saved under different names: inside a model (`encoder.`, `backbone.`), from
//! several GPUs (`module.`), compiled (`_orig_mod.`), by another program, or alone. [`KeyMap::find`] finds
//! out in which form a file holds an encoder and where each of its encoder's tensors comes from; nothing is read yet.

use std::collections::{BTreeMap, HashMap};

use super::{
    change::Change,
    choice::{self, Chosen, Found, Pick},
    error::{CheckpointError, Fault},
    file::{CheckpointFile, StoredTensor},
    form::{Form, Known},
    names::{inside, unwrapped},
    weight_norm::{self, Part},
};
use crate::params::NamedTensor;

/// Where a tensor of the encoder comes from; numbers are places in [`CheckpointFile::tensors`].
#[derive(Debug, Clone, PartialEq)]
enum Origin {
    Same(usize),
    Changed(usize, Change),
    WeightNorm {
        length: usize,
        direction: usize,
    },
    /// Three tensors, one after the other.
    Joined([usize; 3]),
    /// Positions of patches, after one of the class token that is zero.
    Positions(usize),
    /// Not in the file: one value everywhere.
    Constant(f32),
}

impl Origin {
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let places = match *self {
            Origin::Same(at) | Origin::Changed(at, _) | Origin::Positions(at) => [Some(at), None, None],
            Origin::WeightNorm { length, direction } => [Some(length), Some(direction), None],
            Origin::Joined(parts) => parts.map(Some),
            Origin::Constant(_) => [None; 3],
        };
        places.into_iter().flatten()
    }
}

/// A tensor of the encoder.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    shape: Vec<usize>,
    origin: Origin,
}

/// Which tensor of a file becomes which of the encoder.
#[derive(Debug, Clone)]
pub struct KeyMap {
    form: &'static Form,
    /// By our name.
    targets: BTreeMap<String, Target>,
    /// The file's names of all of its tensors.
    file_names: Vec<String>,
    unused: Vec<String>,
    notes: Vec<String>,
}

/// An encoder's tensors, by our names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncoderWeights {
    pub tensors: Vec<NamedTensor>,
    /// Those among them that the file did not have, and that were set to what a new network has.
    pub defaulted: Vec<String>,
}

impl From<Vec<NamedTensor>> for EncoderWeights {
    fn from(tensors: Vec<NamedTensor>) -> Self {
        Self { tensors, defaulted: Vec::new() }
    }
}

impl KeyMap {
    /// Finds the encoder of a file, or that of its encoders which `pick` means, and maps its tensors; the
    /// file's tensors are those of the encoder's state dict from then on.
    ///
    /// # Errors
    /// When the file holds no encoder that is known here, or several and no word on which is meant, when it
    /// is one of several files, or when one of the encoder's tensors cannot be read.
    pub fn find(file: &mut CheckpointFile, pick: &Pick) -> Result<Self, CheckpointError> {
        let path = file.path().to_owned();
        let at = |fault: Fault| fault.at(&path);
        if let Some(part) = &file.part_of {
            return Err(at(Fault::Unsupported(part.clone())));
        }
        let Chosen { found, notes } = choice::choose(file.trees(), pick).map_err(at)?;
        file.choose(found.tree);
        for (name, what) in file.others() {
            if inside(found.form, &found.prefix, &unwrapped(name)).is_some() {
                let (name, found) = (name.clone(), what.clone());
                return Err(CheckpointError::Opaque { path, name, found });
            }
        }
        let mut map = map(&found, file.tensors()).map_err(at)?;
        map.notes = notes;
        Ok(map)
    }

    /// What was taken, and what else there is, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How the file holds its encoder.
    pub(super) fn form(&self) -> &'static Form {
        self.form
    }

    /// The shape of a tensor of the encoder.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.targets.get(name).map(|t| t.shape.as_slice())
    }

    /// Our names of all tensors of the encoder, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Tensors of the file that are not of its encoder, by the file's names.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Tensors of the encoder that the file does not have and that start at a constant.
    pub fn defaulted(&self) -> impl Iterator<Item = &str> {
        let constant = |(_, t): &(&String, &Target)| matches!(t.origin, Origin::Constant(_));
        self.targets.iter().filter(constant).map(|(name, _)| name.as_str())
    }

    /// Number of values of the encoder.
    pub fn parameters(&self) -> u64 {
        self.targets.values().map(|t| t.shape.iter().product::<usize>() as u64).sum()
    }

    /// What a tensor of the file becomes, by place in [`CheckpointFile::tensors`].
    pub fn becomes(&self) -> HashMap<usize, &str> {
        let mut becomes = HashMap::new();
        for (name, target) in &self.targets {
            becomes.extend(target.origin.places().map(|at| (at, name.as_str())));
        }
        becomes
    }

    /// Leaves out the encoder's tensors for which `wanted` does not hold; they count as unused.
    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        let Self { targets, file_names, unused, .. } = self;
        targets.retain(|name, target| {
            let keep = wanted(name);
            if !keep {
                unused.extend(target.origin.places().map(|at| file_names[at].clone()));
            }
            keep
        });
    }

    /// Reads the encoder.
    ///
    /// # Errors
    /// As [`CheckpointFile::load`].
    pub fn load(&self, file: &mut CheckpointFile) -> Result<EncoderWeights, CheckpointError> {
        let wanted: Vec<usize> = self.targets.values().flat_map(|t| t.origin.places()).collect();
        let mut read = file.load(&wanted)?.into_iter();
        let mut next = || read.next().ok_or_else(|| Fault::damaged("a tensor is missing").at(file.path()));
        let mut tensors = Vec::new();
        for (name, target) in &self.targets {
            let data = match target.origin {
                Origin::Same(_) => next()?.data,
                Origin::Changed(_, change) => {
                    let tensor = next()?;
                    change.apply(tensor.data, &tensor.shape)
                }
                Origin::WeightNorm { .. } => {
                    let (length, direction) = (next()?, next()?);
                    let merged = weight_norm::merge_weight_norm(&length, &direction);
                    let finite = merged.filter(|values| values.iter().all(|v| v.is_finite()));
                    finite.ok_or_else(|| CheckpointError::NotFinite {
                        path: file.path().into(),
                        name: direction.name.clone(),
                    })?
                }
                Origin::Joined(_) => {
                    let (first, second, third) = (next()?, next()?, next()?);
                    [first.data, second.data, third.data].concat()
                }
                Origin::Positions(_) => {
                    let patches = next()?;
                    let width = patches.shape.last().copied().unwrap_or_default();
                    [vec![0.0; width], patches.data].concat()
                }
                Origin::Constant(value) => vec![value; target.shape.iter().product()],
            };
            tensors.push(NamedTensor { name: name.clone(), shape: target.shape.clone(), data });
        }
        Ok(EncoderWeights { tensors, defaulted: self.defaulted().map(str::to_owned).collect() })
    }
}

/// Names of what low-rank adaptation adds to a network, by peft, loralib and this program.
const ADAPTERS: [&str; 5] = ["base_layer", "lora_A", "lora_B", "lora_embedding_A", "lora"];

/// Refuses an encoder whose weights are only part of what it does.
fn check_adapted(own: &str, tensor: &StoredTensor) -> Result<(), Fault> {
    if !own.split('.').any(|part| ADAPTERS.contains(&part)) {
        return Ok(());
    }
    Err(Fault::Unsupported(format!(
        "its encoder was adapted by LoRA ({}); merge the additions into the weights \
         (merge_and_unload() of peft) and save the model again",
        tensor.name
    )))
}

fn map(found: &Found, tensors: &[StoredTensor]) -> Result<KeyMap, Fault> {
    let Found { form, prefix, .. } = found;
    let names: Vec<String> = tensors.iter().map(|t| unwrapped(&t.name)).collect();
    let place: HashMap<&str, usize> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut targets = BTreeMap::new();
    let mut thirds: BTreeMap<String, [Option<usize>; 3]> = BTreeMap::new();
    let mut unused = Vec::new();
    for (at, (tensor, full)) in tensors.iter().zip(&names).enumerate() {
        let Some(own) = inside(form, prefix, full) else {
            unused.push(tensor.name.clone());
            continue;
        };
        check_adapted(own, tensor)?;
        let shape = tensor.shape.clone();
        let (name, target) = match (weight_norm::part(full), (form.known)(own, &tensor.shape)?) {
            (_, Known::Changed { name, shape, change }) => {
                (name, Target { shape, origin: Origin::Changed(at, change) })
            }
            (Some(Part::Length { direction: other } | Part::Direction { length: other, .. }), _) => {
                let Some(&other) = place.get(other.as_str()) else {
                    return Err(Fault::damaged(format!("tensor {} is there without {other}", tensor.name)));
                };
                // A length comes along with its direction.
                let Some(Part::Direction { weight, .. }) = weight_norm::part(own) else { continue };
                (weight, Target { shape, origin: Origin::WeightNorm { length: other, direction: at } })
            }
            (None, Known::Whole(name)) => (name, Target { shape, origin: Origin::Same(at) }),
            (None, Known::PatchPositions) => {
                let shape = vec![1, tensor.shape[1] + 1, tensor.shape[2]];
                ("pos_embed".to_owned(), Target { shape, origin: Origin::Positions(at) })
            }
            (None, Known::Third { name, number }) => {
                if thirds.entry(name.clone()).or_default()[number].replace(at).is_some() {
                    return Err(Fault::damaged(format!("two of its tensors are {}", tensor.name)));
                }
                continue;
            }
        };
        insert(&mut targets, &name, target)?;
    }
    for (name, parts) in thirds {
        insert(&mut targets, &name, joined(&name, parts, tensors)?)?;
    }
    add_constants(&mut targets, form);
    let file_names = tensors.iter().map(|t| t.name.clone()).collect();
    Ok(KeyMap { form, targets, file_names, unused, notes: Vec::new() })
}

fn insert(targets: &mut BTreeMap<String, Target>, name: &str, target: Target) -> Result<(), Fault> {
    match targets.insert(format!("encoder.{name}"), target) {
        Some(_) => Err(Fault::damaged(format!("two of its tensors are encoder.{name}"))),
        None => Ok(()),
    }
}

/// The tensor that three become when they are joined along their first axis.
fn joined(name: &str, parts: [Option<usize>; 3], tensors: &[StoredTensor]) -> Result<Target, Fault> {
    let [Some(query), Some(key), Some(value)] = parts else {
        return Err(Fault::damaged(format!(
            "query, key and value of {name} are apart, and one of the three is missing"
        )));
    };
    let shapes = [query, key, value].map(|at| tensors[at].shape.as_slice());
    let whole = match shapes {
        [[first, rest @ ..], second, third] if second == shapes[0] && third == shapes[0] => {
            first.checked_mul(3).map(|first| [&[first][..], rest].concat())
        }
        _ => None,
    };
    let shape = whole
        .ok_or_else(|| Fault::damaged(format!("query, key and value of {name} have shapes {shapes:?}")))?;
    Ok(Target { shape, origin: Origin::Joined([query, key, value]) })
}

/// Adds the tensors that files of this form do not have.
fn add_constants(targets: &mut BTreeMap<String, Target>, form: &Form) {
    for constant in form.constants {
        let Some(model) = targets.get(&format!("encoder.{}", constant.shaped_as)) else { continue };
        let target = Target { shape: model.shape.clone(), origin: Origin::Constant(constant.value) };
        targets.entry(format!("encoder.{}", constant.name)).or_insert(target);
    }
}

#[cfg(test)]
mod tests;
