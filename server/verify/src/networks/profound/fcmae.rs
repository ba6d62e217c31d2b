//! The pre-training objective of the convolution family, from a pre-training checkpoint.

use burn::tensor::Tensor;
use transferscope_ml::{
    checkpoint::{self, KeyMap, Pick},
    family::profound_conv::{
        convnext::STRIDE,
        fcmae::{Fcmae, FcmaeConfig, target},
    },
    params::{NamedTensor, collect, gradients},
};

use super::{A, Config, Io, MULTIPLE, load, raw};
use crate::{Cases, Folder, Problem};

pub const WEIGHTS: &str = "models/profound_fcmae_raw.pth";
pub const IO: &str = "models/profound_fcmae_objective.safetensors";

/// Tensors of the checkpoint outside the encoder.
const DECODER: [&str; 4] = ["proj.", "decoder.", "pred.", "mask_token"];

/// Compares what the encoder and the decoder give, target, losses, and gradients.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let (net, config) = network(folder, cases)?;
    let mut io = Io::open(folder, IO, cases)?;
    let x = io.volume("input", config.encoder.in_channels, MULTIPLE)?;
    let [b, _, d, h, w] = x.dims();
    let mask = io.file.get("mask")?;
    let count = d * h * w / STRIDE.pow(3);
    if mask.shape != [b, count] {
        return Err(Problem::new(format!("{IO}: mask has shape {:?}", mask.shape)));
    }
    let hidden: Tensor<A, 2> = mask.tensor(&x.device())?;
    let hidden = hidden.reshape([b, 1, d / STRIDE, h / STRIDE, w / STRIDE]);

    let latent = net.latent(x.clone(), hidden.clone());
    io.compare("latent", latent.clone())?;
    io.compare("pred", net.decode(latent, hidden.clone()))?;
    let name = "target_norm_first_two_patches";
    let goal = target(x.clone(), true);
    let values_of_cell = goal.dims()[2];
    io.compare(name, goal.slice([0..1, 0..count.min(2), 0..values_of_cell]))?;
    io.compare("loss_raw_pix", net.objective(x.clone(), hidden.clone(), false))?;
    let loss = net.objective(x, hidden, true);
    io.compare("loss_norm_pix", loss.clone())?;

    let ours: Vec<NamedTensor> = gradients(&net, &loss.backward()).iter().filter_map(raw::tensor).collect();
    let names: Vec<String> = io.file.names().filter(|n| n.starts_with("grad.")).map(Into::into).collect();
    for name in names {
        let found = ours.iter().find(|t| name[5..] == t.name);
        let found = found.ok_or_else(|| Problem::new(format!("{} has no gradient here", &name[5..])))?;
        let found: Vec<f64> = found.data.iter().map(|v| f64::from(*v)).collect();
        io.compare_values(&name, &found)?;
    }
    Ok(())
}

/// The network with the checkpoint's weights, which are compared once more on the way back.
fn network(folder: &Folder, cases: &mut Cases) -> Result<(Fcmae<A>, FcmaeConfig), Problem> {
    let mut file = checkpoint::open(&folder.path(WEIGHTS))?;
    let stored = file.weights()?;
    let mut dense = KeyMap::find(&mut file, &Pick::default())?.load(&mut file)?.tensors;
    let decoder = |t: &&NamedTensor| DECODER.iter().any(|d| t.name.starts_with(d));
    dense.extend(stored.iter().filter(decoder).cloned());
    let of = Config::open(folder, "fcmae")?;
    let config = FcmaeConfig {
        encoder: of.conv_next(&dense, "encoder.")?,
        decoder_dim: of.whole("decoder_embed_dim")?,
        decoder_depth: of.depth("decoder_depth")?,
    };
    of.need(of.array("patch_size")? == [STRIDE; 3], || {
        format!("a patch is not the {STRIDE} voxels of the encoder's stride")
    })?;
    let net = load(Fcmae::<A>::new(&config, &Default::default()), &dense)?;
    let back: Vec<NamedTensor> = collect(&net).iter().filter_map(raw::tensor).collect();
    let differs = stored.iter().find(|t| !back.contains(t)).map(|t| format!("{} comes back changed", t.name));
    let fewer = (stored.len() != back.len()).then(|| format!("{} tensors for {}", back.len(), stored.len()));
    cases.equal(WEIGHTS, "there and back", differs.or(fewer));
    Ok((net, config))
}

#[cfg(test)]
mod tests {
    #[test]
    fn objective_matches() {
        crate::tests::assert_file_passes(super::IO);
    }
}
