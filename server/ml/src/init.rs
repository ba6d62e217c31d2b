//! Random weights, the same on every device: each parameter is drawn on the CPU from a stream of
//! its own, made from the seed and the parameter's name.

use burn::module::Module;
use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use transferscope_domain::task::Output;

pub use transferscope_imaging::random::stream;

use crate::params::{Fill, fill, fill_learnt};

/// Standard deviation of encoder weights, as both families publish it.
const ENCODER_STD: f32 = 0.02;

/// Where the parts of transformer autoencoders are, which upstream does not put under `encoder.`; they
/// start like encoders.
const AUTOENCODER: [&str; 8] = [
    "patch_embed.",
    "blocks.",
    "decoder_",
    "enc_down.",
    "enc_fusion.",
    "dec_linear.",
    "decoder.blocks.",
    "pred_head.",
];

/// Fills a new module: truncated normal with deviation 0.02 in encoders and transformer autoencoders,
/// Kaiming normal by fan-in elsewhere; fixed tables, biases, normalisations, GRN and layer scales keep the constants they were built with.
pub fn random<B: Backend, M: Module<B>>(module: M, seed: u64) -> M {
    fill_learnt(module, |name, shape| {
        let table =
            ["cls_token", "register_tokens", "pos_embed", "mask_token"].iter().any(|t| name.ends_with(t));
        let weight = name.ends_with(".weight") && shape.len() >= 2;
        if !(table || weight) {
            return Fill::Keep;
        }
        let encoder = name.starts_with("encoder.") || AUTOENCODER.iter().any(|part| name.starts_with(part));
        let std = if table || encoder {
            ENCODER_STD
        } else {
            // A patch-up weight is [in, out, ...]: each output voxel sees `in` values.
            let fan_in: usize =
                if name.contains(".up.") || name.starts_with("up.") || name.contains("transp_conv") {
                    shape[0]
                } else {
                    shape[1..].iter().product()
                };
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
pub fn zero_init_output<B: Backend, M: Module<B>>(module: M, output: Output) -> M {
    let last = |name: &str| match output {
        Output::Classes => false,
        Output::Image => ["out.weight", "refine.out.weight", "head.linear.weight"].contains(&name),
        Output::Label => name.ends_with("evidence.weight") || name.ends_with("head.linear.weight"),
    };
    fill(
        module,
        |name, shape| {
            if last(name) { Fill::Values(vec![0.0; shape.iter().product()]) } else { Fill::Keep }
        },
    )
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use burn_flex::Flex;
    use transferscope_domain::Family;

    use super::*;
    use crate::{
        model::net::{Input, Net, TaskIo},
        nn::{Mode, drop_path::DropPath},
    };

    /// Undecided cases have the same logit for both classes, whatever is in the image.
    #[test]
    fn every_label_head_starts_undecided() {
        let device = Default::default();
        let io = TaskIo { sequences: 3, out: 2, output: Output::Label };
        for family in Family::ALL {
            let net = Net::<Flex>::mini(family, io, &device);
            let probe = family != Family::Unet;
            for net in [Some(net.clone()), probe.then(|| net.with_probe(io, &device))].into_iter().flatten() {
                let net = zero_init_output(random(net, 3), Output::Label);
                let volume = |shape: [usize; 5]| {
                    let values: Vec<f32> =
                        (0..shape.iter().product()).map(|i: usize| (i as f32).sin()).collect();
                    Tensor::<Flex, 1>::from_floats(values.as_slice(), &device).reshape(shape)
                };
                let input = match family {
                    Family::Provicnet => Input::Slabs {
                        slabs: volume([2, 3, 3, 16, 32]),
                        axis: Tensor::from_floats([[0.0, 5.0], [3.0, 5.0]], &device),
                        series: 1,
                    },
                    _ => Input::Volume(volume([1, 3, 16, 32, 32])),
                };
                let logits = net.forward(input, DropPath::NONE, Mode::Eval).into_data();
                let logits = logits.to_vec::<f32>().unwrap();
                assert!(logits.iter().all(|l| *l == 0.0), "{}: {logits:?}", family.as_str());
            }
        }
    }
}
