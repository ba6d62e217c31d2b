//! The masked autoencoder with a vision transformer.

use transferscope_ml::{
    family::profound_vit::mae_vit::{MaeVit, MaeVitConfig},
    model::masked::Masking,
    params::{NamedTensor, collect},
};

use super::{A, Config, Io, either, load};
use crate::{Cases, Folder, Problem, Tolerance, number};

pub const WEIGHTS: &str = "models/profound_mae_vit.safetensors";
/// The same in PyTorch's form.
const TORCH: &str = "models/profound_mae_vit.pth";
pub const IO: &str = "models/profound_mae_vit_io.safetensors";

/// Tables are computed in double precision on both sides and rounded once; sines of libraries differ in
/// their last bit.
const TABLE: Tolerance = Tolerance { rel_l2: 1e-7, max_abs: 1e-7 };
/// The only eps of the layer normalisations that this network is built with.
const EPSILON: f64 = 1e-6;

fn config(folder: &Folder) -> Result<MaeVitConfig, Problem> {
    let of = Config::open(folder, "mae_vit")?;
    let config = MaeVitConfig {
        in_channels: of.whole("in_chans")?,
        image: of.array("img_size")?,
        patch: of.array("patch_size")?,
        dim: of.whole("embed_dim")?,
        depth: of.depth("depth")?,
        heads: of.whole("num_heads")?,
        decoder_dim: of.whole("decoder_embed_dim")?,
        decoder_depth: of.depth("decoder_depth")?,
        decoder_heads: of.whole("decoder_num_heads")?,
    };
    of.cells(config.patch, config.image, config.in_channels)?;
    of.tokens(config.dim, config.heads, config.patches())?;
    of.tokens(config.decoder_dim, config.decoder_heads, config.patches())?;
    let epsilon = number(&of.value["norm_eps"])?;
    of.need(epsilon == EPSILON, || format!("norm_eps is {epsilon}, our networks have {EPSILON}"))?;
    Ok(config)
}

/// Compares the position tables, the masked pass with its losses, and all tokens without a mask.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let config = config(folder)?;
    let weights = either(folder, WEIGHTS, TORCH)?;
    let new = MaeVit::<A>::new(&config, &Default::default());
    for table in collect(&new).into_iter().filter(|t| t.name.ends_with("pos_embed")) {
        let values = |t: &NamedTensor| t.data.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let theirs = weights.iter().find(|t| t.name == table.name).map(values).unwrap_or_default();
        cases.compare(WEIGHTS, &table.name, &values(&table), &theirs, TABLE);
    }
    let net = load(new, &weights)?;
    let mut io = Io::open(folder, IO, cases)?;
    let x = io.volume("input", config.in_channels, config.image)?;
    let [samples, _, d, h, w] = x.dims();
    if [d, h, w] != config.image {
        return Err(Problem::new(format!("{IO}: input is no image of {:?} voxels", config.image)));
    }

    let masking = masking(&io, samples, config.patches())?;
    io.cases.compare(
        IO,
        "ids_restore",
        &masking.restore().concat().iter().map(|i| *i as f64).collect::<Vec<_>>(),
        &io.file.get("ids_restore")?.data,
        Tolerance::EXACT,
    );
    io.compare("mask", masking.hidden::<A>(&x.device()))?;
    let latent = net.mae_encoder.latent(x.clone(), &masking);
    io.compare("latent", latent.clone())?;
    io.compare("pred", net.decode(latent, &masking))?;
    io.compare("loss_raw_pix", net.objective(x.clone(), &masking, false))?;
    let loss = net.objective(x.clone(), &masking, true);
    io.compare("loss_norm_pix", loss.clone())?;
    io.compare_gradients("grad.", &net, &loss)?;

    let all = net.mae_encoder.forward(x);
    io.compare("unmasked.patch_embed", all.patches)?;
    for (i, block) in all.blocks.into_iter().enumerate() {
        io.compare(&format!("unmasked.block{i}"), block)?;
    }
    io.compare("unmasked.tokens", all.tokens)
}

/// The mask that the noise decides on; how many cells stay is read from what the encoder gave.
fn masking(io: &Io<'_>, samples: usize, cells: usize) -> Result<Masking, Problem> {
    let noise = io.file.get("noise")?;
    let visible = io.tensor::<3>("latent")?.dims()[1].checked_sub(1).filter(|n| (1..cells).contains(n));
    let visible =
        visible.ok_or_else(|| Problem::new(format!("{IO}: latent is for no part of {cells} cells")))?;
    if noise.shape != [samples, cells] {
        return Err(Problem::new(format!("{IO}: noise has shape {:?}", noise.shape)));
    }
    Ok(Masking::from_noise(&noise.f32().chunks(cells).map(<[f32]>::to_vec).collect::<Vec<_>>(), visible))
}

#[cfg(test)]
mod tests {
    #[test]
    fn autoencoder_matches() {
        crate::tests::assert_file_passes(super::IO);
    }
}
