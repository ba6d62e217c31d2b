//! Times the published sizes on the CPU: one forward pass, then forward and backward, with peak memory.
//!
//! `cargo run -p transferscope-ml --no-default-features --example full_size -- profound|provicnet` prints
//! JSON. ProFound: a ConvNeXt-V2-tiny with the small dense head on one volume of 3 x 64 x 224 x 224.
//! ProViCNet: DINOv2-S with registers and the published head on 20 slices, which it sees at 448 pixels.
//! Weights are random. Run each in a process of its own, since memory is the most that it ever held.

use std::time::Instant;

use burn::{
    backend::Autodiff,
    module::AutodiffModule,
    tensor::{Distribution, Tensor, TensorData},
};
use burn_flex::Flex;
use serde_json::json;
use transferscope_domain::{Architecture, Head, task::Output};
use transferscope_ml::{
    family::{
        Net,
        provicnet::network::{Provicnet, ProvicnetConfig},
    },
    init,
    model::io::{Input, TaskIo},
    nn::{Mode, drop_path::DropPath},
    params::collect,
    run_dir::peak_memory_bytes,
};

type A = Autodiff<Flex>;

const SLICES: usize = 20;

fn random<const D: usize>(shape: [usize; D]) -> Tensor<A, D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Default::default())
}

fn main() {
    let device = Default::default();
    let which = std::env::args().nth(1).unwrap_or_default();
    let (net, input) = match which.as_str() {
        "profound" => {
            let tiny = Architecture::named("profound-conv-tiny");
            let io = TaskIo { images: 3, out: 1, output: Output::Classes };
            (
                Net::<A>::new(tiny.as_ref(), Head::Compact, io, &device),
                Input::Volume(random([1, 3, 64, 224, 224])),
            )
        }
        "provicnet" => {
            let io = TaskIo { images: 1, out: 4, output: Output::Classes };
            let net = Provicnet::new(&ProvicnetConfig::published(), io, &device);
            let axis: Vec<f32> = (0..SLICES).flat_map(|z| [z as f32, SLICES as f32]).collect();
            let axis = Tensor::from_data(TensorData::new(axis, [SLICES, 2]), &device);
            (Net::Provicnet(net), Input::Slabs { slabs: random([SLICES, 1, 3, 256, 256]), axis, series: 1 })
        }
        _ => {
            eprintln!("name a network: profound or provicnet");
            std::process::exit(2);
        }
    };
    let net = init::random(net, 0);
    let parameters: usize = collect(&net).iter().map(|t| t.data.len()).sum();

    let inner = match &input {
        Input::Volume(x) => Input::Volume(x.clone().inner()),
        Input::Slabs { slabs, axis, series } => {
            Input::Slabs { slabs: slabs.clone().inner(), axis: axis.clone().inner(), series: *series }
        }
    };
    let start = Instant::now();
    let valid = net.valid();
    let sum = valid.forward(inner, DropPath::NONE, Mode::Eval).sum().into_scalar();
    let forward_s = start.elapsed().as_secs_f64();
    drop(valid);
    let forward_peak = peak_memory_bytes();

    let start = Instant::now();
    let loss = net.forward(input, DropPath::NONE, Mode::Train).square().mean();
    let grads = loss.backward();
    let both_s = start.elapsed().as_secs_f64();
    drop(grads);
    let gib = |bytes: u64| (bytes as f64 / f64::from(1 << 30) * 100.0).round() / 100.0;
    let report = json!({
        "network": which,
        "parameters": parameters,
        "forward_s": forward_s,
        "forward_peak_gib": gib(forward_peak),
        "forward_backward_s": both_s,
        "peak_gib": gib(peak_memory_bytes()),
        "finite": sum.is_finite(),
    });
    println!("{report:#}");
}
