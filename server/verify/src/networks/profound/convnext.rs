//! The 3-D ConvNeXt-V2 encoder: its maps, its pooled features and the layers of one block.

use burn::tensor::Tensor;
use transferscope_ml::{
    family::profound_conv::convnext::{ConvNext, ConvNextConfig},
    nn::{gelu::gelu, layer_norm::to_channels_last},
    params::{Fill, fill},
};

use super::{A, Config, Io, MULTIPLE, either, half_squares, load};
use crate::{Cases, Folder, Problem, Tolerance};

pub const WEIGHTS: &str = "models/profound_convnext_dense.safetensors";
/// The same in PyTorch's form.
const TORCH: &str = "models/profound_convnext_dense.pth";
pub const IO: &str = "models/profound_convnext_dense_io.safetensors";
pub const TRACE: &str = "models/profound_block_trace.safetensors";

/// Which block the trace is of: the second of the third stage.
const TRACED: (usize, usize) = (2, 1);
/// Layers of one block have no tolerance file: that of forward maps, by the README.
const LAYER: Tolerance = Tolerance::relative(1e-5);

fn encoder(folder: &Folder) -> Result<(ConvNext<A>, ConvNextConfig), Problem> {
    let weights = either(folder, WEIGHTS, TORCH)?;
    let config = Config::open(folder, "convnext_dense")?.conv_next(&weights, "")?;
    Ok((load(ConvNext::new(&config, &Default::default()), &weights)?, config))
}

/// Compares maps, pooled features and gradients for every input of the file.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let (net, config) = encoder(folder)?;
    let mut io = Io::open(folder, IO, cases)?;
    let inputs: Vec<String> =
        io.file.names().filter_map(|n| n.strip_suffix(".input")).map(Into::into).collect();
    for case in inputs {
        let x = io.volume(&format!("{case}.input"), config.in_channels, MULTIPLE)?;
        let maps = net.stages(x.clone(), None);
        for (i, map) in maps.iter().enumerate() {
            io.compare(&format!("{case}.stage{i}"), map.clone())?;
        }
        let last = maps[maps.len() - 1].clone();
        let pooled = net.pooled(last.clone());
        io.compare(&format!("{case}.pooled"), pooled.clone())?;
        let loss = half_squares(pooled);
        io.compare(&format!("{case}.loss"), loss.clone())?;
        io.compare_gradients(&format!("{case}.grad."), &net, &loss)?;

        let from_raw = format!("{case}.from_raw.pooled");
        if io.file.has(&from_raw) {
            io.compare(&from_raw, without_norm(net.clone()).pooled(last))?;
        }
        let loss_of_maps = format!("{case}.maps.loss");
        if io.file.has(&loss_of_maps) {
            // A pass of its own: the first one's backward pass has used it up.
            let loss = net.stages(x, None).into_iter().map(half_squares).reduce(Tensor::add);
            let loss = loss.expect("an encoder has four stages");
            io.compare(&loss_of_maps, loss.clone())?;
            io.compare_gradients(&format!("{case}.maps.grad."), &net, &loss)?;
        }
    }
    Ok(())
}

/// The last norm as a pre-training checkpoint leaves it, which does not have it.
fn without_norm(net: ConvNext<A>) -> ConvNext<A> {
    fill(net, |name, shape| match name {
        "norm.weight" => Fill::Values(vec![1.0; shape[0]]),
        "norm.bias" => Fill::Values(vec![0.0; shape[0]]),
        _ => Fill::Keep,
    })
}

/// Compares what every layer of one block gives.
pub fn check_trace(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let (net, config) = encoder(folder)?;
    let (stage, index) = TRACED;
    let block = net.stages.get(stage).and_then(|blocks| blocks.get(index));
    let block = block.ok_or_else(|| Problem::new(format!("there is no block {index} in stage {stage}")))?;
    let io = Io::open(folder, TRACE, cases)?;
    let x = io.volume("input", config.dims[stage], [1; 3])?;
    let dwconv = block.dwconv.forward(x.clone());
    let (flat, _) = to_channels_last(dwconv.clone());
    let norm = block.norm.forward(flat);
    let wide = block.pwconv1.forward(norm.clone());
    let act = gelu(wide.clone());
    let grn = block.grn.forward(act.clone());
    let narrow = block.pwconv2.forward(grn.clone());
    let mut compare = |name: &str, ours: Vec<f64>| -> Result<(), Problem> {
        io.cases.compare(TRACE, name, &ours, &io.file.get(name)?.data, LAYER);
        Ok(())
    };
    let values = super::values::<A, 3>;
    compare("dwconv", super::values(dwconv))?;
    compare("norm", values(norm))?;
    compare("pwconv1", values(wide))?;
    compare("act", values(act))?;
    compare("grn", values(grn))?;
    compare("pwconv2", values(narrow))?;
    compare("output", super::values(block.forward(x, None)))
}

#[cfg(test)]
mod tests {
    use crate::tests::assert_file_passes;

    #[test]
    fn encoder_matches() {
        assert_file_passes(super::IO);
    }

    #[test]
    fn block_matches() {
        assert_file_passes(super::TRACE);
    }
}
