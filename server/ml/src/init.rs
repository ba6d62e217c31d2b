//! Random weights, the same on every device: each parameter is drawn on the CPU from a stream of
//! its own, made from the seed and the parameter's name.

use burn::module::Module;
use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use transferscope_domain::task::Output;

pub use transferscope_imaging::random::stream;

use crate::{
    family::{self, Net},
    params::{Fill, Parameter, fill, fill_learnt, within_encoder},
};

/// Standard deviation of encoder weights, as both families publish it.
const ENCODER_STD: f32 = 0.02;

/// The layer whose every output sees the values of one input voxel: its weight is `[in, out, ...]`.
const ENLARGING: &str = "PatchUp3d";

/// Fills a new module: truncated normal with deviation 0.02 in encoders and tokens, Kaiming normal by fan-in
/// elsewhere; fixed tables, biases, normalisations, GRN and layer scales keep the constants they were built with.
pub fn random<B: Backend, M: Module<B>>(module: M, seed: u64) -> M {
    fill_learnt(module, |parameter| {
        let Parameter { name, shape, owner, token } = parameter;
        // A weight may be given by direction and length; the direction is drawn.
        let weight = (name.ends_with(".weight") || name.ends_with(".weight_v")) && shape.len() >= 2;
        if !(token || weight) {
            return Fill::Keep;
        }
        let std = if token || within_encoder(name).is_some() {
            ENCODER_STD
        } else {
            let fan_in: usize = if owner == ENLARGING { shape[0] } else { shape[1..].iter().product() };
            (2.0 / fan_in as f32).sqrt()
        };
        let normal = Normal::new(0.0f32, std).expect("the deviation is positive and finite");
        let mut rng = stream(seed, name);
        let draw = |rng: &mut ChaCha8Rng| loop {
            let value = normal.sample(rng);
            if value.abs() <= 2.0 * std {
                break value;
            }
        };
        Fill::Values((0..shape.iter().product()).map(|_| draw(&mut rng)).collect())
    })
}

/// Sets the last layer of an image head to zero, so that a restoration starts as its input, and that of a label head,
/// so that every case starts undecided: a soft maximum over random evidence would be far from it.
pub fn zero_init_output<B: Backend>(net: Net<B>, output: Output) -> Net<B> {
    let of_images = family::facts(net.family()).image_output;
    let last = |name: &str| match output {
        Output::Classes => false,
        Output::Image => of_images.contains(&name),
        Output::Label => name.ends_with("evidence.weight") || name.ends_with("head.linear.weight"),
    };
    fill(
        net,
        |name, shape| {
            if last(name) { Fill::Values(vec![0.0; shape.iter().product()]) } else { Fill::Keep }
        },
    )
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use transferscope_domain::Family;

    use super::*;
    use crate::{
        family::samples,
        model::io::TaskIo,
        nn::{Mode, drop_path::DropPath},
    };

    #[test]
    fn every_label_head_starts_undecided() {
        let device = Default::default();
        let io = TaskIo { images: 3, out: 2, output: Output::Label };
        for family in Family::ALL {
            let net = Net::<Flex>::mini(family, io, &device);
            let probe = net.has_backbone();
            for net in [Some(net.clone()), probe.then(|| net.with_probe(io, &device))].into_iter().flatten() {
                let net = zero_init_output(random(net, 3), Output::Label);
                let logits =
                    net.forward(samples::input(family, &device), DropPath::NONE, Mode::Eval).into_data();
                let logits = logits.to_vec::<f32>().unwrap();
                assert!(logits.iter().all(|l| *l == 0.0), "{}: {logits:?}", family.as_str());
            }
        }
    }
}
