//! From a file's tensor names to those of our encoders, `encoder.*`.
//!
//! The same encoder is saved under different names: inside a model (`encoder.`, `backbone.`), from
//! several GPUs (`module.`), compiled (`_orig_mod.`), or alone. [`KeyMap::of`] finds out which
//! network a file holds and where each of its encoder's tensors comes from; nothing is read yet.

use std::collections::{BTreeMap, HashMap};

use super::{
    error::{CheckpointError, Fault},
    fcmae::{self, Change},
    file::{CheckpointFile, StoredTensor},
    weight_norm::{self, Part},
};
use crate::params::NamedTensor;

/// Which network's encoder a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// ProFound's 3-D ConvNeXt-V2, as fine-tuning saves it.
    ConvNext,
    /// The same with the sparse layers of pre-training.
    SparseConvNext,
    /// ProFound's 3-D masked autoencoder.
    MaeVit,
    /// DINOv2, ProViCNet's backbone, with or without its axis tokens.
    Dino,
}

/// Folders of names under which an encoder lies.
const PREFIXES: [&str; 3] = ["", "encoder.", "backbone."];
/// ProViCNet's tokens beside the image's: they belong to our encoder, and lie beside the backbone
/// upstream.
const TOKEN_LAYERS: [&str; 3] = ["axis_pos", "axis_max", "modal"];
/// Names that are shown where a file holds no known encoder.
const SHOWN: usize = 5;

impl Network {
    /// First parts of the names of the encoder's tensors.
    fn roots(self) -> &'static [&'static str] {
        match self {
            Network::ConvNext | Network::SparseConvNext => &["downsample_layers", "stages", "norm"],
            Network::MaeVit => &["cls_token", "pos_embed", "patch_embed", "blocks", "norm"],
            Network::Dino => &["cls_token", "pos_embed", "register_tokens", "patch_embed", "blocks", "norm"],
        }
    }
}

/// Where a tensor of the encoder comes from; numbers are places in [`CheckpointFile::tensors`].
#[derive(Debug, Clone, PartialEq)]
enum Origin {
    Same(usize),
    Changed(usize, Change),
    WeightNorm {
        length: usize,
        direction: usize,
    },
    /// Not in the file: one value everywhere.
    Constant(f32),
}

impl Origin {
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let places = match *self {
            Origin::Same(at) | Origin::Changed(at, _) => [Some(at), None],
            Origin::WeightNorm { length, direction } => [Some(length), Some(direction)],
            Origin::Constant(_) => [None, None],
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
    network: Network,
    /// By our name.
    targets: BTreeMap<String, Target>,
    /// The file's names of all of its tensors.
    file_names: Vec<String>,
    unused: Vec<String>,
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
    /// Maps the tensors of a file.
    ///
    /// # Errors
    /// When the file holds no encoder that is known here, or two, or one of its tensors cannot be
    /// read.
    pub fn of(file: &CheckpointFile) -> Result<Self, CheckpointError> {
        let at = |fault: Fault| fault.at(file.path());
        let names = unwrapped_names(file.tensors());
        let (network, prefix) = find(file.tensors(), &names).map_err(at)?;
        for (name, found) in file.others() {
            if inside(network, prefix, &unwrapped(name)).is_some() {
                return Err(CheckpointError::Opaque {
                    path: file.path().into(),
                    name: name.clone(),
                    found: found.clone(),
                });
            }
        }
        map(network, prefix, file.tensors(), &names).map_err(at)
    }

    pub fn network(&self) -> Network {
        self.network
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
                Origin::Constant(value) => vec![value; target.shape.iter().product()],
            };
            tensors.push(NamedTensor { name: name.clone(), shape: target.shape.clone(), data });
        }
        Ok(EncoderWeights { tensors, defaulted: self.defaulted().map(str::to_owned).collect() })
    }
}

fn unwrapped_names(tensors: &[StoredTensor]) -> Vec<String> {
    tensors.iter().map(|t| unwrapped(&t.name)).collect()
}

/// A name without what saving from several GPUs or from a compiled model adds.
fn unwrapped(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').filter(|part| *part != "_orig_mod").collect();
    let wrapped = parts.iter().take_while(|part| **part == "module").count();
    parts.drain(..wrapped);
    parts.join(".")
}

/// The network, and the folder of names in which it lies.
fn find(tensors: &[StoredTensor], names: &[String]) -> Result<(Network, &'static str), Fault> {
    let rank = |prefix: &str, name: &str| {
        names.iter().position(|n| n.strip_prefix(prefix) == Some(name)).map(|at| tensors[at].shape.len())
    };
    let mut found = Vec::new();
    for prefix in PREFIXES {
        if rank(prefix, "downsample_layers.0.0.weight").is_some() {
            let own = names.iter().filter_map(|n| n.strip_prefix(prefix));
            let sparse = fcmae::is_sparse(own);
            found.push((if sparse { Network::SparseConvNext } else { Network::ConvNext }, prefix));
        }
        match rank(prefix, "patch_embed.proj.weight") {
            Some(5) => found.push((Network::MaeVit, prefix)),
            Some(4) => found.push((Network::Dino, prefix)),
            _ => {}
        }
    }
    match found.as_slice() {
        &[one] => Ok(one),
        [] => Err(Fault::Unsupported(unknown(names))),
        [(_, first), (_, second), ..] => Err(Fault::Unsupported(format!(
            "it holds two encoders, under {first:?} and {second:?}; files of adapted (LoRA) models are not read"
        ))),
    }
}

/// What to say of a file without a known encoder.
fn unknown(names: &[String]) -> String {
    let any = |start: &str| names.iter().any(|n| n.starts_with(start));
    if any("enc_down.conv_blocks.") {
        return "it is a ConvMAE, which is no backbone here; ConvNeXt-V2, MAE-ViT and DINOv2 encoders are"
            .into();
    }
    if any("FusionSegmentation.") {
        return "it is ProViCNet's fusion head, which has no encoder; add the files of its sequences".into();
    }
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    format!(
        "no encoder that is known here (ConvNeXt-V2, MAE-ViT, DINOv2) is among its {} tensors, which begin with {}",
        names.len(),
        shown.join(", ")
    )
}

/// Our name without `encoder.`, if a tensor belongs to the encoder.
fn inside<'a>(network: Network, prefix: &str, name: &'a str) -> Option<&'a str> {
    let root = |name: &'a str, roots: &[&str]| {
        roots.contains(&name.split('.').next().unwrap_or_default()).then_some(name)
    };
    let own = name.strip_prefix(prefix).and_then(|name| root(name, network.roots()));
    let tokens = (network == Network::Dino).then_some(name.strip_prefix(prefix).unwrap_or(name));
    own.or_else(|| root(tokens?, &TOKEN_LAYERS))
}

fn map(network: Network, prefix: &str, tensors: &[StoredTensor], names: &[String]) -> Result<KeyMap, Fault> {
    let place: HashMap<&str, usize> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut targets = BTreeMap::new();
    let mut unused = Vec::new();
    for (at, (tensor, full)) in tensors.iter().zip(names).enumerate() {
        let Some(name) = inside(network, prefix, full) else {
            unused.push(tensor.name.clone());
            continue;
        };
        let (name, target) = if network == Network::SparseConvNext {
            let dense = fcmae::dense(name, &tensor.shape)?;
            (dense.name, Target { shape: dense.shape, origin: Origin::Changed(at, dense.change) })
        } else if let Some(part) = weight_norm::part(full) {
            let (Part::Length { direction: other } | Part::Direction { length: other, .. }) = &part;
            let Some(&other) = place.get(other.as_str()) else {
                return Err(Fault::damaged(format!("tensor {} is there without {other}", tensor.name)));
            };
            // A length comes along with its direction.
            let Some(Part::Direction { weight, .. }) = weight_norm::part(name) else { continue };
            (
                weight,
                Target {
                    shape: tensor.shape.clone(),
                    origin: Origin::WeightNorm { length: other, direction: at },
                },
            )
        } else {
            (name.to_owned(), Target { shape: tensor.shape.clone(), origin: Origin::Same(at) })
        };
        if targets.insert(format!("encoder.{name}"), target).is_some() {
            return Err(Fault::damaged(format!("two of its tensors are encoder.{name}")));
        }
    }
    if network == Network::SparseConvNext {
        default_norm(&mut targets);
    }
    let file_names = tensors.iter().map(|t| t.name.clone()).collect();
    Ok(KeyMap { network, targets, file_names, unused })
}

/// The pre-training network ends without the norm that fine-tuning adds; a new one scales by 1 and
/// adds 0.
fn default_norm(targets: &mut BTreeMap<String, Target>) {
    let Some(bias) = targets.get("encoder.downsample_layers.3.1.bias") else { return };
    let shape = bias.shape.clone();
    for (name, value) in [("encoder.norm.weight", 1.0), ("encoder.norm.bias", 0.0)] {
        let constant = Target { shape: shape.clone(), origin: Origin::Constant(value) };
        targets.entry(name.into()).or_insert(constant);
    }
}

#[cfg(test)]
mod tests;
