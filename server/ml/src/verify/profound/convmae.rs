//! The autoencoder with masked convolution stages.

use super::{A, Config, Io, load};
use crate::verify::tensors::ToParameters;
use crate::{
    model::{
        convmae::{ConvMae, ConvMaeConfig, StageFeatures},
        masked::Masking,
    },
    verify::{Cases, Folder, Problem},
};

pub const WEIGHTS: &str = "models/profound_convmae.safetensors";
pub const IO: &str = "models/profound_convmae_io.safetensors";

/// Most stages of a network that is built, and largest stride of one.
const STAGE_LIMIT: usize = 8;
const SCALE_LIMIT: usize = 16;

fn config(folder: &Folder) -> Result<ConvMaeConfig, Problem> {
    let of = Config::open(folder, "convmae")?;
    let config = ConvMaeConfig {
        in_channels: of.whole("in_chans")?,
        image: of.array("image_size")?,
        patch: of.array("patch_size")?,
        scale: of.array("scale_factor")?,
        conv_channels: of.list("conv_chans")?,
        conv_blocks: of.depth("conv_n_blocks")?,
        dim: of.whole("enc_embed_dim")?,
        depth: of.depth("enc_depth")?,
        heads: of.whole("enc_n_heads")?,
        decoder_dim: of.whole("dec_embed_dim")?,
        decoder_depth: of.depth("dec_depth")?,
        decoder_heads: of.whole("dec_n_heads")?,
    };
    let stages = config.conv_channels.len();
    of.need((1..=STAGE_LIMIT).contains(&stages) && config.scale.iter().all(|s| *s <= SCALE_LIMIT), || {
        format!("{stages} stages of stride {:?}", config.scale)
    })?;
    of.cells(config.cell(), config.image, config.in_channels)?;
    let cells = config.grid().iter().product();
    of.tokens(config.dim, config.heads, cells)?;
    of.tokens(config.decoder_dim, config.decoder_heads, cells)?;
    Ok(config)
}

/// Compares the masked pass with its loss and gradients, and the features without a mask.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let config = config(folder)?;
    let weights = folder.tensors(WEIGHTS)?;
    let net = load(ConvMae::<A>::new(&config, &Default::default()), &weights.parameters("")?)?;
    let mut io = Io::open(folder, IO, cases)?;
    let x = io.volume("input", config.in_channels, config.image)?;
    let [samples, _, d, h, w] = x.dims();
    if [d, h, w] != config.image {
        return Err(Problem::new(format!("{IO}: input is no image of {:?} voxels", config.image)));
    }

    let masking = masking(&io, samples, config.grid().iter().product())?;
    let StageFeatures { maps, tokens } = net.stages(x.clone(), Some(&masking));
    for (i, map) in maps.iter().enumerate() {
        io.compare(&format!("skip{i}"), map.clone())?;
    }
    io.compare("visible_tokens", tokens.clone())?;
    let encoded = net.encode(tokens);
    io.compare("encoded", encoded.clone())?;
    io.compare("pred", net.decode(&maps, encoded, &masking))?;
    let loss = net.objective(x.clone(), &masking, false);
    io.compare("loss_out", loss.clone())?;
    io.compare_gradients("grad.", &net, &loss)?;

    let StageFeatures { maps, tokens } = net.stages(x, None);
    for (i, map) in maps.into_iter().enumerate() {
        io.compare(&format!("unmasked.skip{i}"), map)?;
    }
    io.compare("unmasked.tokens_in", tokens.clone())?;
    io.compare("unmasked.encoded", net.encode(tokens))
}

fn masking(io: &Io<'_>, samples: usize, cells: usize) -> Result<Masking, Problem> {
    let mask = io.file.get("mask")?;
    if mask.shape != [samples, cells] {
        return Err(Problem::new(format!("{IO}: mask has shape {:?}", mask.shape)));
    }
    let hidden: Vec<Vec<bool>> =
        mask.data.chunks(cells).map(|m| m.iter().map(|v| *v != 0.0).collect()).collect();
    let masking = Masking::from_hidden(&hidden).filter(|m| (1..cells).contains(&m.visible()));
    masking.ok_or_else(|| {
        Problem::new(format!("{IO}: mask hides other numbers of cells in each sample, none or all"))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn autoencoder_matches() {
        crate::verify::tests::assert_file_passes(super::IO);
    }
}
