//! Features of the probe set, for alignment.

use burn::tensor::Tensor;

use super::{batch::probes, evaluate::values, example::Example, view::View};
use crate::{alignment::Features, model::net::Net, nn::kernels::Kernels};

/// Parts of each validation case whose features are compared: evenly spaced slices, or the eight
/// corner boxes of the training crop's size.
pub const PER_CASE: usize = 8;

/// Pooled features of every layer for the validation cases, without augmentation; rows are in the
/// order of `examples`, [`PER_CASE`] each.
pub fn features<B: Kernels>(
    net: &Net<B>,
    examples: &[Example],
    view: impl Into<View>,
    device: &B::Device,
) -> Vec<(String, Features)> {
    let view = view.into();
    let mut layers: Vec<(String, Features)> = Vec::new();
    for example in examples {
        let batch = probes(example, PER_CASE, view).on::<B>(device);
        for (i, (name, rows)) in net.features(batch.input).into_iter().enumerate() {
            let rows: Tensor<B, 2> = rows;
            let [n, dim] = rows.dims();
            if layers.len() == i {
                layers.push((name, Features { n: 0, dim, data: Vec::new() }));
            }
            let features = &mut layers[i].1;
            features.n += n;
            features.data.extend(values(rows));
        }
    }
    layers
}
