//! Sizes from `provicnet_configs.json`, and models filled with the weights beside it.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::backend::Backend;
use serde_json::Value;
use transferscope_ml::{
    checkpoint,
    family::provicnet::{
        heads::contrastive::ContrastiveConfig,
        published::{Published, Variant},
        vit::{FeedForwardKind, PositionResize, VitConfig},
    },
    params::{self, Fill, NamedTensor},
};

use crate::{Folder, Problem, networks::tables::COUNTER, whole};

const CONFIGS: &str = "models/provicnet_configs.json";

/// Largest sizes that are built; the published ones are far below.
const DIM: usize = 4096;
const DEPTH: usize = 64;
const SIDE: usize = 128;
const WIDTH: usize = 1 << 17;

/// The JSON file, its parts read as they are needed.
pub struct Configs(Value);

/// Sizes of the fusion.
pub struct FusionConfig {
    pub features: usize,
    pub classes: usize,
}

fn bounded(value: &Value, what: &str, low: usize, high: usize) -> Result<usize, Problem> {
    let n = whole(value, what, low)?;
    if n > high {
        return Err(Problem::new(format!("{what} is {n}, more than the {high} that are compared here")));
    }
    Ok(n)
}

impl Configs {
    pub fn open(folder: &Folder) -> Result<Self, Problem> {
        Ok(Self(folder.json(CONFIGS)?))
    }

    /// The backbone.
    pub fn vit(&self) -> Result<VitConfig, Problem> {
        let b = &self.0["backbone"];
        let size = |key: &str, low, high| bounded(&b[key], &format!("backbone.{key}"), low, high);
        let refuse = |key: &str| Err(Problem::new(format!("backbone.{key} is {}: not known here", b[key])));
        let patch = size("patch_size", 1, SIDE)?;
        let image = size("img_size", 1, SIDE * SIDE)?;
        let (dim, heads) = (size("embed_dim", 1, DIM)?, size("num_heads", 1, DIM)?);
        if !image.is_multiple_of(patch) || image / patch > SIDE {
            return refuse("img_size");
        }
        if !dim.is_multiple_of(heads) {
            return refuse("num_heads");
        }
        let ratio = b["mlp_ratio"].as_f64().filter(|r| *r > 0.0 && *r <= 64.0);
        let Some(ratio) = ratio else { return refuse("mlp_ratio") };
        let inside = (dim as f64 * ratio) as usize;
        let (feed_forward, hidden) = match b["ffn_layer"].as_str() {
            Some("mlp") => (FeedForwardKind::Gelu, inside),
            Some("swiglu" | "swiglufused") => (FeedForwardKind::SwiGlu, (inside * 2 / 3).next_multiple_of(8)),
            _ => return refuse("ffn_layer"),
        };
        let positions = match (b["interpolate_antialias"].as_bool(), b["interpolate_offset"].as_f64()) {
            (Some(true), Some(0.0)) => PositionResize::Antialiased,
            (Some(false), Some(offset)) if (0.0..1.0).contains(&offset) => PositionResize::Offset(offset),
            _ => return refuse("interpolate_offset"),
        };
        // Without initial values there are no layer scales; in chunks the blocks are named otherwise.
        if b["init_values"].as_f64().is_none_or(|v| v == 0.0) {
            return refuse("init_values");
        }
        if b["block_chunks"] != 0 {
            return refuse("block_chunks");
        }
        Ok(VitConfig {
            in_channels: size("in_chans", 1, SIDE)?,
            grid: image / patch,
            patch,
            dim,
            depth: size("depth", 1, DEPTH)?,
            heads,
            feed_forward,
            hidden,
            registers: size("num_register_tokens", 0, SIDE)?,
            positions,
            mask_token: true,
            axis: false,
            modalities: 0,
        })
    }

    /// The projection for the patch contrast.
    pub fn contrastive(&self) -> Result<ContrastiveConfig, Problem> {
        let size = |key: &str| bounded(&self.0["cl_head"][key], &format!("cl_head.{key}"), 1, WIDTH);
        Ok(ContrastiveConfig {
            hidden: size("hidden_dim")?,
            bottleneck: size("bottleneck_dim")?,
            out: size("out_dim")?,
        })
    }

    pub fn classes(&self) -> Result<usize, Problem> {
        bounded(&self.0["num_classes"], "num_classes", 1, DIM)
    }

    /// Channels that the ultrasound form reduces.
    pub fn reduced_from(&self) -> Result<usize, Problem> {
        bounded(&self.0["trus_in_channels"], "trus_in_channels", 1, DIM)
    }

    pub fn fusion(&self) -> Result<FusionConfig, Problem> {
        let f = &self.0["fusion"];
        // Upstream's streams have 128 channels whatever is asked for.
        if f["target_channels"] != 128 {
            return Err(Problem::new(format!("fusion.target_channels is {}, not 128", f["target_channels"])));
        }
        Ok(FusionConfig {
            features: bounded(&f["embedding_size"], "fusion.embedding_size", 1, DIM)?,
            classes: bounded(&f["num_classes"], "fusion.num_classes", 1, DIM)?,
        })
    }
}

/// A state dict: floating-point tensors, and names of whole-number scalars.
#[derive(Debug)]
pub struct Weights {
    pub tensors: Vec<NamedTensor>,
    /// How many batches each batch normalisation has seen, sorted. Ours keeps no count: its momentum is
    /// fixed, so nothing would read it.
    pub counters: Vec<String>,
}

impl Weights {
    /// The state dict `models/STEM.safetensors`, or `models/STEM.pth` where that is not there.
    pub fn open(folder: &Folder, stem: &str) -> Result<Self, Problem> {
        let file = format!("models/{stem}.safetensors");
        if folder.has(&file) { Self::safetensors(folder, &file) } else { Self::pth(folder, stem) }
    }

    pub fn safetensors(folder: &Folder, file: &str) -> Result<Self, Problem> {
        let all = folder.tensors(file)?.parameters("")?;
        let (counters, tensors): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|t| t.name.ends_with(COUNTER) && t.shape.is_empty());
        Ok(Self { tensors, counters: counters.into_iter().map(|t| t.name).collect() })
    }

    fn pth(folder: &Folder, stem: &str) -> Result<Self, Problem> {
        let mut file = checkpoint::open(&folder.path(&format!("models/{stem}.pth")))?;
        let tensors = file.weights()?;
        let whole = file.tensors().iter().filter(|t| !t.element.is_float() && t.shape.is_empty());
        let mut counters: Vec<String> = whole.map(|t| t.name.clone()).collect();
        counters.sort();
        Ok(Self { tensors, counters })
    }

    /// Fills a module with exactly these weights.
    ///
    /// # Errors
    /// When names or shapes differ, or the counters are not those of the batch normalisations.
    pub fn fill<B: Backend, M: Module<B>>(&self, module: M) -> Result<M, Problem> {
        let ours = params::shapes(&module);
        let theirs: BTreeMap<&str, &NamedTensor> =
            self.tensors.iter().map(|t| (t.name.as_str(), t)).collect();
        for (name, shape) in &ours {
            match theirs.get(name.as_str()) {
                None => return Err(Problem::new(format!("{name} is not in the file"))),
                Some(t) if t.shape != *shape => {
                    let text = format!("{name} has shape {:?} in the file, {shape:?} here", t.shape);
                    return Err(Problem::new(text));
                }
                Some(_) => {}
            }
        }
        if let Some(name) = theirs.keys().find(|name| ours.iter().all(|(o, _)| o != **name)) {
            return Err(Problem::new(format!("{name} of the file is not in the model")));
        }
        let counters = counters(ours.iter().map(|(name, _)| name.as_str()));
        if counters != self.counters {
            let text = format!("the file counts batches in {:?}, the model has {counters:?}", self.counters);
            return Err(Problem::new(text));
        }
        Ok(params::fill(module, |name, _| {
            theirs.get(name).map_or(Fill::Keep, |tensor| Fill::Values(tensor.data.clone()))
        }))
    }
}

/// Names of the counters that belong to the batch normalisations among these parameters, sorted.
fn counters<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let of_norm = |name: &str| Some(format!("{}{COUNTER}", name.strip_suffix(".running_var")?));
    let mut counters: Vec<String> = names.filter_map(of_norm).collect();
    counters.sort();
    counters
}

/// A filled model for one image.
pub fn published<B: Backend>(folder: &Folder, stem: &str, variant: Variant) -> Result<Published<B>, Problem> {
    let configs = Configs::open(folder)?;
    let model = Published::new(&configs.vit()?, variant, configs.classes()?, &Default::default());
    Weights::open(folder, stem)?.fill(model)
}

/// The variant whose weights are `provicnet_tiny`.
pub fn tiny(folder: &Folder) -> Result<Variant, Problem> {
    Ok(Variant { contrastive: Some(Configs::open(folder)?.contrastive()?), ..Variant::default() })
}
