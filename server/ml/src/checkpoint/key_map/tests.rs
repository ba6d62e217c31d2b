use std::{fs, path::Path};

use serde_json::Value;
use transferscope_domain::{
    Architecture,
    family::{profound_conv, profound_vit, provicnet},
};

use super::{
    super::{
        architecture::{Hints, infer, tensors},
        choice::choose,
        element::ElementType,
        file::Place,
        tree::Tree,
        view::View,
    },
    *,
};

fn stored(name: &str, shape: &[usize]) -> StoredTensor {
    let place = Place { block: 0, view: View::whole(shape).unwrap() };
    StoredTensor { name: name.into(), shape: shape.to_vec(), element: ElementType::F32, place }
}

fn map_of(tensors: &[StoredTensor]) -> Result<KeyMap, String> {
    let tree = Tree { tensors: tensors.to_vec(), ..Tree::default() };
    let chosen = choose(&[tree], &Pick::default()).map_err(|e| e.to_string())?;
    map(&chosen.found, tensors).map_err(|e| e.to_string())
}

/// The tensors of a full-size model, as a file would list them.
fn listing(file: &str) -> Vec<StoredTensor> {
    let shapes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/shapes");
    let json: Value =
        serde_json::from_slice(&fs::read(shapes.join(format!("{file}.json"))).unwrap()).unwrap();
    let tensor = |key: &Value| {
        let shape: Vec<usize> =
            key[1].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
        stored(key[0].as_str().unwrap(), &shape)
    };
    json["keys"].as_array().unwrap().iter().map(tensor).collect()
}

/// Holds what a full-size file is found to hold against what its architecture needs.
fn assert_complete(file: &str, name: &str, parameters: usize, unused: usize) -> Architecture {
    let map = map_of(&listing(file)).unwrap();
    let architecture = infer(&map, Hints::default()).unwrap();
    assert_eq!(architecture.name(), name, "{file}");
    let mut needed = tensors(&architecture);
    needed.sort();
    let there: Vec<(String, Vec<usize>)> =
        map.names().map(|n| (n.to_owned(), map.shape(n).unwrap().to_vec())).collect();
    assert_eq!(there, needed, "{file}");
    assert_eq!(needed.iter().map(|(_, s)| s.iter().product::<usize>()).sum::<usize>(), parameters, "{file}");
    assert_eq!(map.unused().len(), unused, "{file}");
    architecture
}

/// Parameter counts are those of the published models.
#[test]
fn full_size_files_hold_all_that_their_encoders_need() {
    let conv = "profound-conv-tiny";
    let dense = assert_complete("profound_convnextv2_tiny_dense", conv, 29_311_680, 0);
    let raw = assert_complete("profound_convnextv2_tiny_fcmae_raw", conv, 29_311_680, 15);
    assert_eq!(raw, dense);
    for file in ["profound_classifier_tiny_c4", "profound_upernet_tiny_o1", "profound_unetr_tiny_f32_o1"] {
        let all = listing(file).len();
        assert_complete(file, conv, 29_311_680, all - 198);
    }
    let decoder = listing("profound_mae_vit_base").len() - 150;
    assert_complete("profound_mae_vit_base", "profound-vit-base", 123_003_648, decoder);
    // The backbone without its mask token, and the axis tokens.
    let small = 22_058_112 - 384 + 1536;
    for (file, more) in [
        ("provicnet_dinov2_s_reg_448_contrastive", 0),
        ("provicnet_dinov2_s_reg_448_plain", 0),
        ("provicnet_dinov2_s_reg_448_trus", 0),
        ("provicnet_dinov2_s_reg_448_modal", 5 * 384),
    ] {
        let all = listing(file).len();
        let used = 175 + 4 + if more > 0 { 2 } else { 0 };
        let found = assert_complete(file, "provicnet-small", small + more, all - used);
        let Architecture::Provicnet(provicnet::Size { grid, registers, axis_tokens, modalities, .. }) = found
        else {
            panic!()
        };
        assert_eq!((grid, registers, axis_tokens, modalities), (37, 4, true, if more > 0 { 4 } else { 0 }));
    }
    let base = 86_583_552 - 768 + 4 * 768;
    let all = listing("provicnet_dinov2_b_reg_448_plain").len();
    assert_complete("provicnet_dinov2_b_reg_448_plain", "provicnet-base", base, all - 179);
}

#[test]
fn what_holds_no_backbone_is_named() {
    let convmae = [stored("enc_down.conv_blocks.0.blocks.0.norm1.weight", &[64])];
    assert!(map_of(&convmae).unwrap_err().contains("ConvMAE"));
    assert!(map_of(&listing("provicnet_fusion")).unwrap_err().contains("fusion head"));
    assert!(map_of(&[stored("fc.weight", &[2, 2])]).unwrap_err().contains("fc.weight"));
}

/// A small DINOv2 under a folder of names.
fn dino(folder: &str) -> Vec<StoredTensor> {
    let architecture = Architecture::Provicnet(provicnet::Size {
        slices: 3,
        patch: 14,
        grid: 5,
        dim: 24,
        depth: 2,
        heads: 2,
        registers: 0,
        axis_tokens: false,
        modalities: 0,
        each: false,
    });
    let name = |ours: &str| ours.replace("encoder.", folder);
    tensors(&architecture).iter().map(|(ours, shape)| stored(&name(ours), shape)).collect()
}

#[test]
fn wrappers_of_names_come_off() {
    let bare: Vec<String> = map_of(&dino("")).unwrap().names().map(str::to_owned).collect();
    assert!(bare.contains(&"encoder.blocks.1.ls2.gamma".to_owned()));
    for folder in [
        "backbone.",
        "encoder.",
        "module.backbone.",
        "_orig_mod.module.backbone.",
        "backbone._orig_mod.",
        "net.backbone.",
        "model.encoder.",
        "a.b.c.d.",
        "student.backbone.",
    ] {
        let map = map_of(&dino(folder)).unwrap();
        assert_eq!(map.names().collect::<Vec<_>>(), bare, "{folder}");
        assert!(map.unused().is_empty());
    }
    // Two of them, and one twice.
    let both: Vec<_> = dino("").into_iter().chain(dino("backbone.")).collect();
    assert!(map_of(&both).unwrap_err().contains("2 encoders"));
    let twice: Vec<_> = dino("").into_iter().chain(dino("module.")).collect();
    assert!(map_of(&twice).unwrap_err().contains("two of its tensors"));
}

#[test]
fn axis_tokens_lie_beside_the_backbone_or_in_it() {
    for folder in ["backbone.", "encoder."] {
        for own in ["", folder] {
            let mut tensors = dino(folder);
            tensors.push(stored(&format!("{own}axis_pos.weight"), &[24, 1]));
            tensors.push(stored("head.weight", &[24, 1]));
            let map = map_of(&tensors).unwrap();
            assert_eq!(map.shape("encoder.axis_pos.weight"), Some(&[24, 1][..]));
            assert_eq!(map.unused(), ["head.weight"]);
        }
    }
}

#[test]
fn what_weights_do_not_tell_must_be_given() {
    let map = map_of(&dino("")).unwrap();
    let heads = |heads| infer(&map, Hints { heads, image: None });
    assert!(heads(None).unwrap_err().contains("--heads"));
    assert!(heads(Some(5)).unwrap_err().contains("5 heads"));
    assert!(heads(Some(0)).is_err());
    assert!(matches!(
        heads(Some(2)),
        Ok(Architecture::Provicnet(provicnet::Size { heads: 2, depth: 2, .. }))
    ));

    let vit = Architecture::ProfoundVit(profound_vit::Size {
        in_channels: 3,
        image: [16, 24, 32],
        patch: [8, 8, 8],
        dim: 12,
        depth: 1,
        heads: 2,
    });
    let all: Vec<_> = tensors(&vit).iter().map(|(name, shape)| stored(name, shape)).collect();
    let map = map_of(&all).unwrap();
    let image = |image| infer(&map, Hints { heads: Some(2), image });
    assert!(image(None).unwrap_err().contains("--image"));
    assert!(image(Some([16, 24, 24])).unwrap_err().contains("24 patches"));
    assert!(image(Some([0, 24, 24])).is_err());
    assert_eq!(image(Some([16, 24, 32])), Ok(vit));
}

#[test]
fn odd_shapes_are_errors() {
    for (name, shape) in [
        ("patch_embed.proj.weight", vec![24, 3, 14, 15]),
        ("patch_embed.proj.weight", vec![0, 3, 14, 14]),
        ("pos_embed", vec![1, 27, 24]),
        ("pos_embed", vec![1, 1, 24]),
        ("pos_embed", vec![26, 24]),
        ("blocks.0.attn.qkv.weight", vec![]),
    ] {
        let mut tensors = dino("");
        tensors.retain(|t| t.name != name || !shape.is_empty());
        if let Some(tensor) = tensors.iter_mut().find(|t| t.name == name) {
            tensor.shape = shape.clone();
        }
        assert!(
            infer(&map_of(&tensors).unwrap(), Hints { heads: Some(2), image: None }).is_err(),
            "{name} {shape:?}"
        );
    }
}

#[test]
fn weight_normed_layers_are_merged_by_name() {
    let mut tensors = dino("");
    let at = tensors.iter().position(|t| t.name == "blocks.0.mlp.fc1.weight").unwrap();
    tensors[at].name.push_str("_v");
    assert!(map_of(&tensors).unwrap_err().contains("weight_g"));
    tensors.push(stored("blocks.0.mlp.fc1.weight_g", &[96, 1]));
    let map = map_of(&tensors).unwrap();
    assert_eq!(map.shape("encoder.blocks.0.mlp.fc1.weight"), Some(&[96, 24][..]));
    assert!(map.unused().is_empty());
}

/// A file that lost blocks must not pass for a smaller network, whichever they are and whatever else a block
/// still has.
#[test]
fn a_gap_between_blocks_is_an_error_that_names_both_sides() {
    let conv = Architecture::ProfoundConv(profound_conv::Size {
        in_channels: 3,
        depths: [2, 2, 4, 2],
        dims: [8, 16, 32, 64],
    });
    let vit = Architecture::ProfoundVit(profound_vit::Size {
        in_channels: 3,
        image: [16, 24, 32],
        patch: [8, 8, 8],
        dim: 12,
        depth: 5,
        heads: 2,
    });
    let dino = Architecture::Provicnet(provicnet::Size {
        slices: 3,
        patch: 14,
        grid: 5,
        dim: 24,
        depth: 6,
        heads: 2,
        registers: 4,
        axis_tokens: true,
        modalities: 0,
        each: false,
    });
    let hints = Hints { heads: Some(2), image: Some([16, 24, 32]) };
    let without = |architecture: &Architecture, lost: &str| {
        let all = tensors(architecture);
        let kept = all.iter().filter(|(name, _)| !name.starts_with(&format!("encoder.{lost}")));
        let kept: Vec<_> = kept.map(|(name, shape)| stored(name, shape)).collect();
        assert!(kept.len() < all.len(), "{lost}");
        infer(&map_of(&kept)?, hints)
    };
    for (architecture, lost, said) in [
        (&dino, "blocks.3.", "0 to 2 and 4 to 5 are there, but not 3"),
        (&dino, "blocks.0.", "1 to 5 are there, but not 0"),
        (&vit, "blocks.2.", "0 to 1 and 3 to 4 are there, but not 2"),
        (&conv, "stages.2.1.", "of encoder.stages.2, 0 and 2 to 3 are there, but not 1"),
        (&conv, "stages.1.0.", "of encoder.stages.1, 1 is there, but not 0"),
        (&dino, "blocks.4.attn.qkv.weight", "encoder.blocks.4.attn.qkv.weight is missing (in 1 of 6 blocks)"),
        (&conv, "stages.3.1.dwconv.weight", "encoder.stages.3.1.dwconv.weight is missing (in 1 of 2 blocks)"),
        (&conv, "stages.2.", "encoder.stages.2.0.dwconv.weight is missing"),
    ] {
        let error = without(architecture, lost).unwrap_err();
        assert!(error.contains(said), "{lost}: {error}");
    }
    // What is lost at the end leaves a smaller network, which nothing can tell from a whole one.
    assert!(matches!(
        without(&dino, "blocks.5."),
        Ok(Architecture::Provicnet(provicnet::Size { depth: 5, .. }))
    ));
    // Another stage, a number beyond all bounds, and a tensor under another name.
    let mut more: Vec<_> = tensors(&conv).iter().map(|(name, shape)| stored(name, shape)).collect();
    more.push(stored("encoder.stages.4.0.dwconv.weight", &[8, 1, 7, 7, 7]));
    assert!(infer(&map_of(&more).unwrap(), hints).unwrap_err().contains("stages.4"));
    let mut renamed: Vec<_> = tensors(&dino).iter().map(|(name, shape)| stored(name, shape)).collect();
    for tensor in &mut renamed {
        if tensor.name.starts_with("encoder.blocks.4.") {
            tensor.name = tensor.name.replace("attn.qkv", "attn.qkv.inner");
        }
    }
    let error = infer(&map_of(&renamed).unwrap(), hints).unwrap_err();
    assert!(error.contains("in its place is encoder.blocks.4.attn.qkv.inner.bias"), "{error}");
    renamed.push(stored("encoder.blocks.99999999999999999999.norm1.weight", &[24]));
    assert!(infer(&map_of(&renamed).unwrap(), hints).unwrap_err().contains("beyond"));
}

/// Adapters of peft and of this program: their base weights alone are another network.
#[test]
fn an_adapted_encoder_is_refused() {
    for (from, to) in [
        ("blocks.1.attn.qkv.weight", "blocks.1.attn.qkv.base_layer.weight"),
        ("blocks.1.mlp.fc1.weight", "blocks.1.mlp.fc1.lora_A.default.weight"),
        ("blocks.0.norm1.bias", "blocks.0.attn.lora.query.a"),
    ] {
        let mut tensors = dino("model.");
        for tensor in &mut tensors {
            tensor.name = tensor.name.replace(from, to);
        }
        let error = map_of(&tensors).unwrap_err();
        assert!(error.contains("LoRA") && error.contains(to), "{error}");
    }
}

#[test]
fn families_that_are_not_read_are_named() {
    let plain: Vec<_> = dino("").into_iter().filter(|t| !t.name.contains(".ls")).collect();
    assert!(
        map_of(&plain)
            .unwrap_err()
            .contains("plain vision transformer (timm, MAE), which cannot be read yet")
    );
    let resenc = [stored("encoder.stages.0.blocks.0.conv1.conv.weight", &[32, 1, 3, 3, 3])];
    assert!(map_of(&resenc).unwrap_err().contains("this looks like a ResEnc encoder of nnU-Net"));
    // Its patches alone look like those of a MAE-ViT.
    let swin = [
        stored("swinViT.patch_embed.proj.weight", &[48, 1, 2, 2, 2]),
        stored("swinViT.layers1.0.blocks.0.attn.relative_position_bias_table", &[2197, 3]),
    ];
    assert!(map_of(&swin).unwrap_err().contains("SwinUNETR"));
}
