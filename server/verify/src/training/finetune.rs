//! `layers/finetune_5_steps.safetensors`: real steps of a classifier, so that network, loss, clipping,
//! optimiser, groups and schedule are compared together.

use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use transferscope_ml::{
    family::profound_conv::{
        convnext::{ConvNextConfig, STRIDE},
        heads::classifier::Classifier,
        layer_decay::{LayerDecay, Numbering, decays},
    },
    nn::Mode,
    params::{Fill, collect, fill},
    train::{
        optimiser::{Group, Optimiser, Rule},
        schedule::WarmupCosine,
    },
};

use crate::{
    Cases, Folder, Problem, Tensors, Tolerance,
    networks::layers::{
        TOLERANCES,
        case::{B, values},
    },
};

pub const FILE: &str = "layers/finetune_5_steps.safetensors";

/// Settings of the training, which no tensor tells.
const SCHEDULE: WarmupCosine = WarmupCosine { lr: 2e-3, min_lr: 1e-5, warmup_epochs: 1.0, epochs: 3.0 };
const EPOCHS_PER_STEP: f64 = 0.5;
const LAYER_DECAY: f64 = 0.7;
/// Of the encoder; the head has none.
const WEIGHT_DECAY: f64 = 0.05;
const CLIP_NORM: f64 = 1.0;
/// Of the learning rates, which are computed in double precision.
const EXACT_RATE: Tolerance = Tolerance::absolute(1e-12);
/// Most blocks of a stage.
const DEPTH_LIMIT: usize = 256;

/// Trains as the file did and compares losses, norms, rates, the parameters at the end and what the
/// network then says of the first batch.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.tensors(FILE)?;
    let tolerances = folder.tolerances(TOLERANCES)?;
    let (mut net, depths) = network(&file)?;
    let batches = batches(&file, &net)?;
    let layers = LayerDecay { numbering: Numbering::Single, depths, decay: LAYER_DECAY };
    let mut optimiser =
        Optimiser::<B>::new(Rule::ADAMW, move |name, rank| match name.strip_prefix("encoder.") {
            Some(name) => Group {
                lr_scale: layers.scale(name),
                weight_decay: if decays(name, rank) { WEIGHT_DECAY } else { 0.0 },
            },
            None => Group { lr_scale: 1.0, weight_decay: 0.0 },
        });
    let (mut losses, mut norms, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for (step, (x, labels)) in batches.iter().enumerate() {
        let lr = SCHEDULE.at(step as f64 * EPOCHS_PER_STEP);
        let logits = net.forward(x.clone(), Mode::Train);
        let loss = log_softmax(logits, 1).gather(1, labels.clone()).mean().neg();
        losses.extend(values(loss.clone()));
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        let (updated, norm) = optimiser.step(net, grads, lr, CLIP_NORM);
        net = updated;
        norms.push(norm);
        rates.push(lr);
    }
    let mut compare = |name: &str, ours: &[f64]| -> Result<(), Problem> {
        let tolerance = tolerances.of("finetune_5_steps.safetensors", name)?;
        cases.compare(FILE, name, ours, &file.get(name)?.data, tolerance);
        Ok(())
    };
    compare("losses", &losses)?;
    compare("grad_norms", &norms)?;
    let parameters = collect(&net);
    for name in file.names().filter(|n| n.starts_with("final.")) {
        let ours = parameters.iter().find(|t| name == format!("final.{}", t.name));
        let ours: Vec<f64> = ours.map_or_else(Vec::new, |t| t.data.iter().map(|v| f64::from(*v)).collect());
        compare(name, &ours)?;
    }
    let first = batches[0].0.clone();
    compare("eval_logits", &values(net.forward(first, Mode::Eval)))?;
    cases.compare(FILE, "lrs", &rates, &file.get("lrs")?.data, EXACT_RATE);
    Ok(())
}

/// The network before the first step, and the depths of its encoder; sizes are those of its tensors.
fn network(file: &Tensors) -> Result<(Classifier<B>, [usize; 4]), Problem> {
    let given = file.parameters("init.")?;
    let size = |name: &str, axis: usize| {
        let shape = given.iter().find(|t| t.name == name).map(|t| t.shape.as_slice());
        let found = shape.and_then(|s| s.get(axis).copied()).filter(|n| *n > 0);
        found.ok_or_else(|| Problem::new(format!("{FILE}: init.{name} is missing or has no axis {axis}")))
    };
    let (mut depths, mut dims) = ([0; 4], [0; 4]);
    for stage in 0..4 {
        let norm = |block: usize| format!("encoder.stages.{stage}.{block}.norm.weight");
        dims[stage] = size(&norm(0), 0)?;
        depths[stage] =
            (0..DEPTH_LIMIT).take_while(|block| given.iter().any(|t| t.name == norm(*block))).count();
    }
    let in_channels = size("encoder.downsample_layers.0.0.weight", 1)?;
    let config = ConvNextConfig { in_channels, depths, dims };
    let (bottleneck, classes) = (size("head.0.weight", 0)?, size("head.3.weight", 0)?);
    let net = Classifier::<B>::new(&config, bottleneck, classes, &Default::default());
    let mut missing = None;
    let net = fill(net, |name, shape| match given.iter().find(|t| t.name == name && t.shape == shape) {
        Some(tensor) => Fill::Values(tensor.data.clone()),
        None => {
            missing.get_or_insert_with(|| {
                Problem::new(format!("{FILE}: there is no init.{name} of shape {shape:?}"))
            });
            Fill::Keep
        }
    });
    missing.map_or(Ok((net, depths)), Err)
}

/// A volume a sample, and its class as `[B, 1]`.
type Batch = (Tensor<B, 5>, Tensor<B, 2, Int>);

/// The batch of every step.
fn batches(file: &Tensors, net: &Classifier<B>) -> Result<Vec<Batch>, Problem> {
    let (inputs, labels) = (file.get("inputs_f16")?, file.get("labels")?);
    let channels = net.encoder.stem.conv.weight.dims()[1];
    let classes = net.head.classes.weight.dims()[1];
    let wrong = || Problem::new(format!("{FILE}: inputs {:?}, labels {:?}", inputs.shape, labels.shape));
    let &[steps, samples, c, d, h, w] = inputs.shape.as_slice() else { return Err(wrong()) };
    let divisible = [d, h, w].iter().all(|n| *n > 0 && n.is_multiple_of(STRIDE));
    // Batch normalisation needs two samples to train on.
    let fits = steps > 0 && samples > 1 && c == channels && divisible && labels.shape == [steps, samples];
    if !fits || !labels.data.iter().all(|l| (0.0..classes as f64).contains(l)) {
        return Err(wrong());
    }
    let device = Default::default();
    let volumes = inputs.f32();
    let parts = volumes.chunks(samples * c * d * h * w).zip(labels.data.chunks(samples));
    Ok(parts
        .map(|(volume, labels)| {
            let x = TensorData::new(volume.to_vec(), [samples, c, d, h, w]);
            let labels: Vec<i64> = labels.iter().map(|l| *l as i64).collect();
            let labels = Tensor::from_data(TensorData::new(labels, [samples, 1]), &device);
            (Tensor::from_data(x, &device), labels)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::tests::assert_file_passes;

    #[test]
    fn five_steps_end_where_they_ended() {
        assert_file_passes(FILE);
    }
}
