//! The segmentation network with the UPerNet head.

use burn::tensor::Tensor;
use transferscope_ml::{
    family::profound_conv::heads::upernet::{UperNet, UperNetConfig},
    nn::Mode,
};

use super::{A, Config, Io, MULTIPLE, half_squares, load, values, weights};
use crate::{Cases, Folder, Problem, Tolerance, whole};

pub const WEIGHTS: &str = "models/profound_upernet.pth.tar";
pub const IO: &str = "models/profound_upernet_io.safetensors";

/// Cells, in each direction, of the finest pooled map that is built.
const SCALE_LIMIT: usize = 64;

/// Compares every map on the way, logits with their gradients, and the second head.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let weights = weights(folder, WEIGHTS)?;
    let of = Config::open(folder, "upernet")?;
    let encoder = of.conv_next(&weights, "encoder.")?;
    let config = UperNetConfig {
        out: of.whole("out_channels")?,
        hidden: of.whole("hidden_size")?,
        auxiliary: of.whole("auxiliary_channels")?,
        pool_scales: of.list("pool_scales")?,
    };
    of.need(config.pool_scales.iter().all(|s| *s <= SCALE_LIMIT), || {
        format!("pool_scales {:?} are beyond {SCALE_LIMIT}", config.pool_scales)
    })?;
    let net = load(UperNet::<A>::new(&encoder, &config, &Default::default()), &weights)?;
    let mut io = Io::open(folder, IO, cases)?;
    let x = io.volume("input", encoder.in_channels, MULTIPLE)?;

    let maps = net.maps(x.clone());
    for (i, map) in maps.iter().enumerate() {
        io.compare(&format!("hidden_norm{i}"), map.clone())?;
    }
    let trace = net.upernet_head.decode_head.forward(maps);
    io.compare("psp_bottleneck", trace.coarsest)?;
    for (name, maps) in [("psp", trace.pooled), ("lateral", trace.laterals), ("fpn", trace.pyramid)] {
        for (i, map) in maps.into_iter().enumerate() {
            io.compare(&format!("{name}{i}"), map)?;
        }
    }
    io.compare("fpn_bottleneck", trace.joined)?;
    io.compare("logits_low", trace.logits)?;

    // Of the full-size results only some channels are stored, and named in the file.
    let stored = stored_channels(&of, config.out)?;
    let suffix = stored.iter().map(ToString::to_string).collect::<Vec<_>>().join("_");
    let logits = net.forward(x.clone(), Mode::Eval).logits;
    let name = format!("logits_ch{suffix}");
    io.compare(&name, channels(logits.clone(), &stored))?;
    if io.file.has("argmax") {
        let tie = 2.0 * io.tolerance(&name)?.max_abs;
        compare_classes(&mut io, logits.clone(), tie)?;
    }
    let loss = half_squares(logits);
    io.compare("loss", loss.clone())?;
    io.compare_gradients("grad.", &net, &loss)?;

    let output = net.forward(x, Mode::Train);
    let auxiliary = output.auxiliary.expect("training has a second head");
    io.compare(&format!("train.aux_ch{suffix}"), channels(auxiliary.clone(), &stored))?;
    let loss = half_squares(auxiliary);
    io.compare("train.loss", loss.clone())?;
    io.compare_gradients("train.grad.", &net, &loss)
}

fn stored_channels(of: &Config, out: usize) -> Result<Vec<usize>, Problem> {
    let what = "upernet stored_channels";
    let items = of.value["stored_channels"].as_array();
    let items = items.ok_or_else(|| Problem::new(format!("{what} is no list")))?;
    let channels = items.iter().map(|item| whole(item, what, 0));
    let channels = channels.collect::<Result<Vec<_>, _>>()?;
    of.need(!channels.is_empty() && channels.iter().all(|c| *c < out), || {
        format!("stored_channels {channels:?} are not among {out}")
    })?;
    Ok(channels)
}

fn channels(x: Tensor<A, 5>, stored: &[usize]) -> Tensor<A, 5> {
    let of = |c: &usize| x.clone().narrow(1, *c, 1);
    Tensor::cat(stored.iter().map(of).collect(), 1)
}

/// Compares the class of the largest logit. Where ours are within `tie` of each other, rounding
/// decides, and either class is right.
fn compare_classes(io: &mut Io<'_>, logits: Tensor<A, 5>, tie: f64) -> Result<(), Problem> {
    let [b, classes, d, h, w] = logits.dims();
    let theirs = io.file.get("argmax")?.data;
    let voxels = d * h * w;
    if theirs.len() != b * voxels {
        return Err(Problem::new(format!("{IO}: argmax is for {} voxels", theirs.len())));
    }
    let all = values(logits);
    let ours: Vec<f64> = theirs
        .iter()
        .enumerate()
        .map(|(i, class)| {
            let at = |c: usize| all[(i / voxels * classes + c) * voxels + i % voxels];
            let best = (0..classes).max_by(|x, y| at(*x).total_cmp(&at(*y))).unwrap_or(0);
            let named = (0..classes).find(|c| *c as f64 == *class);
            if named.is_some_and(|c| at(best) - at(c) <= tie) { *class } else { best as f64 }
        })
        .collect();
    io.cases.compare(IO, "argmax", &ours, &theirs, Tolerance::EXACT);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn network_matches() {
        crate::tests::assert_file_passes(super::IO);
    }
}
