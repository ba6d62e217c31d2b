//! Networks that are known by the names of their tensors and cannot be read yet.
//!
//! # Source
//! backbones.md, "How to tell the family from the keys".

/// What a file holds that has no encoder that is read, as far as its names tell.
pub(super) fn looks_like(names: &[String], rank: impl Fn(usize) -> usize) -> Option<&'static str> {
    // A name in any folder of names.
    let at = |wanted: &str| {
        names.iter().position(|name| {
            name.strip_suffix(wanted).is_some_and(|folder| folder.is_empty() || folder.ends_with('.'))
        })
    };
    let has = |wanted: &str| at(wanted).is_some();
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    let ranked = |name: &str, wanted: usize| at(name).is_some_and(|at| rank(at) == wanted);
    Some(if any("stages.0.blocks.0.conv1.") || any("encoder.stages.0.0.blocks.0.conv1.") {
        "a ResEnc encoder of nnU-Net"
    } else if any("encoder.stages.0.0.convs.0.") || any("conv_blocks_context.0.blocks.0.") {
        "a plain U-Net of nnU-Net"
    } else if has("layers1.0.blocks.0.attn.relative_position_bias_table") {
        "a 3-D Swin transformer of SwinUNETR"
    } else if any("attn.relative_position_bias_table") {
        "a Swin transformer"
    } else if ranked("conv1.weight", 5) && has("layer1.0.conv1.weight") {
        "a 3-D ResNet of MedicalNet or MONAI"
    } else if ranked("conv1.weight", 4) && has("layer1.0.conv1.weight") {
        "a 2-D ResNet"
    } else if any("blocks.0.attn.rel_pos_h") {
        "an image encoder of SAM"
    } else if has("blocks.0.gamma_1") || has("storage_tokens") || has("layer.0.attention.q_proj.weight") {
        "a DINOv3 vision transformer"
    } else if any("vision_model.encoder.layers.0.") || has("encoder.layers.0.self_attn.q_proj.weight") {
        "a CLIP vision transformer of Hugging Face"
    } else if has("visual.conv1.weight") || any("visual.transformer.resblocks.0.") || any("visual.trunk.") {
        "a CLIP model of OpenAI or open_clip"
    } else if has("encoder.layer.0.attention.attention.query.weight") {
        "a ViT or ViTMAE of Hugging Face"
    } else if has("patch_embedding.patch_embeddings.weight") || has("patch_embedding.position_embeddings") {
        "a vision transformer of MONAI (UNETR)"
    } else if has("blocks.0.attn.qkv.weight") && ranked("patch_embed.proj.weight", 4) {
        "a plain vision transformer (timm, MAE)"
    } else if any("downsample_layers.0.0.") || (any("stages.0.blocks.0.conv_dw.") && has("stem.0.weight")) {
        "a 2-D ConvNeXt"
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_their_names() {
        for (names, rank, what) in [
            (&["network.encoder.stages.0.blocks.0.conv1.conv.weight"][..], 5, "ResEnc"),
            (&["swinViT.layers1.0.blocks.0.attn.relative_position_bias_table"], 2, "SwinUNETR"),
            (&["conv1.weight", "layer1.0.conv1.weight"], 5, "MedicalNet"),
            (&["conv1.weight", "layer1.0.conv1.weight"], 4, "2-D ResNet"),
            (&["blocks.0.gamma_1"], 1, "DINOv3"),
            (&["vision_model.encoder.layers.0.self_attn.q_proj.weight"], 2, "CLIP"),
            (&["vit.encoder.layer.0.attention.attention.query.weight"], 2, "ViTMAE"),
            (&["blocks.0.attn.qkv.weight", "patch_embed.proj.weight"], 4, "plain vision transformer"),
        ] {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            let found = looks_like(&names, |_| rank).unwrap_or_default();
            assert!(found.contains(what), "{names:?}: {found}");
        }
        assert_eq!(looks_like(&["fc.weight".to_owned()], |_| 2), None);
    }
}
