//! How files hold DINOv2, ProViCNet's backbone, with or without its axis tokens: under its authors' names, and
//! under those of Hugging Face's transformers.

use transferscope_domain::{Architecture, family::provicnet::Size};

use crate::checkpoint::{Form, Hints, KeyMap, Known, TensorList, depth, heads, tensor_shape, unchunked};

/// First parts of the names of an encoder's tensors.
const ROOTS: [&str; 7] =
    ["cls_token", "pos_embed", "register_tokens", "reg_token", "patch_embed", "blocks", "norm"];

/// First parts of names in transformers.
const HUGGING_FACE_ROOTS: [&str; 3] = ["embeddings.", "encoder.layer.", "layernorm."];

/// Tokens of ProViCNet beside the image's: they belong to our encoder, and lie beside the backbone upstream.
const TOKEN_LAYERS: [&str; 3] = ["axis_pos", "axis_max", "modal"];

/// Patches of slices have two directions.
const LANDMARK_RANK: usize = 4;

/// How files hold an encoder.
pub(super) static FORMS: [Form; 2] = [
    Form {
        landmark: "patch_embed.proj.weight",
        is_here: |folder| {
            let any = |is: fn(&str) -> bool| folder.names().any(is);
            folder.rank() == LANDMARK_RANK
                && any(|name| name.starts_with("blocks."))
                && any(|name| name.ends_with(".ls1.gamma"))
        },
        belongs: |root, _| ROOTS.contains(&root),
        around: &TOKEN_LAYERS,
        known: |name, shape| Ok(original(name, shape)),
        constants: &[],
        note: None,
        infer,
    },
    Form {
        landmark: "embeddings.patch_embeddings.projection.weight",
        is_here: |folder| {
            folder.rank() == LANDMARK_RANK
                && folder.names().any(|name| name.ends_with(".layer_scale1.lambda1"))
        },
        belongs: |_, name| {
            HUGGING_FACE_ROOTS.iter().any(|start| name.starts_with(start)) && name != "embeddings.mask_token"
        },
        around: &TOKEN_LAYERS,
        known: |name, _| Ok(hugging_face(name)),
        constants: &[],
        note: Some("named as by Hugging Face: queries, keys and values were joined"),
        infer,
    },
];

fn original(own: &str, shape: &[usize]) -> Known {
    // timm's name, and its table, in which the class token has no place.
    if own == "reg_token" {
        return Known::Whole("register_tokens".into());
    }
    // Patches of slices lie in a square.
    let apart = |rows: usize| rows > 1 && is_square(rows);
    if own == "pos_embed" && matches!(*shape, [1, rows, _] if apart(rows)) {
        return Known::PatchPositions;
    }
    Known::Whole(unchunked(own))
}

fn is_square(n: usize) -> bool {
    n > 0 && n.isqrt() * n.isqrt() == n
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

/// The size of an encoder, from the shapes of its tensors.
fn infer(map: &KeyMap, hints: Hints) -> Result<Architecture, String> {
    if map.shape("encoder.blocks.0.mlp.w12.weight").is_some() {
        return Err("its feed-forward layers are SwiGLU (DINOv2 giant), which is not supported".into());
    }
    let [dim, slices, patch, width]: [usize; 4] = tensor_shape(map, "patch_embed.proj.weight")?;
    let [_, tokens, _]: [usize; 3] = tensor_shape(map, "pos_embed")?;
    let grid = (tokens - 1).isqrt();
    if patch != width || grid == 0 || grid * grid != tokens - 1 {
        return Err(format!("its {} positions of patches of {patch}x{width} are no square", tokens - 1));
    }
    let optional = |name: &str, axis: usize| {
        map.shape(&format!("encoder.{name}")).and_then(|shape| shape.get(axis)).copied().unwrap_or(0)
    };
    let size = Size {
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
    };
    Ok(size.into())
}

/// Lists the tensors of an encoder.
pub(super) fn tensors(size: &Size, list: &mut TensorList) {
    let Size { slices, patch, grid, dim, depth, registers, axis_tokens, modalities, .. } = *size;
    list.add("cls_token", &[1, 1, dim]);
    list.add("pos_embed", &[1, 1 + grid * grid, dim]);
    if registers > 0 {
        list.add("register_tokens", &[1, registers, dim]);
    }
    list.layer("patch_embed.proj", &[dim, slices, patch, patch]);
    list.transformer_blocks(dim, depth, true);
    if axis_tokens {
        list.layer("axis_pos", &[dim, 1]);
        list.layer("axis_max", &[dim, 1]);
    }
    if modalities > 0 {
        list.layer("modal", &[dim, modalities]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::names_inside;

    #[test]
    fn the_same_tensor_has_many_names() {
        let whole = |name: &str| Known::Whole(name.into());
        let ours = |name| original(name, &[4]);
        assert_eq!(ours("blocks.1.5.attn.qkv.weight"), whole("blocks.5.attn.qkv.weight"));
        assert_eq!(ours("blocks.5.attn.qkv.weight"), whole("blocks.5.attn.qkv.weight"));
        assert_eq!(ours("reg_token"), whole("register_tokens"));
        let positions = |rows| original("pos_embed", &[1, rows, 8]);
        assert_eq!(positions(9), Known::PatchPositions);
        assert_eq!(positions(10), whole("pos_embed"));
        // One patch with a class token, or two patches in no square: left as it is.
        assert_eq!(positions(2), whole("pos_embed"));
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
            assert_eq!(hugging_face(theirs), whole(name), "{theirs}");
        }
        let key = hugging_face("encoder.layer.3.attention.attention.key.bias");
        assert_eq!(key, Known::Third { name: "blocks.3.attn.qkv.bias".into(), number: 1 });
    }

    #[test]
    fn tokens_lie_around() {
        let own = |name| names_inside(&FORMS[0], "model.backbone.", name);
        assert_eq!(own("model.backbone.blocks.0.x"), Some("blocks.0.x"));
        for token in ["axis_pos.weight", "model.axis_pos.weight", "model.backbone.axis_pos.weight"] {
            assert_eq!(own(token), Some("axis_pos.weight"));
        }
        assert_eq!(own("model.head.weight"), None);
        assert_eq!(own("model.mybackbone.norm.bias"), None);
    }
}
