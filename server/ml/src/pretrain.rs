//! Pre-training of the `mini` backbones with the objectives of their families.
//!
//! Start reading at [`pretrain`]; the objectives are in [`mae`] and [`contrast`].

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use burn::{
    module::AutodiffModule,
    optim::GradientsParams,
    tensor::{Tensor, backend::AutodiffBackend},
};
use transferscope_domain::{
    Family,
    event::{EventBody, Phase},
    metric::Split,
    run::DeviceChoice,
};

use crate::{
    backbone::Card,
    checkpoint::{Precision, to_bytes, write_atomically},
    data::manifest,
    device::{Device, resolve},
    init,
    nn::kernels::Kernels,
    observer::{Observer, Progress},
    params::collect,
    run::RunError,
    train::{
        batch::{Batch, Item, epoch_items},
        evaluate::scalar,
        example::{Example, load_for_pretraining},
        optimiser::Optimiser,
        schedule::warmup_cosine,
    },
};

pub mod contrast;
pub mod mae;

/// What a backbone is pre-trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// Masked autoencoding (ProFound).
    Mae,
    /// Supervised segmentation with patch contrast (ProViCNet).
    PatchContrast,
}

impl Objective {
    pub fn as_str(self) -> &'static str {
        match self {
            Objective::Mae => "mae",
            Objective::PatchContrast => "patch-contrast",
        }
    }

    /// The family that the objective is published for.
    pub fn family(self) -> Family {
        match self {
            Objective::Mae => Family::ProfoundConv,
            Objective::PatchContrast => Family::Provicnet,
        }
    }
}

impl std::str::FromStr for Objective {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Objective::Mae, Objective::PatchContrast]
            .into_iter()
            .find(|o| o.as_str() == text)
            .ok_or_else(|| format!("unknown objective {text:?}: use mae or patch-contrast"))
    }
}

/// What to pre-train, on what, how long.
#[derive(Debug, Clone)]
pub struct PretrainOptions {
    pub objective: Objective,
    /// Name of the new backbone, e.g. `profound-conv-mini`.
    pub backbone: String,
    pub dataset_dir: PathBuf,
    /// Folder that gets `card.json` and `weights.safetensors`.
    pub out: PathBuf,
    pub seed: u64,
    pub epochs: u32,
    pub batch_size: u32,
    pub lr: f64,
    pub device: DeviceChoice,
    /// The command line, for the card.
    pub command: String,
}

/// What an objective must do; the loop is the same for all.
trait Pretrain<B: AutodiffBackend>: AutodiffModule<B> {
    fn loss(
        &self,
        examples: &[Example],
        items: &[Item],
        seed: u64,
        epoch: u64,
        device: &B::Device,
    ) -> Option<Tensor<B, 1>>;
}

/// Pre-trains and writes checkpoint and card.
///
/// # Errors
/// When the data cannot serve, the loss is not finite, or something cannot be written.
pub fn pretrain(options: &PretrainOptions, observer: &dyn Observer) -> Result<Card, RunError> {
    match resolve(options.device)? {
        Device::Cpu => {
            run::<burn::backend::Autodiff<burn_flex::Flex>>(options, "CPU", observer, &Default::default())
        }
        #[cfg(feature = "cuda")]
        Device::Cuda { index, name } => run::<burn::backend::Autodiff<burn::backend::Cuda>>(
            options,
            &name,
            observer,
            &burn::backend::cuda::CudaDevice::new(index),
        ),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda { .. } => unreachable!("resolve finds no card in a build without CUDA"),
    }
}

fn run<B>(
    options: &PretrainOptions,
    device_name: &str,
    observer: &dyn Observer,
    device: &B::Device,
) -> Result<Card, RunError>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let manifest = manifest::load(&options.dataset_dir).map_err(|e| RunError::Data(e.to_string()))?;
    let load = |split| {
        load_for_pretraining(&options.dataset_dir, &manifest, split)
            .map_err(|e| RunError::Data(e.to_string()))
    };
    // Every patient of a pre-training set may be learnt from, but for those that tell how well it went.
    let mut train = load(Split::Train)?;
    train.extend(load(Split::Test)?);
    let val = load(Split::Val)?;
    if train.is_empty() || val.is_empty() {
        return Err(RunError::Data(format!(
            "pre-training needs cases with t2w, hbv, adc, gland and lesion; {:?} has {} to learn from and {} to validate",
            manifest.name,
            train.len(),
            val.len()
        )));
    }
    let start = Instant::now();
    let (tensors, steps, curve, validation) = match options.objective {
        Objective::Mae => {
            let net = init::random(mae::Fcmae::<B>::new(device), options.seed);
            let (net, steps, curve) = train_loop(net, options, &train, 1, observer, device)?;
            let validation = mae::validate(&net.valid(), &val, options.seed, device);
            (collect(&net.valid()), steps, curve, validation)
        }
        Objective::PatchContrast => {
            let net = init::random(contrast::Contrast::<B>::new(device), options.seed);
            let (net, steps, curve) = train_loop(net, options, &train, 4, observer, device)?;
            let validation = contrast::validate(&net.valid(), &val, device);
            (collect(&net.valid()), steps, curve, validation)
        }
    };
    for (name, value) in &validation {
        let event = EventBody::Metric {
            name: format!("val/{name}"),
            step: steps,
            epoch: f64::from(options.epochs),
            value: *value,
        };
        observer.event(event).map_err(|source| RunError::Write { what: "the log".into(), source })?;
    }
    // Names begin with `encoder.` for the encoder; heads are dropped.
    let encoder: Vec<_> = tensors.into_iter().filter(|t| t.name.starts_with("encoder.")).collect();
    let card = Card {
        name: options.backbone.clone(),
        family: options.objective.family(),
        summary: summary(options.objective).into(),
        objective: options.objective.as_str().into(),
        data: format!("{} ({} patients, {})", manifest.name, manifest.patients(), manifest.source),
        data_hash: manifest.hash.clone(),
        synthetic: manifest.synthetic,
        seed: options.seed,
        steps,
        parameters: encoder.iter().map(|t| t.data.len() as u64).sum(),
        command: options.command.clone(),
        code_version: env!("CARGO_PKG_VERSION").into(),
        device: device_name.into(),
        seconds: start.elapsed().as_secs_f64(),
        loss_curve: curve,
        validation,
    };
    write(&options.out, &card, &to_bytes(&encoder, Precision::Half, Default::default()))
        .map_err(|source| RunError::Write { what: options.out.display().to_string(), source })?;
    Ok(card)
}

fn summary(objective: Objective) -> &'static str {
    match objective {
        Objective::Mae => "Small 3-D ConvNeXt-V2, pre-trained as a masked autoencoder like ProFound.",
        Objective::PatchContrast => {
            "Small 2.5-D vision transformer with registers, pre-trained by segmentation with patch contrast like ProViCNet."
        }
    }
}

fn write(folder: &Path, card: &Card, weights: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    write_atomically(&folder.join("weights.safetensors"), weights)?;
    write_atomically(&folder.join("card.json"), &serde_json::to_vec_pretty(card)?)
}

type Trained<M> = (M, u64, Vec<(u64, f64)>);

/// Points of the loss curve that a card keeps.
const CURVE_POINTS: u64 = 100;

fn train_loop<B: AutodiffBackend, M: Pretrain<B>>(
    mut net: M,
    options: &PretrainOptions,
    train: &[Example],
    samples_per_case: u32,
    observer: &dyn Observer,
    device: &B::Device,
) -> Result<Trained<M>, RunError> {
    let batch = options.batch_size as usize;
    let per_epoch = (train.len() * samples_per_case as usize).div_ceil(batch) as u64;
    let total = per_epoch * u64::from(options.epochs);
    let mut optimiser = Optimiser::new(0.05);
    let (mut curve, mut window) = (Vec::new(), (0.0, 0u32));
    let start = Instant::now();
    let mut step = 0;
    for epoch in 0..u64::from(options.epochs) {
        let items = epoch_items(train.len(), samples_per_case, options.seed, epoch);
        for items in items.chunks(batch) {
            let fraction = step as f64 / per_epoch as f64;
            let lr = warmup_cosine(
                fraction,
                options.lr,
                f64::from(options.epochs) * 0.05,
                f64::from(options.epochs),
            );
            let started = Instant::now();
            step += 1;
            let Some(loss) = net.loss(train, items, options.seed, epoch, device) else { continue };
            let grads = GradientsParams::from_grads(loss.backward(), &net);
            let value = scalar(loss.inner());
            if !value.is_finite() {
                return Err(RunError::NonFiniteLoss { loss: value, step, epoch: fraction });
            }
            let (updated, grad_norm) = optimiser.step(net, grads, lr, 1.0);
            net = updated;
            window = (window.0 + value, window.1 + 1);
            if step % total.div_ceil(CURVE_POINTS) == 0 {
                curve.push((step, (window.0 / f64::from(window.1) * 1e4).round() / 1e4));
                window = (0.0, 0);
            }
            let ms = started.elapsed().as_secs_f64() * 1e3;
            let event = EventBody::Step {
                step,
                epoch: step as f64 / per_epoch as f64,
                loss: value,
                lr,
                grad_norm,
                ms,
            };
            observer.event(event).map_err(|source| RunError::Write { what: "the log".into(), source })?;
            let progress = step as f64 / total as f64;
            let eta_s = Some(start.elapsed().as_secs_f64() * (1.0 - progress) / progress);
            observer.progress(Progress { step, progress, phase: Phase::Training, eta_s });
        }
    }
    Ok((net, step, curve))
}

/// Names and values for a card.
type Validation = BTreeMap<String, f64>;

/// Only the input of a batch is needed by objectives that make their own target.
fn volume<B: burn::tensor::backend::Backend>(batch: Batch<B>) -> Tensor<B, 5> {
    match batch.input {
        crate::model::net::Input::Volume(x) => x,
        crate::model::net::Input::Slabs { .. } => unreachable!("asked for a 3-D family"),
    }
}
