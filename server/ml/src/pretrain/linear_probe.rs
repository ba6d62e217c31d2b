//! What frozen features know of anatomy: a linear probe solved in closed form.
//!
//! Every cell of the finest feature map gets the features of all maps at its place; a ridge regression
//! from them to the shares of background, gland and lesion in the cell is fitted on the training cases,
//! and its largest score is the prediction of all voxels of the cell. No learning rate and no seed, so
//! that two encoders differ in their features alone.

use burn::tensor::{Tensor, backend::Backend};
use nalgebra::{DMatrix, linalg::Cholesky};

use crate::{
    data::window::window,
    family::Net,
    metrics,
    nn::kernels::Kernels,
    train::{
        batch::{TargetBatch, whole},
        evaluate::values,
        example::{Example, PRETRAINING_CLASSES, Target},
        sampling::SamplingGeometry,
    },
};

/// Ridge relative to the mean of the normal matrix's diagonal.
const RIDGE: f64 = 1e-3;

/// Mean Dice of gland and lesion on `val` of the probe fitted on `train`; none where no case has either
/// or the features are useless (constant or not finite).
pub fn dice<B: Kernels>(
    net: &Net<B>,
    sampling: SamplingGeometry,
    train: &[Example],
    val: &[Example],
    device: &B::Device,
) -> Option<f64> {
    let weights = fit(net, sampling, train, device)?;
    let mut by_case = Vec::new();
    for example in val {
        let mut labels = Vec::with_capacity(example.voxels());
        for batch in whole(example, sampling) {
            let batch = batch.on::<B>(device);
            let (features, grid) = features(net.maps(batch.input));
            let [_, c] = features.dims();
            let w = Tensor::<B, 2>::from_data(
                burn::tensor::TensorData::new(weights.clone(), [c, PRETRAINING_CLASSES]),
                device,
            );
            let best = values(features.matmul(w).argmax(1).float());
            labels.extend(enlarged(&best, grid, &batch.target));
        }
        let Target::Labels(truth) = &example.target else { continue };
        labels = cut(labels, example, sampling);
        by_case.push(metrics::dice_by_class(&labels, truth, (PRETRAINING_CLASSES - 1) as u8));
    }
    let known: Vec<f64> = metrics::mean_by_class(&by_case).into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Weights `[C, classes]`, row-major.
fn fit<B: Kernels>(
    net: &Net<B>,
    sampling: SamplingGeometry,
    train: &[Example],
    device: &B::Device,
) -> Option<Vec<f32>> {
    let mut normal: Option<(DMatrix<f64>, DMatrix<f64>)> = None;
    for example in train {
        for batch in whole(example, sampling) {
            let batch = batch.on::<B>(device);
            let (x, grid) = features(net.maps(batch.input));
            let y = shares(&batch.target, grid, device);
            let xt = x.clone().transpose();
            let [c, _] = xt.dims();
            let f64s = |t: Tensor<B, 2>| values(t).into_iter().map(f64::from).collect::<Vec<_>>();
            let xtx = DMatrix::from_row_slice(c, c, &f64s(xt.clone().matmul(x)));
            let xty = DMatrix::from_row_slice(c, PRETRAINING_CLASSES, &f64s(xt.matmul(y)));
            normal = Some(match normal {
                None => (xtx, xty),
                Some((a, b)) => (a + xtx, b + xty),
            });
        }
    }
    let (mut a, b) = normal?;
    let ridge = RIDGE * a.trace() / a.nrows() as f64;
    if !ridge.is_finite() || ridge <= 0.0 {
        return None;
    }
    for i in 0..a.nrows() {
        a[(i, i)] += ridge;
    }
    let solution = Cholesky::new(a)?.solve(&b);
    Some(solution.transpose().iter().map(|v| *v as f32).collect())
}

/// Cells of the finest map with the features of all maps and a constant, `[cells, C + 1]`, and the
/// grid `[B, D, H, W]` of the cells.
fn features<B: Backend>(maps: Vec<Tensor<B, 5>>) -> (Tensor<B, 2>, [usize; 4]) {
    let [b, _, d, h, w] = maps[0].dims();
    let mut columns: Vec<Tensor<B, 2>> = maps
        .into_iter()
        .map(|map| {
            let [b, c, md, mh, mw] = map.dims();
            let (kd, kh, kw) = (d / md, h / mh, w / mw);
            map.reshape([b, c, md, 1, mh, 1, mw, 1])
                .expand([b, c, md, kd, mh, kh, mw, kw])
                .reshape([b, c, d * h * w])
                .swap_dims(1, 2)
                .reshape([b * d * h * w, c])
        })
        .collect();
    columns.push(columns[0].clone().slice([0..b * d * h * w, 0..1]).ones_like());
    (Tensor::cat(columns, 1), [b, d, h, w])
}

/// Shares of the classes in every cell, `[cells, classes]`.
fn shares<B: Backend>(target: &TargetBatch<B>, [b, d, h, w]: [usize; 4], device: &B::Device) -> Tensor<B, 2> {
    let TargetBatch::Labels(labels) = target else { unreachable!("pre-training cases have labels") };
    let [_, _, ld, lh, lw] = labels.dims();
    let cells = labels.clone().float().reshape([b, d, ld / d, h, lh / h, w, lw / w]);
    let cells = cells.permute([0, 1, 3, 5, 2, 4, 6]).reshape([b * d * h * w, ld / d * (lh / h) * (lw / w)]);
    let columns = (0..PRETRAINING_CLASSES)
        .map(|class| cells.clone().equal_elem(class as f32).float().mean_dim(1))
        .collect();
    Tensor::<B, 2>::cat(columns, 1).to_device(device)
}

/// The class of every voxel of a batch from those of its cells, batch first.
fn enlarged<B: Backend>(cells: &[f32], [b, d, h, w]: [usize; 4], target: &TargetBatch<B>) -> Vec<u8> {
    let TargetBatch::Labels(labels) = target else { unreachable!("pre-training cases have labels") };
    let [_, _, ld, lh, lw] = labels.dims();
    let mut out = Vec::with_capacity(b * ld * lh * lw);
    for n in 0..b {
        for z in 0..ld {
            for y in 0..lh {
                let row = ((n * d + z * d / ld) * h + y * h / lh) * w;
                out.extend((0..lw).map(|x| cells[row + x * w / lw] as u8));
            }
        }
    }
    out
}

/// A padded volume cut to the example's shape; slices of a 2.5-D family are not padded.
fn cut(labels: Vec<u8>, example: &Example, sampling: SamplingGeometry) -> Vec<u8> {
    let padded = crate::train::batch::padded(example, sampling);
    if padded == example.shape {
        return labels;
    }
    window(&labels, padded, [0; 3], example.shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{init, model::io::TaskIo};
    use burn_flex::Flex;
    use transferscope_domain::{Family, task::Output};

    /// A bright block on noise, which is the gland.
    fn example(number: usize) -> Example {
        let shape = [16, 32, 32];
        let mut labels = vec![0u8; 16 * 32 * 32];
        let mut image = vec![0.0f32; labels.len()];
        for (i, value) in image.iter_mut().enumerate() {
            let (y, x) = (i / 32 % 32, i % 32);
            let inside = (8..24).contains(&y) && (8 + 4 * number..20 + 4 * number).contains(&x);
            labels[i] = u8::from(inside);
            *value = 2.0 * f32::from(u8::from(inside)) + 0.1 * (i as f32 * 12.9898).sin();
        }
        let inputs = vec![image.clone(), image.clone(), image];
        Example::new(("c", "p"), shape, inputs, Target::Labels(labels), Vec::new())
    }

    #[test]
    fn a_bright_block_is_found_from_random_features() {
        let examples: Vec<Example> = (0..3).map(example).collect();
        for family in [Family::ProfoundConv, Family::Provicnet] {
            let io = TaskIo { images: 3, out: 3, output: Output::Classes };
            let net = init::random(Net::<Flex>::mini(family, io, &Default::default()), 1);
            let dice =
                dice(&net, family.into(), &examples[..2], &examples[2..], &Default::default()).unwrap();
            assert!(dice > 0.5, "{family:?}: {dice}");
        }
    }
}
