//! The segmentation network with the UNETR head.

use transferscope_ml::family::profound_conv::heads::unetr::ConvnextUnetr;

use super::{A, Config, Io, MULTIPLE, half_squares, load, weights};
use crate::{Cases, Folder, Problem};

pub const WEIGHTS: &str = "models/profound_unetr.pth.tar";
pub const IO: &str = "models/profound_unetr_io.safetensors";

/// Compares skips, levels, logits and gradients.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let weights = weights(folder, WEIGHTS)?;
    let of = Config::open(folder, "unetr")?;
    let config = of.conv_next(&weights, "encoder.")?;
    let (features, out) = (of.whole("feature_size")?, of.whole("out_channels")?);
    let net = load(ConvnextUnetr::<A>::new(&config, features, out, &Default::default()), &weights)?;
    let mut io = Io::open(folder, IO, cases)?;
    let x = io.volume("input", config.in_channels, MULTIPLE)?;
    let trace = net.forward(x);
    for (name, skip) in ["enc2", "enc3", "enc4"].into_iter().zip(trace.skips) {
        io.compare(name, skip)?;
    }
    for (name, level) in ["dec5", "dec4", "dec3"].into_iter().zip(trace.levels) {
        io.compare(name, level)?;
    }
    io.compare("logits", trace.logits.clone())?;
    let loss = half_squares(trace.logits);
    io.compare("loss", loss.clone())?;
    io.compare_gradients("grad.", &net, &loss)
}

#[cfg(test)]
mod tests {
    #[test]
    fn network_matches() {
        crate::tests::assert_file_passes(super::IO);
    }
}
