//! Names of an encoder's tensors: the folders of names in which it lies, and the ways in which the same
//! network is named by the programs that save it.

use super::key_map::Network;

/// Parts of names that wrappers of modules add: of several GPUs, of compiled and of sharded models.
const WRAPPING: [&str; 4] =
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "parametrized_module"];
/// Tokens of ProViCNet beside the image's: they belong to our encoder, and lie beside the backbone upstream.
const TOKEN_LAYERS: [&str; 3] = ["axis_pos", "axis_max", "modal"];

/// A way to name the tensors of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// As the network's authors do.
    Original,
    /// As Hugging Face's transformers do: queries, keys and values apart.
    HuggingFace,
}

/// What a tensor of an encoder is by its authors' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// All of the tensor of this name.
    Whole(String),
    /// Part `number` of the three that are joined to the tensor of this name.
    Third { name: String, number: usize },
    /// The positions of the patches alone; the class token has none.
    PatchPositions,
}

/// A name without what wrappers add.
pub(super) fn unwrapped(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').filter(|part| !WRAPPING.contains(part)).collect();
    let wrapped = parts.iter().take_while(|part| **part == "module").count();
    parts.drain(..wrapped);
    parts.join(".")
}

/// First parts of the names of an encoder's tensors.
fn roots(network: Network) -> &'static [&'static str] {
    match network {
        Network::ConvNext | Network::SparseConvNext => &["downsample_layers", "stages", "norm"],
        Network::MaeVit => &["cls_token", "pos_embed", "patch_embed", "blocks", "norm"],
        Network::Dino => {
            &["cls_token", "pos_embed", "register_tokens", "reg_token", "patch_embed", "blocks", "norm"]
        }
    }
}

fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The name below a folder of names if a tensor belongs to the encoder that lies there; `prefix` is empty or
/// ends with a dot.
pub(super) fn inside<'a>(network: Network, naming: Naming, prefix: &str, name: &'a str) -> Option<&'a str> {
    if let Some(own) = name.strip_prefix(prefix) {
        let belongs = match naming {
            Naming::Original => roots(network).contains(&root(own)),
            Naming::HuggingFace => {
                ["embeddings.", "encoder.layer.", "layernorm."].iter().any(|start| own.starts_with(start))
                    && own != "embeddings.mask_token"
            }
        };
        if belongs {
            return Some(own);
        }
    }
    // Tokens lie in the folder of the backbone or in one around it.
    let token = |folder: &str| name.strip_prefix(folder).filter(|own| TOKEN_LAYERS.contains(&root(own)));
    let folders = prefix.match_indices('.').map(|(at, _)| &prefix[..=at]).chain([""]);
    if network == Network::Dino { folders.into_iter().find_map(token) } else { None }
}

/// What a tensor is; `own` is its name below the encoder's folder.
pub(super) fn known(network: Network, naming: Naming, own: &str, shape: &[usize]) -> Known {
    match naming {
        Naming::Original => original(network, own, shape),
        Naming::HuggingFace => hugging_face(own),
    }
}

fn original(network: Network, own: &str, shape: &[usize]) -> Known {
    // timm's name, and its table, in which the class token has no place.
    if own == "reg_token" {
        return Known::Whole("register_tokens".into());
    }
    // Patches of slices lie in a square; those of volumes may be any number.
    let apart = |rows: usize| rows > 1 && is_square(rows);
    if network == Network::Dino && own == "pos_embed" && matches!(*shape, [1, rows, _] if apart(rows)) {
        return Known::PatchPositions;
    }
    Known::Whole(unchunked(own).unwrap_or_else(|| own.to_owned()))
}

fn is_square(n: usize) -> bool {
    n > 0 && n.isqrt() * n.isqrt() == n
}

/// A block's name without its chunk: DINOv2 trains in chunks of blocks, `blocks.CHUNK.BLOCK.*`, where blocks
/// are numbered through.
fn unchunked(own: &str) -> Option<String> {
    let rest = own.strip_prefix("blocks.")?;
    let (chunk, rest) = rest.split_once('.')?;
    let (block, _) = rest.split_once('.')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (number(chunk) && number(block)).then(|| format!("blocks.{rest}"))
}

fn hugging_face(own: &str) -> Known {
    let whole = |name: String| Known::Whole(name);
    if let Some(rest) = own.strip_prefix("embeddings.") {
        return whole(match rest {
            "position_embeddings" => "pos_embed".into(),
            _ => rest.replacen("patch_embeddings.projection", "patch_embed.proj", 1),
        });
    }
    if let Some(rest) = own.strip_prefix("layernorm.") {
        return whole(format!("norm.{rest}"));
    }
    let Some((block, rest)) = own.strip_prefix("encoder.layer.").and_then(|rest| rest.split_once('.')) else {
        return whole(own.to_owned());
    };
    for (number, part) in ["query", "key", "value"].into_iter().enumerate() {
        if let Some(ending) = rest.strip_prefix(&format!("attention.attention.{part}.")) {
            return Known::Third { name: format!("blocks.{block}.attn.qkv.{ending}"), number };
        }
    }
    let renamed = [
        ("attention.output.dense.", "attn.proj."),
        ("layer_scale1.lambda1", "ls1.gamma"),
        ("layer_scale2.lambda1", "ls2.gamma"),
        ("mlp.weights_in.", "mlp.w12."),
        ("mlp.weights_out.", "mlp.w3."),
    ];
    let found = renamed.iter().find_map(|(from, to)| Some(format!("{to}{}", rest.strip_prefix(from)?)));
    whole(format!("blocks.{block}.{}", found.unwrap_or_else(|| rest.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tensor_has_many_names() {
        let whole = |name: &str| Known::Whole(name.into());
        let ours = |name| known(Network::Dino, Naming::Original, name, &[4]);
        assert_eq!(ours("blocks.1.5.attn.qkv.weight"), whole("blocks.5.attn.qkv.weight"));
        assert_eq!(ours("blocks.5.attn.qkv.weight"), whole("blocks.5.attn.qkv.weight"));
        assert_eq!(ours("reg_token"), whole("register_tokens"));
        let table = |network, rows| known(network, Naming::Original, "pos_embed", &[1, rows, 8]);
        let positions = |rows| table(Network::Dino, rows);
        assert_eq!(positions(9), Known::PatchPositions);
        assert_eq!(positions(10), whole("pos_embed"));
        // One patch with a class token, or two patches in no square: left as it is.
        assert_eq!(positions(2), whole("pos_embed"));
        // 24 patches of a volume and a class token.
        assert_eq!(table(Network::MaeVit, 25), whole("pos_embed"));
        for (theirs, name) in [
            ("embeddings.cls_token", "cls_token"),
            ("embeddings.register_tokens", "register_tokens"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("embeddings.patch_embeddings.projection.bias", "patch_embed.proj.bias"),
            ("encoder.layer.11.attention.output.dense.weight", "blocks.11.attn.proj.weight"),
            ("encoder.layer.0.layer_scale2.lambda1", "blocks.0.ls2.gamma"),
            ("encoder.layer.0.mlp.fc1.weight", "blocks.0.mlp.fc1.weight"),
            ("encoder.layer.0.mlp.weights_in.weight", "blocks.0.mlp.w12.weight"),
            ("layernorm.bias", "norm.bias"),
        ] {
            assert_eq!(known(Network::Dino, Naming::HuggingFace, theirs, &[4]), whole(name), "{theirs}");
        }
        let key =
            known(Network::Dino, Naming::HuggingFace, "encoder.layer.3.attention.attention.key.bias", &[4]);
        assert_eq!(key, Known::Third { name: "blocks.3.attn.qkv.bias".into(), number: 1 });
    }

    #[test]
    fn wrappers_come_off_and_tokens_lie_around() {
        assert_eq!(unwrapped("module.module.backbone._orig_mod.norm.bias"), "backbone.norm.bias");
        assert_eq!(unwrapped("net._fsdp_wrapped_module.norm.bias"), "net.norm.bias");
        let own = |name| inside(Network::Dino, Naming::Original, "model.backbone.", name);
        assert_eq!(own("model.backbone.blocks.0.x"), Some("blocks.0.x"));
        for token in ["axis_pos.weight", "model.axis_pos.weight", "model.backbone.axis_pos.weight"] {
            assert_eq!(own(token), Some("axis_pos.weight"));
        }
        assert_eq!(own("model.head.weight"), None);
        assert_eq!(own("model.mybackbone.norm.bias"), None);
        assert_eq!(inside(Network::MaeVit, Naming::Original, "model.", "axis_pos.weight"), None);
    }
}
