//! `layers/layers.safetensors`: every layer on its own, forward and backward.
//!
//! Which layer a case is says its name; sizes, kernels and strides are read from the tensors.

use std::collections::BTreeSet;

use burn::nn::GroupNormConfig;
use burn::tensor::{Tensor, activation::leaky_relu};
use transferscope_ml::{
    family::provicnet::{slice_head::double, vit::Block},
    nn::{
        Mode,
        batch_norm::BatchNorm,
        conv::SameConv3d,
        depthwise::DepthwiseConv3d,
        gelu::gelu,
        grn::Grn,
        layer_norm::{channels_first, layer_norm},
        patch::{PatchConv3d, PatchUp3d},
        resize::{adaptive_average, antialiased_bicubic, bicubic, linear, resize_axes},
        rows::group_norm,
    },
};

use crate::{Cases, Folder, Problem, Tensors, Tolerance};
use case::{B, Case};

pub mod case;

pub const FILE: &str = "layers/layers.safetensors";
pub const TOLERANCES: &str = "layers/layers_tolerances.json";

/// Heads of `vit_block`: no tensor tells their number.
const HEADS: usize = 2;
/// Our resizing matrices are rounded to single precision, the file's are not.
const SINGLE: Tolerance = Tolerance::relative(1e-6);

/// Compares every layer of the file.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.tensors(FILE)?;
    let tolerances = folder.tolerances(TOLERANCES)?;
    let names: BTreeSet<&str> =
        file.names().filter_map(|n| n.split_once('.')).map(|(name, _)| name).collect();
    for name in names {
        let outcome = match name {
            "matrix" => matrices(&file, cases),
            _ => layer(&mut Case { path: FILE, file: &file, tolerances: &tolerances, cases, name }),
        };
        // The other layers are compared all the same.
        if let Err(problem) = outcome {
            cases.problem(FILE, &problem);
        }
    }
    Ok(())
}

fn layer(case: &mut Case<'_>) -> Result<(), Problem> {
    let name = case.name;
    let is = |prefix: &str| name.starts_with(prefix);
    if is("conv3d") {
        convolution(case)
    } else if is("convtranspose3d") {
        transposed_convolution(case)
    } else if is("dwconv3d") {
        depthwise(case)
    } else if is("batchnorm1d") {
        batch_norm::<2>(case)
    } else if is("batchnorm2d") {
        batch_norm::<4>(case)
    } else if is("instancenorm3d") {
        instance_norm(case)
    } else if is("layernorm") {
        layer_normalisation(case)
    } else if is("grn") {
        response_norm(case)
    } else if is("vit_block") {
        vit_block(case)
    } else if is("gelu_exact") {
        case.function::<2, 2>(gelu)
    } else if is("leaky_relu_0p01") {
        case.function::<2, 2>(|x| leaky_relu(x, 0.01))
    } else if is("maxpool3d") {
        max_pool(case)
    } else if is("nearest_x2") {
        case.function::<4, 4>(double)
    } else {
        resizing(case)
    }
}

fn convolution(case: &mut Case<'_>) -> Result<(), Problem> {
    let device = Default::default();
    let [to, from, kd, kh, kw] = case.shape("param.weight")?;
    let [_, channels, d, h, w] = case.shape("input")?;
    case.need(channels == from, || format!("{channels} channels for {from}"))?;
    let kernel = [kd, kh, kw];
    let [_, _, out_d, out_h, out_w] = case.shape("output")?;
    if [out_d, out_h, out_w] == [d, h, w] {
        case.need(kernel == [kd; 3] && kd % 2 == 1, || {
            format!("no layer of ours has the kernel {kernel:?}")
        })?;
        return case.module(SameConv3d::<B>::new(from, to, kd, &device), |layer, x| layer.forward(x));
    }
    case.need(kd <= d && kh <= h && kw <= w, || format!("the kernel {kernel:?} is larger than the input"))?;
    case.module(PatchConv3d::<B>::new(from, to, kernel, &device), |layer, x| layer.forward(x))
}

fn transposed_convolution(case: &mut Case<'_>) -> Result<(), Problem> {
    let [from, to, kd, kh, kw] = case.shape("param.weight")?;
    let [_, channels, ..] = case.shape::<5>("input")?;
    case.need(channels == from, || format!("{channels} channels for {from}"))?;
    let layer = PatchUp3d::<B>::new(from, to, [kd, kh, kw], &Default::default());
    case.module(layer, |layer, x| layer.forward(x))
}

fn depthwise(case: &mut Case<'_>) -> Result<(), Problem> {
    let [to, from, kd, kh, kw] = case.shape("param.weight")?;
    let [_, channels, ..] = case.shape::<5>("input")?;
    let kernel = [kd, kh, kw];
    case.need(kernel == [kd; 3] && kd % 2 == 1, || format!("no layer of ours has the kernel {kernel:?}"))?;
    case.need(from == 1 && to == channels, || format!("a kernel of {to} x {from} for {channels} channels"))?;
    let layer = DepthwiseConv3d::<B>::new(channels, kd, &Default::default());
    case.module(layer, |layer, x| layer.forward(x))
}

fn batch_norm<const D: usize>(case: &mut Case<'_>) -> Result<(), Problem> {
    let shape: [usize; D] = case.shape("input")?;
    let mode = if case.name.ends_with("train") { Mode::Train } else { Mode::Eval };
    let values = shape.iter().product::<usize>() / shape[1];
    case.need(mode == Mode::Eval || values > 1, || "a channel with one value has no variance".into())?;
    let layer = BatchNorm::<B>::new(shape[1], &Default::default());
    case.module(layer, |layer, x: Tensor<B, D>| layer.forward(x, mode))
}

fn instance_norm(case: &mut Case<'_>) -> Result<(), Problem> {
    let [_, channels, ..] = case.shape::<5>("input")?;
    let layer = GroupNormConfig::new(channels, channels).with_affine(false).init::<B>(&Default::default());
    case.function::<5, 5>(|x| group_norm(&layer, x, 1.0))
}

fn layer_normalisation(case: &mut Case<'_>) -> Result<(), Problem> {
    let device = Default::default();
    if case.name.ends_with("last") {
        let [.., channels] = case.shape::<3>("input")?;
        return case.module(layer_norm::<B>(channels, &device), |layer, x: Tensor<B, 3>| layer.forward(x));
    }
    let [_, channels, ..] = case.shape::<5>("input")?;
    case.module(layer_norm::<B>(channels, &device), channels_first)
}

fn response_norm(case: &mut Case<'_>) -> Result<(), Problem> {
    let [b, d, h, w, c] = case.shape("input")?;
    case.module(Grn::<B>::new(c, &Default::default()), |layer, x: Tensor<B, 5>| {
        layer.forward(x.reshape([b, d * h * w, c])).reshape([b, d, h, w, c])
    })
}

fn vit_block(case: &mut Case<'_>) -> Result<(), Problem> {
    let [.., dim] = case.shape::<3>("input")?;
    case.need(dim % HEADS == 0, || format!("{dim} values cannot be shared by {HEADS} heads"))?;
    let block = Block::<B>::new(dim, &Default::default());
    case.module(block, |block, x: Tensor<B, 3>| block.forward(x, HEADS))
}

/// Windows that do not overlap, their size the ratio of input and output.
fn max_pool(case: &mut Case<'_>) -> Result<(), Problem> {
    let [b, c, d, h, w] = case.shape("input")?;
    let [.., od, oh, ow] = case.shape::<5>("output")?;
    let divides = d % od == 0 && h % oh == 0 && w % ow == 0;
    case.need(divides, || format!("[{d}, {h}, {w}] is no multiple of [{od}, {oh}, {ow}]"))?;
    case.function::<5, 5>(|x| {
        let windows = x.reshape([b, c, od, d / od, oh, h / oh, ow, w / ow]);
        windows.max_dim(3).max_dim(5).max_dim(7).reshape([b, c, od, oh, ow])
    })
}

fn resizing(case: &mut Case<'_>) -> Result<(), Problem> {
    let name = case.name;
    if name.starts_with("adaptive_avg_pool3d") || name.starts_with("trilinear") {
        let [.., d, h, w] = case.shape::<5>("output")?;
        let matrix: fn(usize, usize) -> Vec<f32> =
            if name.starts_with("trilinear") { linear } else { adaptive_average };
        return case.function::<5, 5>(|x| resize_axes(x, [d, h, w], matrix));
    }
    let matrix: fn(usize, usize) -> Vec<f32> = if name.starts_with("bicubic_antialias") {
        antialiased_bicubic
    } else if name.starts_with("bicubic_scale") {
        |from, to| bicubic(from, to, from as f64 / (to as f64 + OFFSET))
    } else if name.starts_with("bilinear_no_antialias") {
        linear
    } else {
        return Err(case.problem("no check is for a layer of this name"));
    };
    let [.., h, w] = case.shape::<4>("output")?;
    case.function::<4, 4>(|x| resize_axes(x, [h, w], matrix))
}

/// What DINOv2 adds to the wanted size before it divides by it.
const OFFSET: f64 = 0.1;

/// The matrices by themselves, `matrix.NAME` of shape `[n_out, n_in]`.
fn matrices(file: &Tensors, cases: &mut Cases) -> Result<(), Problem> {
    for name in file.names().filter(|n| n.starts_with("matrix.")) {
        let theirs = file.get(name)?;
        let &[to, from] = theirs.shape.as_slice() else {
            return Err(Problem::new(format!("{name} has shape {:?}, not two dimensions", theirs.shape)));
        };
        let ours = if name.starts_with("matrix.bicubic_antialias") {
            antialiased_bicubic(from, to)
        } else if name.starts_with("matrix.trilinear") {
            linear(from, to)
        } else {
            return Err(Problem::new(format!("{name}: no check is for a matrix of this name")));
        };
        let ours: Vec<f64> = ours.into_iter().map(f64::from).collect();
        cases.compare(FILE, name, &ours, &theirs.data, SINGLE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_layer_passes() {
        assert_file_passes(FILE);
    }
}
