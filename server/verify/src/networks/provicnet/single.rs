//! Whole models for one image, forward and backward.

use burn::backend::Autodiff;
use burn::tensor::{Tensor, backend::Backend};
use burn_flex::Flex;
use transferscope_ml::family::provicnet::{
    published::{MODALITIES, Place, PublishedTrace, Variant},
    vit::VitConfig,
};

use super::{
    model::{Configs, published, tiny},
    same::Expected,
};
use crate::{Cases, Folder, Problem, Tensors};

type A = Autodiff<Flex>;

/// Whose input other files use.
const TINY: &str = "provicnet_tiny_io.safetensors";

/// Most values of one slice's attention maps, and most patches, that are computed here.
const MAPS: usize = 1 << 28;
const PATCHES: usize = 1 << 15;

/// Images that fit a backbone with `channels` channels in front of it.
fn image<B: Backend>(
    tensors: &Tensors,
    name: &str,
    config: &VitConfig,
    channels: usize,
) -> Result<Tensor<B, 4>, Problem> {
    let x = tensors.get(name)?.tensor::<B, 4>(&Default::default())?;
    let [s, c, h, w] = x.dims();
    let p = config.patch;
    let patches = (h / p) * (w / p);
    let tokens = patches + config.registers + 4;
    let fits = c == channels && s > 0 && patches > 0 && h.is_multiple_of(p) && w.is_multiple_of(p);
    if !fits || s * patches > PATCHES || config.heads * tokens * tokens > MAPS {
        return Err(Problem::new(format!("{name} has shape {:?}, which the model cannot take", x.dims())));
    }
    Ok(x)
}

/// One row of `columns` values for each slice of `x`.
fn rows<B: Backend>(
    tensors: &Tensors,
    name: &str,
    x: &Tensor<B, 4>,
    columns: usize,
) -> Result<Tensor<B, 2>, Problem> {
    let rows = tensors.get(name)?.tensor::<B, 2>(&Default::default())?;
    if rows.dims() != [x.dims()[0], columns] {
        return Err(Problem::new(format!("{name} has shape {:?} for {} slices", rows.dims(), x.dims()[0])));
    }
    Ok(rows)
}

/// The contrastive form: everything on the way, and gradients.
pub fn contrastive(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let config = Configs::open(folder)?.vit()?;
    let model = published::<A>(folder, "provicnet_tiny", tiny(folder)?)?;
    let mut expected = Expected::open(folder, TINY, cases)?;
    let x = image::<A>(expected.tensors(), "input", &config, config.in_channels)?;
    let axis = rows(expected.tensors(), "pos", &x, 2)?;
    let PublishedTrace { backbone, head, .. } = model.trace(x, Some(Place { axis, modality: None }));
    let output = &backbone.output;
    let [_, _, h, w] = output.map.dims();

    expected.same("patch_embed", backbone.patch_embed.clone())?;
    expected.same("pos_embed_resized", model.backbone.position_table(h, w))?;
    expected.same("tokens_in", backbone.tokens_in.clone())?;
    for (i, block) in backbone.blocks.iter().enumerate() {
        expected.same(&format!("block{i}"), block.clone())?;
    }
    if let Some(last) = backbone.blocks.last() {
        expected.same("prenorm", last.clone())?;
    }
    expected.same("cls", output.class())?;
    for (name, tokens) in [("registers", output.registers()), ("postokens", output.further())] {
        if let Some(tokens) = tokens {
            expected.same(name, tokens)?;
        }
    }
    expected.same("patchtokens", output.patches())?;
    expected.same("features", output.map.clone())?;
    expected.same_first_channels("head1_ch0_7", head.conv1)?;
    expected.same_first_channels("head5_ch0_7", head.conv2)?;
    expected.same_first_channels("head7_ch0_7", head.act2)?;
    expected.same("logits", head.logits.clone())?;

    let projection = model.cl_head.as_ref().ok_or_else(|| Problem::new("no contrastive head"))?;
    // The patch at row 1, column 2.
    if h < 2 || w < 3 {
        return Err(Problem::new(format!("a grid of {h} x {w} patches has no row 1, column 2")));
    }
    let token = output.patches().narrow(1, w + 2, 1).squeeze_dim(1);
    expected.same("cl_head", projection.forward(token))?;
    expected.same_gradients(&model, head.logits)
}

/// The real image size.
pub fn full_size(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let config = Configs::open(folder)?.vit()?;
    let model = published::<Flex>(folder, "provicnet_tiny", tiny(folder)?)?;
    let mut expected = Expected::open(folder, "provicnet_tiny_448_io.safetensors", cases)?;
    let bytes = image::<Flex>(expected.tensors(), "input_u8", &config, config.in_channels)?;
    let x = bytes / 64.0 - 2.0;
    let axis = rows(expected.tensors(), "pos", &x, 2)?;
    let PublishedTrace { backbone, head, .. } = model.trace(x, Some(Place { axis, modality: None }));
    let [_, _, h, w] = backbone.output.map.dims();
    expected.same("pos_embed_resized", model.backbone.position_table(h, w))?;
    expected.same("cls", backbone.output.class())?;
    expected.same("patchtokens", backbone.output.patches())?;
    let [s, c, height, width] = head.logits.dims();
    let fourth = head.logits.reshape([s * c, height / 4, 4, width / 4, 4]);
    let fourth = fourth.slice([0..s * c, 0..height / 4, 0..1, 0..width / 4, 0..1]);
    expected.same("logits_every4", fourth.reshape([s, c, height / 4, width / 4]))
}

/// Plain DINOv2 tokens, on the first slice of the contrastive form's input.
pub fn without_place(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let config = Configs::open(folder)?.vit()?;
    let model = published::<Flex>(folder, "provicnet_tiny", tiny(folder)?)?;
    let input = folder.tensors(&format!("models/{TINY}"))?;
    let x = image::<Flex>(&input, "input", &config, config.in_channels)?.narrow(0, 0, 1);
    let PublishedTrace { backbone, head, .. } = model.trace(x, None);
    let mut expected = Expected::open(folder, "provicnet_tiny_nopos_io.safetensors", cases)?;
    expected.same("patchtokens", backbone.output.patches())?;
    expected.same("logits", head.logits)
}

/// The form with a modality token, on the contrastive form's input.
pub fn modal(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let config = Configs::open(folder)?.vit()?;
    let variant = Variant { modal: true, ..Variant::default() };
    let model = published::<Flex>(folder, "provicnet_tiny_modal", variant)?;
    let input = folder.tensors(&format!("models/{TINY}"))?;
    let x = image::<Flex>(&input, "input", &config, config.in_channels)?;
    let mut expected = Expected::open(folder, "provicnet_tiny_modal_io.safetensors", cases)?;
    let axis = rows(expected.tensors(), "pos", &x, 2)?;
    let modality = Some(rows(expected.tensors(), "modal", &x, MODALITIES)?);
    let PublishedTrace { backbone, head, .. } = model.trace(x, Some(Place { axis, modality }));
    if let Some(tokens) = backbone.output.further() {
        expected.same("postokens", tokens)?;
    }
    expected.same("logits", head.logits)
}

/// The ultrasound form.
pub fn ultrasound(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let configs = Configs::open(folder)?;
    let (config, channels) = (configs.vit()?, configs.reduced_from()?);
    let variant = Variant { reduced_from: Some(channels), ..tiny(folder)? };
    let model = published::<A>(folder, "provicnet_tiny_trus", variant)?;
    let mut expected = Expected::open(folder, "provicnet_tiny_trus_io.safetensors", cases)?;
    let x = image::<A>(expected.tensors(), "input", &config, channels)?;
    let axis = rows(expected.tensors(), "pos", &x, 2)?;
    let PublishedTrace { input, backbone, head } = model.trace(x, Some(Place { axis, modality: None }));
    expected.same("reduced", input)?;
    expected.same("features", backbone.output.map)?;
    expected.same("logits", head.logits.clone())?;
    expected.same_gradients(&model, head.logits)
}
