//! From an encoder's tensors to its architecture, and back to the tensors that it must have.

use std::collections::HashSet;
use transferscope_domain::family::{profound_conv, profound_vit, provicnet};

use transferscope_domain::{Architecture, family::transformer::known_heads};

use super::{
    blocks,
    error::CheckpointError,
    key_map::{KeyMap, Network},
};

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
    match map.network() {
        Network::ConvNext | Network::SparseConvNext => conv(map),
        Network::MaeVit => mae(map, hints),
        Network::Dino => dino(map, hints),
    }
}

/// A tensor's shape of `N` dimensions.
fn shape<const N: usize>(map: &KeyMap, name: &str) -> Result<[usize; N], String> {
    let name = format!("encoder.{name}");
    let shape =
        map.shape(&name).ok_or_else(|| format!("its size cannot be told, since {name} is missing"))?;
    let odd = || format!("its size cannot be told, since {name} has shape {shape:?}, not {N} dimensions");
    let shape: [usize; N] = shape.try_into().map_err(|_| odd())?;
    if shape.contains(&0) { Err(odd()) } else { Ok(shape) }
}

fn conv(map: &KeyMap) -> Result<Architecture, String> {
    let [first, in_channels, ..]: [usize; 5] = shape(map, "downsample_layers.0.0.weight")?;
    let mut dims = [first; 4];
    for (stage, dim) in dims.iter_mut().enumerate().skip(1) {
        [*dim, ..] = shape::<5>(map, &format!("downsample_layers.{stage}.1.weight"))?;
    }
    let mut depths = [0; 4];
    for folder in ["downsample_layers", "stages"] {
        if let Some(further) = blocks::numbers(map, folder).find(|n| n.is_none_or(|n| n >= depths.len())) {
            let number = further.map_or_else(|| "another".to_owned(), |n| n.to_string());
            return Err(format!(
                "encoder.{folder}.{number} is there: networks of four stages (0 to 3) are read"
            ));
        }
    }
    for (stage, depth) in depths.iter_mut().enumerate() {
        *depth = blocks::count(map, &format!("stages.{stage}"), "dwconv.weight")?;
    }
    Ok(Architecture::ProfoundConv(profound_conv::Size { in_channels, depths, dims }))
}

fn heads(dim: usize, hints: Hints) -> Result<usize, String> {
    match hints.heads.or_else(|| known_heads(dim)) {
        Some(heads) if heads > 0 && dim.is_multiple_of(heads) => Ok(heads),
        Some(heads) => Err(format!("a width of {dim} cannot be split into {heads} heads")),
        None => Err(format!(
            "the number of attention heads cannot be told from the weights of a width of {dim}; give it with --heads"
        )),
    }
}

fn depth(map: &KeyMap) -> Result<usize, String> {
    blocks::count(map, "blocks", "attn.qkv.weight")
}

fn mae(map: &KeyMap, hints: Hints) -> Result<Architecture, String> {
    let [dim, in_channels, d, h, w]: [usize; 5] = shape(map, "patch_embed.proj.weight")?;
    let [_, tokens, _]: [usize; 3] = shape(map, "pos_embed")?;
    if !dim.is_multiple_of(6) {
        return Err(format!(
            "its width of {dim} is no multiple of 6, which positions along three axes are made for"
        ));
    }
    let patch = [d, h, w];
    let fits = |image| cells(image, patch).and_then(|n| n.checked_add(1)) == Some(tokens);
    let mut named = [profound_vit::Size::BASE, profound_vit::Size::MINI].into_iter();
    let known = named.find(|size| size.patch == patch && fits(size.image)).map(|size| size.image);
    let image = hints.image.or(known).ok_or_else(|| {
        format!(
            "the image size cannot be told from {} patches of {d}x{h}x{w} voxels; give it with --image DxHxW",
            tokens - 1
        )
    })?;
    if !fits(image) {
        return Err(format!(
            "an image of {image:?} voxels does not have the {} patches of {patch:?} voxels that the file is for",
            tokens - 1
        ));
    }
    Ok(Architecture::ProfoundVit(profound_vit::Size {
        in_channels,
        image,
        patch,
        dim,
        depth: depth(map)?,
        heads: heads(dim, hints)?,
    }))
}

/// Patches of an image; none where they do not fit.
fn cells(image: [usize; 3], patch: [usize; 3]) -> Option<usize> {
    image.iter().zip(patch).try_fold(1usize, |n, (voxels, size)| {
        (*voxels > 0 && voxels.is_multiple_of(size)).then(|| n.checked_mul(voxels / size))?
    })
}

fn dino(map: &KeyMap, hints: Hints) -> Result<Architecture, String> {
    if map.shape("encoder.blocks.0.mlp.w12.weight").is_some() {
        return Err("its feed-forward layers are SwiGLU (DINOv2 giant), which is not supported".into());
    }
    let [dim, slices, patch, width]: [usize; 4] = shape(map, "patch_embed.proj.weight")?;
    let [_, tokens, _]: [usize; 3] = shape(map, "pos_embed")?;
    let grid = (tokens - 1).isqrt();
    if patch != width || grid == 0 || grid * grid != tokens - 1 {
        return Err(format!("its {} positions of patches of {patch}x{width} are no square", tokens - 1));
    }
    let optional = |name: &str, axis: usize| {
        map.shape(&format!("encoder.{name}")).and_then(|shape| shape.get(axis)).copied().unwrap_or(0)
    };
    Ok(Architecture::Provicnet(provicnet::Size {
        slices,
        patch,
        grid,
        dim,
        depth: depth(map)?,
        heads: heads(dim, hints)?,
        registers: optional("register_tokens", 1),
        axis_tokens: map.shape("encoder.axis_pos.weight").is_some(),
        modalities: optional("modal.weight", 1),
        each: false,
    }))
}

/// Name and shape of every tensor that an encoder has.
pub fn tensors(architecture: &Architecture) -> Vec<(String, Vec<usize>)> {
    let mut list = List(Vec::new());
    match *architecture {
        Architecture::ProfoundConv(profound_conv::Size { in_channels, depths, dims }) => {
            conv_tensors(&mut list, in_channels, depths, dims)
        }
        Architecture::ProfoundVit(profound_vit::Size {
            in_channels,
            image,
            patch: [d, h, w],
            dim,
            depth,
            ..
        }) => {
            list.add("cls_token", &[1, 1, dim]);
            list.add("pos_embed", &[1, 1 + cells(image, [d, h, w]).unwrap_or(0), dim]);
            list.layer("patch_embed.proj", &[dim, in_channels, d, h, w]);
            blocks(&mut list, dim, depth, false);
        }
        Architecture::Provicnet(provicnet::Size {
            slices,
            patch,
            grid,
            dim,
            depth,
            registers,
            axis_tokens,
            modalities,
            ..
        }) => {
            list.add("cls_token", &[1, 1, dim]);
            list.add("pos_embed", &[1, 1 + grid * grid, dim]);
            if registers > 0 {
                list.add("register_tokens", &[1, registers, dim]);
            }
            list.layer("patch_embed.proj", &[dim, slices, patch, patch]);
            blocks(&mut list, dim, depth, true);
            if axis_tokens {
                list.layer("axis_pos", &[dim, 1]);
                list.layer("axis_max", &[dim, 1]);
            }
            if modalities > 0 {
                list.layer("modal", &[dim, modalities]);
            }
        }
    }
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

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.push((format!("encoder.{name}"), shape.to_vec()));
    }

    /// A weight and its bias, one value an output.
    fn layer(&mut self, name: &str, weight: &[usize]) {
        self.add(&format!("{name}.weight"), weight);
        self.add(&format!("{name}.bias"), &weight[..1]);
    }
}

fn conv_tensors(list: &mut List, in_channels: usize, depths: [usize; 4], dims: [usize; 4]) {
    list.layer("downsample_layers.0.0", &[dims[0], in_channels, 4, 4, 4]);
    list.layer("downsample_layers.0.1", &[dims[0]]);
    for (stage, k) in [(1, 2), (2, 2), (3, 1)] {
        list.layer(&format!("downsample_layers.{stage}.0"), &[dims[stage - 1]]);
        list.layer(&format!("downsample_layers.{stage}.1"), &[dims[stage], dims[stage - 1], k, k, k]);
    }
    for (stage, (depth, dim)) in depths.into_iter().zip(dims).enumerate() {
        for block in 0..depth {
            let block = format!("stages.{stage}.{block}");
            list.layer(&format!("{block}.dwconv"), &[dim, 1, 7, 7, 7]);
            list.layer(&format!("{block}.norm"), &[dim]);
            list.layer(&format!("{block}.pwconv1"), &[4 * dim, dim]);
            list.add(&format!("{block}.grn.gamma"), &[1, 1, 1, 1, 4 * dim]);
            list.add(&format!("{block}.grn.beta"), &[1, 1, 1, 1, 4 * dim]);
            list.layer(&format!("{block}.pwconv2"), &[dim, 4 * dim]);
        }
    }
    list.layer("norm", &[dims[3]]);
}

fn blocks(list: &mut List, dim: usize, depth: usize, scales: bool) {
    for block in 0..depth {
        let block = format!("blocks.{block}");
        list.layer(&format!("{block}.norm1"), &[dim]);
        list.layer(&format!("{block}.attn.qkv"), &[3 * dim, dim]);
        list.layer(&format!("{block}.attn.proj"), &[dim, dim]);
        list.layer(&format!("{block}.norm2"), &[dim]);
        list.layer(&format!("{block}.mlp.fc1"), &[4 * dim, dim]);
        list.layer(&format!("{block}.mlp.fc2"), &[dim, 4 * dim]);
        if scales {
            list.add(&format!("{block}.ls1.gamma"), &[dim]);
            list.add(&format!("{block}.ls2.gamma"), &[dim]);
        }
    }
    list.layer("norm", &[dim]);
}
