//! Times one training step of each `mini` network on the CPU, and the parts that it is made of.
//!
//! `cargo run -p transferscope-ml --no-default-features --example step_bench -- [steps]` prints
//! JSON; `docs/measurements/pytorch_step.py` times the same networks in PyTorch and prints the
//! ratio. A step is what training does: forward, loss, backward, gradient clipping, AdamW.

use std::time::Instant;

use burn::{
    backend::Autodiff,
    module::Module,
    nn::{GroupNorm, GroupNormConfig},
    optim::GradientsParams,
    tensor::{Distribution, Int, Tensor, TensorData},
};
use burn_flex::Flex;
use serde_json::json;
use transferscope_domain::{Family, task::Output};
use transferscope_ml::{
    family::{
        Net,
        profound_conv::convnext::{Block, ConvNext, ConvNextConfig},
        provicnet::{
            slice_head::Head2d,
            vit::{Vit, VitConfig},
        },
        unet::{Size, Unet, UnetEnd},
    },
    init,
    loss::{DiceCe, dice_ce},
    model::{
        head3d::DenseHead3d,
        io::{Input, TaskIo},
    },
    nn::{Mode, depthwise::DepthwiseConv3d, drop_path::DropPath, gelu::gelu, rows::group_norm},
    params::collect,
    train::{
        optimiser::Optimiser,
        sampling::{SamplingGeometry, View},
    },
};

/// The box that the small 3-D networks train on.
const CROP: [usize; 3] = [16, 64, 64];

type A = Autodiff<Flex>;

/// Segmentation of zones: t2w, hbv, adc in, background and two zones out.
const IO: TaskIo = TaskIo { images: 3, out: 3, output: Output::Classes };

fn random<const D: usize>(shape: [usize; D]) -> Tensor<A, D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Default::default())
}

/// Input and labels of a default batch.
fn batch(family: Family) -> (Input<A>, Tensor<A, 5, Int>) {
    let labels = |shape: [usize; 5]| {
        let values: Vec<i64> = (0..shape.iter().product::<usize>()).map(|i| (i / 37 % 3) as i64).collect();
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    };
    let [d, h, w] = CROP;
    match SamplingGeometry::from(family).view {
        View::Slabs => {
            let axis = Tensor::from_data(
                [[3.0, 24.0], [8.0, 24.0], [12.0, 24.0], [20.0, 24.0]],
                &Default::default(),
            );
            (Input::Slabs { slabs: random([4, 3, 3, 96, 96]), axis, series: 1 }, labels([4, 1, 1, 96, 96]))
        }
        View::Volumes { .. } => (Input::Volume(random([2, 3, d, h, w])), labels([2, 1, d, h, w])),
    }
}

/// Sorted milliseconds of `steps` calls after two that do not count.
fn times(steps: usize, mut call: impl FnMut()) -> Vec<f64> {
    call();
    call();
    let mut times: Vec<f64> = (0..steps)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    times
}

fn step_times(family: Family, steps: usize) -> serde_json::Value {
    let device = Default::default();
    let mut net = Some(init::random(Net::<A>::mini(family, IO, &device), 0));
    let parameters: usize = net.iter().flat_map(collect).map(|t| t.data.len()).sum();
    let mut optimiser = Optimiser::<A>::adamw(0.05);
    let (input, labels) = batch(family);
    let (mut forward, mut backward, mut update) = (0.0, 0.0, 0.0);
    let all = times(steps, || {
        let Some(now) = net.take() else { return };
        let start = Instant::now();
        let loss = dice_ce(
            now.forward(input.clone(), DropPath::NONE, Mode::Train),
            labels.clone(),
            &DiceCe::WithoutBackground,
            None,
        );
        let ahead = start.elapsed().as_secs_f64();
        let grads = GradientsParams::from_grads(loss.backward(), &now);
        let back = start.elapsed().as_secs_f64();
        net = Some(optimiser.step(now, grads, 1e-4, 1.0).0);
        forward += ahead;
        backward += back - ahead;
        update += start.elapsed().as_secs_f64() - back;
    });
    let share = |part: f64| part / (forward + backward + update);
    json!({
        "parameters": parameters,
        "ms_median": all[all.len() / 2],
        "ms_best": all[0],
        "steps": steps,
        "share_forward": share(forward),
        "share_backward": share(backward),
        "share_optimiser": share(update),
    })
}

/// A part of a network by itself: forward and backward from a random output gradient.
struct Part {
    name: &'static str,
    count: usize,
    ms: f64,
}

fn part<const D: usize, const E: usize>(
    name: &'static str,
    count: usize,
    input: [usize; D],
    forward: impl Fn(Tensor<A, D>) -> Tensor<A, E>,
) -> Part {
    let x = random(input).require_grad();
    let up = random(forward(x.clone()).dims());
    let all = times(7, || {
        let gradients = (forward(x.clone()) * up.clone()).sum().backward();
        std::hint::black_box(gradients);
    });
    Part { name, count, ms: all[all.len() / 2] }
}

fn parts_json(mut parts: Vec<Part>) -> serde_json::Value {
    parts.sort_unstable_by(|a, b| (b.ms * b.count as f64).total_cmp(&(a.ms * a.count as f64)));
    parts
        .iter()
        .map(|p| json!({ "part": p.name, "count": p.count, "ms_each": p.ms, "ms": p.ms * p.count as f64 }))
        .collect()
}

fn filled<M: Module<A>>(module: M) -> M {
    init::random(module, 1)
}

fn mlp(block: &Block<A>, x: Tensor<A, 3>) -> Tensor<A, 3> {
    let y = gelu(block.pwconv1.forward(block.norm.forward(x)));
    block.pwconv2.forward(block.grn.forward(y))
}

fn profound_parts() -> Vec<Part> {
    let device = Default::default();
    let config = ConvNextConfig::mini();
    let encoder = filled(ConvNext::<A>::new(&config, &device));
    let head = filled(DenseHead3d::<A>::new(&config.dims, [4; 3], config.in_channels, IO.out, &device));
    let depthwise = |c: usize| filled(DepthwiseConv3d::<A>::new(c, 7, &device));
    let [d, h, w] = CROP;
    let grid = |stride: usize| [d / stride, h / stride, w / stride];
    let map = |c: usize, [d, h, w]: [usize; 3]| [2, c, d, h, w];
    let rows = |c: usize, [d, h, w]: [usize; 3]| [2, d * h * w, c];
    let dims = config.dims;
    let mut parts = vec![
        part("stem 4x4x4", 1, [2, 3, d, h, w], |x| encoder.stem.conv.forward(x)),
        part("pyramid convolution 3x3x3, 48 to 48", 1, map(48, grid(4)), |x| gelu(head.smooth.forward(x))),
        part("enlargement 4x4x4, 48 to 8", 1, map(48, grid(4)), |x| head.up.forward(x)),
        part("full-resolution convolution 3x3x3, 11 to 8", 1, map(11, CROP), |x| head.fine.forward(x)),
        part("full-resolution GELU, 8 channels", 1, map(8, CROP), gelu),
        part("full-resolution output 1x1x1, 8 to 3", 1, map(8, CROP), |x| head.out.forward(x)),
    ];
    let names = [
        ("depth-wise 7x7x7, stage 0", "block MLP, stage 0"),
        ("depth-wise 7x7x7, stage 1", "block MLP, stage 1"),
        ("depth-wise 7x7x7, stage 2", "block MLP, stage 2"),
        ("depth-wise 7x7x7, stage 3", "block MLP, stage 3"),
    ];
    for (i, (conv, point)) in names.into_iter().enumerate() {
        let grid = grid([4, 8, 16, 16][i]);
        let (layer, block) = (depthwise(dims[i]), &encoder.stages[i][0]);
        parts.push(part(conv, config.depths[i], map(dims[i], grid), |x| layer.forward(x)));
        parts.push(part(point, config.depths[i], rows(dims[i], grid), |x| mlp(block, x)));
    }
    parts.push(loss_part([2, 3, d, h, w], Family::ProfoundConv));
    parts
}

fn loss_part(shape: [usize; 5], family: Family) -> Part {
    let (_, labels) = batch(family);
    part("Dice + cross-entropy", 1, shape, |x| dice_ce(x, labels.clone(), &DiceCe::WithoutBackground, None))
}

fn provicnet_parts() -> Vec<Part> {
    let device = Default::default();
    let config = VitConfig::mini();
    let vit = filled(Vit::<A>::new(&config, &device));
    let (e, patch) = (config.dim, config.patch);
    let side = 96 / 8;
    let tokens = [12, 1 + config.registers + 2 + side * side, e];
    let block = &vit.blocks[0];
    let double = |x: Tensor<A, 4>| {
        let [b, c, h, w] = x.dims();
        x.reshape([b, c, h, 1, w, 1]).expand([b, c, h, 2, w, 2]).reshape([b, c, 2 * h, 2 * w])
    };
    let gn = |channels: usize| -> GroupNorm<A> { GroupNormConfig::new(8, channels).init(&device) };
    let (wide, fine) = (gn(48), gn(16));
    let head = filled(Head2d::<A>::new(3 * config.dim, IO.images, IO.out, &device));
    let embed = |x: Tensor<A, 4>| {
        let [s, c, h, w] = x.dims();
        let (rows, columns) = (h / patch, w / patch);
        let x = x.reshape([s, c, rows, patch, columns, patch]).permute([0, 2, 4, 1, 3, 5]);
        let weight = vit.patch_embed.proj.weight.val().reshape([e, c * patch * patch]).transpose();
        x.reshape([s * rows * columns, c * patch * patch]).matmul(weight)
    };
    let attention = |x: Tensor<A, 3>| block.attn.forward(block.norm1.forward(x), config.heads);
    vec![
        part("patch embedding 14x14", 1, [12, 3, side * patch, side * patch], embed),
        part("attention", config.depth, tokens, attention),
        part("transformer MLP", config.depth, tokens, |x| block.mlp.forward(block.norm2.forward(x))),
        part("head convolution 3x3, 288 to 48 at 24x24", 1, [4, 288, side, side], |x| {
            head.conv1.forward(double(x))
        }),
        part("head convolution 3x3, 48 to 16 at 48x48", 1, [4, 48, 2 * side, 2 * side], |x| {
            head.conv2.forward(double(x))
        }),
        part("head convolution 3x3, 19 to 16 at 96x96", 1, [4, 19, 96, 96], |x| head.conv3.forward(x)),
        part("group norm + ReLU, 48 at 24x24", 1, [4, 48, 24, 24], |x| group_norm(&wide, x, 0.0)),
        part("group norm + ReLU, 16 at 48x48", 1, [4, 16, 48, 48], |x| group_norm(&fine, x, 0.0)),
        part("group norm + ReLU, 16 at 96x96", 1, [4, 16, 96, 96], |x| group_norm(&fine, x, 0.0)),
        part("output 1x1, 16 to 3 at 96x96", 1, [4, 16, 96, 96], |x| head.out.forward(x)),
        loss_part([4, 3, 1, 96, 96], Family::Provicnet),
    ]
}

fn unet_parts() -> Vec<Part> {
    let device = Default::default();
    let net = filled(Unet::<A>::new(&Size::default(), IO.images, IO.out, IO.output, &device));
    let [d, h, w] = CROP;
    let gn8: GroupNorm<A> = GroupNormConfig::new(8, 8).init(&device);
    let conv = |i: usize, x: Tensor<A, 5>| net.encoder[i].block.conv1.forward(x);
    vec![
        part("stem 3x3x3, 3 to 8, full resolution", 1, [2, 3, d, h, w], |x| net.stem.forward(x)),
        part("3x3x3, 8 to 8, full resolution", 1, [2, 8, d, h, w], |x| net.decoder[0].conv.forward(x)),
        part("3x3x3, 16 to 16, level 1", 3, [2, 16, d, h / 2, w / 2], |x| conv(0, x)),
        part("3x3x3, 32 to 32, level 2", 3, [2, 32, d / 2, h / 4, w / 4], |x| conv(1, x)),
        part("3x3x3, 64 to 64, level 3", 2, [2, 64, d / 4, h / 8, w / 8], |x| conv(2, x)),
        part("group norm + leaky ReLU, full resolution", 1, [2, 8, d, h, w], |x| group_norm(&gn8, x, 0.01)),
        part("down to level 1", 1, [2, 8, d, h, w], |x| net.encoder[0].down.forward(x)),
        part("up from level 1", 1, [2, 16, d, h / 2, w / 2], |x| net.decoder[0].up.forward(x)),
        part("output 1x1x1, 8 to 3", 1, [2, 8, d, h, w], |x| match &net.out {
            UnetEnd::Dense(out) => out.forward(x),
            UnetEnd::Label(_) => x,
        }),
        loss_part([2, 3, d, h, w], Family::Unet),
    ]
}

fn main() {
    let steps = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(20);
    let networks = [
        (Family::ProfoundConv, profound_parts as fn() -> Vec<Part>),
        (Family::Provicnet, provicnet_parts),
        (Family::Unet, unet_parts),
    ];
    let mut report = serde_json::Map::new();
    for (family, parts) in networks {
        let mut entry = step_times(family, steps);
        entry["parts"] = parts_json(parts());
        report.insert(family.as_str().to_owned(), entry);
    }
    report.insert("threads".into(), std::thread::available_parallelism().map_or(1, |n| n.get()).into());
    println!("{}", serde_json::Value::Object(report));
}
