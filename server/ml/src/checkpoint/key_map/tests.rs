use serde_json::Value;
use transferscope_domain::Architecture;

use super::{
    super::{
        architecture::{Hints, infer, tensors},
        element::ElementType,
        file::Place,
        view::View,
    },
    *,
};
use crate::reference;

fn stored(name: &str, shape: &[usize]) -> StoredTensor {
    let place = Place { block: 0, view: View::whole(shape).unwrap() };
    StoredTensor { name: name.into(), shape: shape.to_vec(), element: ElementType::F32, place }
}

fn map_of(tensors: &[StoredTensor]) -> Result<KeyMap, String> {
    let names = unwrapped_names(tensors);
    let (network, prefix) = find(tensors, &names).map_err(|e| e.to_string())?;
    map(network, prefix, tensors, &names).map_err(|e| e.to_string())
}

/// The tensors of a full-size model, as a file would list them.
fn listing(file: &str) -> Option<Vec<StoredTensor>> {
    let json = reference::json(&format!("shapes/{file}.json"))?;
    let tensor = |key: &Value| {
        let shape: Vec<usize> =
            key[1].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
        stored(key[0].as_str().unwrap(), &shape)
    };
    Some(json["keys"].as_array().unwrap().iter().map(tensor).collect())
}

/// Holds what a full-size file is found to hold against what its architecture needs.
fn assert_complete(file: &str, name: &str, parameters: usize, unused: usize) -> Option<Architecture> {
    let map = map_of(&listing(file)?).unwrap();
    let architecture = infer(&map, Hints::default()).unwrap();
    assert_eq!(architecture.name(), name, "{file}");
    let mut needed = tensors(&architecture);
    needed.sort();
    let there: Vec<(String, Vec<usize>)> =
        map.names().map(|n| (n.to_owned(), map.shape(n).unwrap().to_vec())).collect();
    assert_eq!(there, needed, "{file}");
    assert_eq!(needed.iter().map(|(_, s)| s.iter().product::<usize>()).sum::<usize>(), parameters, "{file}");
    assert_eq!(map.unused().len(), unused, "{file}");
    Some(architecture)
}

/// Parameter counts are those of models.md.
#[test]
fn full_size_files_hold_all_that_their_encoders_need() {
    let conv = "profound-conv-tiny";
    let Some(dense) = assert_complete("profound_convnextv2_tiny_dense", conv, 29_311_680, 0) else { return };
    let raw = assert_complete("profound_convnextv2_tiny_fcmae_raw", conv, 29_311_680, 15);
    assert_eq!(raw, Some(dense));
    for file in ["profound_classifier_tiny_c4", "profound_upernet_tiny_o1", "profound_unetr_tiny_f32_o1"] {
        let all = listing(file).unwrap().len();
        assert_complete(file, conv, 29_311_680, all - 198);
    }
    let decoder = listing("profound_mae_vit_base").unwrap().len() - 150;
    assert_complete("profound_mae_vit_base", "profound-vit-base", 123_003_648, decoder);
    // The backbone without its mask token, and the axis tokens.
    let small = 22_058_112 - 384 + 1536;
    for (file, more) in [
        ("provicnet_dinov2_s_reg_448_contrastive", 0),
        ("provicnet_dinov2_s_reg_448_plain", 0),
        ("provicnet_dinov2_s_reg_448_trus", 0),
        ("provicnet_dinov2_s_reg_448_modal", 5 * 384),
    ] {
        let all = listing(file).unwrap().len();
        let used = 175 + 4 + if more > 0 { 2 } else { 0 };
        let found = assert_complete(file, "provicnet-small", small + more, all - used).unwrap();
        let Architecture::Provicnet { grid, registers, axis_tokens, modalities, .. } = found else {
            panic!()
        };
        assert_eq!((grid, registers, axis_tokens, modalities), (37, 4, true, if more > 0 { 4 } else { 0 }));
    }
    let base = 86_583_552 - 768 + 4 * 768;
    let all = listing("provicnet_dinov2_b_reg_448_plain").unwrap().len();
    assert_complete("provicnet_dinov2_b_reg_448_plain", "provicnet-base", base, all - 179);
}

#[test]
fn what_holds_no_backbone_is_named() {
    let Some(convmae) = listing("profound_convmae_vit_base") else { return };
    assert!(map_of(&convmae).unwrap_err().contains("ConvMAE"));
    assert!(map_of(&listing("provicnet_fusion").unwrap()).unwrap_err().contains("fusion head"));
    assert!(map_of(&[stored("fc.weight", &[2, 2])]).unwrap_err().contains("fc.weight"));
}

/// A small DINOv2 under a folder of names.
fn dino(folder: &str) -> Vec<StoredTensor> {
    let architecture = Architecture::Provicnet {
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
    };
    let name = |ours: &str| ours.replace("encoder.", folder);
    tensors(&architecture).iter().map(|(ours, shape)| stored(&name(ours), shape)).collect()
}

#[test]
fn wrappers_of_names_come_off() {
    let bare: Vec<String> = map_of(&dino("")).unwrap().names().map(str::to_owned).collect();
    assert!(bare.contains(&"encoder.blocks.1.ls2.gamma".to_owned()));
    for folder in
        ["backbone.", "encoder.", "module.backbone.", "_orig_mod.module.backbone.", "backbone._orig_mod."]
    {
        let map = map_of(&dino(folder)).unwrap();
        assert_eq!(map.names().collect::<Vec<_>>(), bare, "{folder}");
        assert!(map.unused().is_empty());
    }
    // Two of them, and one twice.
    let both: Vec<_> = dino("").into_iter().chain(dino("backbone.")).collect();
    assert!(map_of(&both).unwrap_err().contains("two encoders"));
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
    assert!(matches!(heads(Some(2)), Ok(Architecture::Provicnet { heads: 2, depth: 2, .. })));

    let vit = Architecture::ProfoundVit {
        in_channels: 3,
        image: [16, 24, 32],
        patch: [8, 8, 8],
        dim: 12,
        depth: 1,
        heads: 2,
    };
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
