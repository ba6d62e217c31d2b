//! Checkpoint files that their own libraries wrote, read as a backbone is.

use transferscope_ml::{
    backbone::{
        add::{AddOptions, add},
        read,
    },
    checkpoint::{Container, KeyMap, Pick, architecture::Hints, open},
    family::provicnet::position::resized_positions,
    params::NamedTensor,
};

use super::reference;
use crate::Folder;

#[test]
fn files_of_pytorch_equal_those_of_safetensors() {
    let Some(folder) = reference::whole() else { return };
    for name in ["profound_convnext_dense", "profound_mae_vit", "provicnet_tiny"] {
        let path = folder.join(format!("models/{name}.pth"));
        let mut torch = open(&path).unwrap();
        let mut plain = open(&path.with_extension("safetensors")).unwrap();
        let kinds = (torch.container(), plain.container());
        assert_eq!(kinds, (Container::Torch, Container::Safetensors));
        let (mut ours, mut theirs) = (torch.weights().unwrap(), plain.weights().unwrap());
        ours.sort_by(|a, b| a.name.cmp(&b.name));
        theirs.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(!ours.is_empty() && ours == theirs, "{name}");
    }
}

#[test]
fn a_training_container_is_read_and_its_arguments_told() {
    let Some(models) = reference::whole().map(|f| f.join("models")) else { return };
    let file = open(&models.join("profound_fcmae_raw.pth")).unwrap();
    assert_eq!(file.wrapper().as_deref(), Some("model"));
    assert!(file.tensors().iter().all(|t| !t.name.starts_with("optimizer")));
    let metadata = file.metadata();
    assert!(metadata.contains_key("epoch"), "{metadata:?}");
    assert!(metadata.keys().any(|k| k.starts_with("args.")), "{metadata:?}");
    for name in ["profound_classifier", "profound_unetr", "profound_upernet"] {
        let mut file = open(&models.join(format!("{name}.pth.tar"))).unwrap();
        assert_eq!(file.wrapper().as_deref(), Some("model"));
        assert!(file.weights().unwrap().iter().any(|t| t.name.starts_with("encoder.")));
    }
}

/// The same weights in each, under other names and in other containers.
#[test]
fn real_files_of_one_network_hold_one_encoder() {
    let Some(folder) = reference::whole().map(|f| f.join("backbones")) else { return };
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

#[test]
fn a_raw_pre_training_file_says_what_it_does_not_have() {
    let Some(models) = reference::whole().map(|f| f.join("models")) else { return };
    let data = tempfile::tempdir().unwrap();
    let backbones = data.path().join("backbones");
    let norm = ["encoder.norm.bias", "encoder.norm.weight"];
    let card = add(&backbones, &models.join("profound_fcmae_raw.pth"), &AddOptions::default()).unwrap();
    assert_eq!(card.load_report.defaulted, norm);
    assert!(card.load_report.unused.iter().any(|n| n.starts_with("decoder.")));
    let stored = read(data.path(), "backbones/profound_fcmae_raw/weights.safetensors", None).unwrap();
    assert_eq!(stored.defaulted, norm);
    let scale = stored.tensors.iter().find(|t| t.name == "encoder.norm.weight").unwrap();
    assert!(scale.data.iter().all(|v| *v == 1.0));

    // Of an odd width, so that the number of heads has to be told.
    let vit = models.join("provicnet_tiny.pth");
    let untold = add(&backbones, &vit, &AddOptions::default()).unwrap_err().to_string();
    assert!(untold.contains("--heads"), "{untold}");
    let hints = Hints { heads: Some(2), image: Some([16, 24, 32]) };
    let told = AddOptions { hints, ..AddOptions::default() };
    assert_eq!(add(&backbones, &vit, &told).unwrap().architecture.kind(), "provicnet");
    let mae = add(&backbones, &models.join("profound_mae_vit.pth"), &told).unwrap();
    assert_eq!(mae.architecture.kind(), "profound-vit");
    for name in ["profound_fcmae_raw", "provicnet_tiny", "profound_mae_vit"] {
        assert!(backbones.join(name).join("card.json").is_file(), "{name}");
    }
}

/// ProViCNet's table of 37 x 37 patches for a smaller image.
#[test]
fn a_table_is_resized_as_dinov2_with_registers_does() {
    let Some(root) = reference::whole() else { return };
    let folder = Folder::open(&root).unwrap();
    let weights = folder.tensors("models/provicnet_tiny.safetensors").unwrap();
    let io = folder.tensors("models/provicnet_tiny_io.safetensors").unwrap();
    let tensor = |name: &str, file: &str| {
        let array = weights.get(file).unwrap();
        NamedTensor { name: name.into(), data: array.f32(), shape: array.shape }
    };
    let table = tensor("encoder.pos_embed", "backbone.pos_embed");
    let patches = tensor("encoder.patch_embed.proj.weight", "backbone.patch_embed.proj.weight");
    let theirs = io.get("pos_embed_resized").unwrap();
    let encoder = [(patches.name.as_str(), &patches)].into();
    let ours = resized_positions(&table, &theirs.shape, &encoder).unwrap();
    assert_eq!(ours.len(), theirs.data.len());
    let squares = ours.iter().zip(&theirs.data).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>();
    assert!(squares < 1e-10 * theirs.data.iter().map(|b| b * b).sum::<f64>());
}
