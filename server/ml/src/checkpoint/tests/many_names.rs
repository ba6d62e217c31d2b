//! One encoder under the names of the field: chunks of blocks, Hugging Face, timm, other programs' folders.

use super::{
    containers::{encoder, expected, weights},
    *,
};

fn saved(tensors: &[NamedTensor], precision: Precision) -> CheckpointFile {
    open_bytes("f", to_bytes(tensors, precision, Default::default())).unwrap()
}

fn read(tensors: &[NamedTensor]) -> Result<(Vec<NamedTensor>, Vec<String>), String> {
    encoder(saved(tensors, Precision::Single), &Pick::default())
}

/// The names that Hugging Face gives to ours.
fn hugging_face(tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    let mut renamed = Vec::new();
    for NamedTensor { name, shape, data } in tensors {
        let of = |name: String| NamedTensor { name, shape: shape.clone(), data: data.clone() };
        if let Some((block, rest)) = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
            let folder = format!("dinov2.encoder.layer.{block}");
            if let Some(ending) = rest.strip_prefix("attn.qkv.") {
                let (rows, third) = (shape[0] / 3, data.len() / 3);
                let shape: Vec<usize> = [&[rows][..], &shape[1..]].concat();
                for (part, data) in ["query", "key", "value"].iter().zip(data.chunks(third)) {
                    let name = format!("{folder}.attention.attention.{part}.{ending}");
                    renamed.push(NamedTensor { name, shape: shape.clone(), data: data.to_vec() });
                }
                continue;
            }
            let rest = rest.replace("attn.proj", "attention.output.dense");
            let rest = rest
                .replace("ls1.gamma", "layer_scale1.lambda1")
                .replace("ls2.gamma", "layer_scale2.lambda1");
            renamed.push(of(format!("{folder}.{rest}")));
        } else if let Some(rest) = name.strip_prefix("norm.") {
            renamed.push(of(format!("dinov2.layernorm.{rest}")));
        } else {
            let own = name.replace("patch_embed.proj", "patch_embeddings.projection");
            renamed
                .push(of(format!("dinov2.embeddings.{}", own.replace("pos_embed", "position_embeddings"))));
        }
    }
    renamed.push(NamedTensor {
        name: "dinov2.embeddings.mask_token".into(),
        shape: vec![1, 8],
        data: vec![0.0; 8],
    });
    renamed
}

#[test]
fn the_names_of_hugging_face_are_the_same_network() {
    let theirs = hugging_face(weights(0.0, str::to_owned));
    let (ours, notes) = read(&theirs).unwrap();
    assert_eq!(ours, expected(0.0));
    assert!(notes.iter().any(|n| n.contains("Hugging Face")), "{notes:?}");
    let without = |part: &str| {
        let kept: Vec<_> = theirs.iter().filter(|t| !t.name.contains(part)).cloned().collect();
        assert!(kept.len() < theirs.len());
        read(&kept).unwrap_err()
    };
    let error = without("layer.1.attention.attention.key.weight");
    assert!(error.contains("blocks.1.attn.qkv.weight") && error.contains("one of the three"), "{error}");
    assert!(without("encoder.layer.0.").contains("1 is there, but not 0"));
    let mut odd = theirs.clone();
    let at = odd.iter().position(|t| t.name.ends_with("layer.0.attention.attention.value.weight")).unwrap();
    odd[at].shape = vec![4, 16];
    assert!(read(&odd).unwrap_err().contains("have shapes"));
    // Without scales it is another of their networks.
    let plain: Vec<_> = theirs.into_iter().filter(|t| !t.name.contains("layer_scale")).collect();
    assert!(read(&plain).unwrap_err().contains("ViT or ViTMAE of Hugging Face"));
}

#[test]
fn blocks_in_chunks_are_numbered_through() {
    let chunked = weights(0.0, |name| match name.strip_prefix("blocks.") {
        Some(rest) => format!("backbone.blocks.{}.{rest}", &rest[..1]),
        None => format!("backbone.{name}"),
    });
    assert_eq!(read(&chunked).unwrap().0, expected(0.0));
    // Numbered anew in every chunk, two would be one.
    let anew = weights(0.0, |name| match name.strip_prefix("blocks.") {
        Some(rest) => format!("blocks.{}.0{}", &rest[..1], &rest[1..]),
        None => name.to_owned(),
    });
    assert!(read(&anew).unwrap_err().contains("two of its tensors are encoder.blocks.0."));
}

/// timm adds the class token's position to the token, and calls registers otherwise.
#[test]
fn a_table_without_the_class_token_gets_a_zero_for_it() {
    let mut theirs = weights(0.0, |name| name.replace("register_tokens", "reg_token"));
    let at = theirs.iter().position(|t| t.name == "pos_embed").unwrap();
    theirs[at].shape[1] -= 1;
    theirs[at].data.drain(..8);
    let mut wanted = expected(0.0);
    let table = wanted.iter_mut().find(|t| t.name == "encoder.pos_embed").unwrap();
    table.data[..8].fill(0.0);
    assert_eq!(read(&theirs).unwrap().0, wanted);
}

#[test]
fn half_precision_is_read_and_what_is_not_finite_is_named() {
    let whole = weights(0.0, |name| format!("module.{name}"));
    let (ours, _) = encoder(saved(&whole, Precision::Half), &Pick::default()).unwrap();
    for (half, exact) in ours.iter().zip(expected(0.0)) {
        assert!(
            half.data.iter().zip(&exact.data).all(|(a, b)| (a - b).abs() <= b.abs() * 1e-3),
            "{}",
            half.name
        );
    }
    for wrong in [f32::NAN, f32::INFINITY] {
        let mut damaged = whole.clone();
        damaged[7].data[0] = wrong;
        let error = read(&damaged).unwrap_err();
        assert!(error.contains(&damaged[7].name) && error.contains("not finite"), "{error}");
    }
}
