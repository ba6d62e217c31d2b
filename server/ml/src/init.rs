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

/// Sets the last layer of an image head to zero, so that a restoration starts as its input.
pub fn quiet_output<B: Backend, M: Module<B>>(module: M, output: Output) -> M {
    match output {
        Output::Classes | Output::Label => module,
        Output::Image => fill(module, |name, shape| {
            if ["out.weight", "refine.out.weight", "head.linear.weight"].contains(&name) {
                Fill::Values(vec![0.0; shape.iter().product()])
            } else {
                Fill::Keep
            }
        }),
    }
}
