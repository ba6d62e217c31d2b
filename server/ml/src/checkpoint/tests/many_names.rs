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

/// Files that their own libraries wrote: the same weights in each, under other names and in other containers.
#[test]
fn real_files_of_one_network_hold_one_encoder() {
    let Some(folder) = reference::folder().map(|f| f.join("backbones")) else { return };
    let load = |name: &str| {
        let mut file = open(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"));
        let map = KeyMap::find(&mut file, &Pick::default()).unwrap_or_else(|e| panic!("{e}"));
        (map.load(&mut file).unwrap().tensors, map.notes().to_vec())
    };
    let (sharded, notes) = load("vit_hf_dinov2_reg");
    assert!(notes.iter().any(|n| n.contains("Hugging Face")));
    assert!(sharded.iter().any(|t| t.name == "encoder.register_tokens"));
    assert_eq!(load("vit_hf_dinov2").0.iter().filter(|t| t.name.ends_with("ls1.gamma")).count(), 2);
    let (hub, _) = load("vit_dinov2_hub_reg4.pth");
    let (timm, _) = load("vit_timm_reg4_dinov2");
    // timm has the class token's position in the token.
    let position = |all: &[NamedTensor]| {
        let table = all.iter().find(|t| t.name == "encoder.pos_embed").unwrap().data.clone();
        let token = all.iter().find(|t| t.name == "encoder.cls_token").unwrap().data.clone();
        token.iter().zip(&table).map(|(a, b)| a + b).collect::<Vec<f32>>()
    };
    let apart = |a: &f32, b: &f32| (a - b).abs() > 1e-6 * b.abs().max(1.0);
    assert!(!position(&hub).iter().zip(&position(&timm)).any(|(a, b)| apart(a, b)));
    assert_eq!(hub.len(), timm.len());
    for (a, b) in
        hub.iter().zip(&timm).filter(|(a, _)| !a.name.ends_with("_embed") && !a.name.ends_with("cls_token"))
    {
        assert_eq!(a, b);
    }
    assert_eq!(load("vit_timm_dinov2_lightning.ckpt").1.len(), 1);
    for (name, what) in [
        ("resenc_nnunet.pth", "ResEnc"),
        ("resenc_nnssl.pth", "ResEnc"),
        ("resenc_spark.pth", "ResEnc"),
        ("resenc_nnunet_encoder_f16.safetensors", "ResEnc"),
        ("resnet3d_basic_b.pth", "MedicalNet"),
        ("resnet3d_basic_a_epoch_110_batch_0.pth.tar", "MedicalNet"),
        ("resnet3d_monai.pth", "MedicalNet"),
        ("swin3d_ssl.pt", "SwinUNETR"),
        ("swin3d_unetr.pt", "SwinUNETR"),
        ("swin3d_window7_bf16.safetensors", "SwinUNETR"),
        ("vit_hf_clip", "CLIP"),
        ("vit_hf_clip_vision", "CLIP"),
        ("vit_hf_dinov3", "DINOv3"),
        ("vit_timm_dinov3_teacher.pth", "DINOv3"),
        ("vit_hf_vit", "ViTMAE"),
        ("vit_hf_vitmae", "ViTMAE"),
        ("vit_mae_checkpoint.pth", "plain vision transformer"),
        ("vit_timm_augreg_compiled.pth", "plain vision transformer"),
    ] {
        let mut file = open(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"));
        let error = KeyMap::find(&mut file, &Pick::default()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("this looks like") && error.contains(what), "{name}: {error}");
    }
}
