//! The fusion of three images, forward and backward.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn_flex::Flex;
use transferscope_ml::{family::provicnet::heads::fusion::Fusion, nn::Mode};

use super::{
    model::{Configs, Weights},
    same::Expected,
};
use crate::{Cases, Folder, Problem};

type A = Autodiff<Flex>;

/// Upstream's order.
const IMAGES: [&str; 3] = ["t2w", "adc", "dwi"];

pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let config = Configs::open(folder)?.fusion()?;
    let model = Fusion::<A>::new(config.features, IMAGES.len(), config.classes, &Default::default());
    let model = Weights::open(folder, "provicnet_fusion_tiny")?.fill(model)?;
    let mut expected = Expected::open(folder, "provicnet_fusion_tiny_io.safetensors", cases)?;
    let mut maps: Vec<Tensor<A, 4>> = Vec::new();
    for sequence in IMAGES {
        let name = format!("tokens_{sequence}");
        let tokens = expected.tensors().get(&name)?.tensor::<A, 3>(&Default::default())?;
        let [s, n, e] = tokens.dims();
        let side = n.isqrt();
        let fits = e == config.features && s * n > 0 && side * side == n;
        if !fits || maps.first().is_some_and(|first| first.dims() != [s, e, side, side]) {
            return Err(Problem::new(format!("{name} has shape {:?}, which is no map", tokens.dims())));
        }
        maps.push(tokens.swap_dims(1, 2).reshape([s, e, side, side]));
    }
    let streams = model.streams(maps, Mode::Eval);
    for (sequence, stream) in IMAGES.into_iter().zip(&streams) {
        expected.same_first_channels(&format!("stream_{sequence}"), stream.clone())?;
    }
    let logits = model.join(streams, Mode::Eval);
    expected.same("logits", logits.clone())?;
    expected.same_gradients(&model, logits)
}
