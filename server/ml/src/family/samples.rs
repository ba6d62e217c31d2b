//! Inputs for tests, as the sampling rule of a family wants them.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use transferscope_domain::Family;

use crate::{
    model::io::{Input, SLICES},
    train::sampling::{SamplingGeometry, View},
};

/// Image types of an input.
const IMAGES: usize = 3;

/// Slabs, or a volume, and the shape of a dense answer of one channel to it.
const SLABS: [usize; 5] = [2, IMAGES, SLICES, 16, 32];
const VOLUME: [usize; 5] = [1, IMAGES, 16, 32, 32];

/// Two slabs, or a volume, of three images.
pub(crate) fn input<B: Backend>(family: Family, device: &B::Device) -> Input<B> {
    input_of(family, device, |shape| {
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| (i as f32 * 0.7).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    })
}

/// The same of other values, which `fill` gives for a shape.
pub(crate) fn input_of<B: Backend>(
    family: Family,
    device: &B::Device,
    fill: impl FnOnce([usize; 5]) -> Tensor<B, 5>,
) -> Input<B> {
    match SamplingGeometry::from(family).view {
        View::Slabs => Input::Slabs {
            slabs: fill(SLABS),
            axis: Tensor::from_floats([[0.0, 5.0], [3.0, 5.0]], device),
            series: 1,
        },
        View::Volumes { .. } => Input::Volume(fill(VOLUME)),
    }
}

/// Shape of a dense answer of `out` channels to [`input`].
pub(crate) fn answer(family: Family, out: usize) -> [usize; 5] {
    match SamplingGeometry::from(family).view {
        View::Slabs => [SLABS[0], out, 1, SLABS[3], SLABS[4]],
        View::Volumes { .. } => [VOLUME[0], out, VOLUME[2], VOLUME[3], VOLUME[4]],
    }
}
