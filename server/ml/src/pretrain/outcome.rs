//! What a pre-training leaves behind: the probe of its features, the backbone, the report.

use std::{collections::BTreeMap, fs, path::Path};

use transferscope_domain::{
    Architecture, Family, Head, Objective,
    dataset::DatasetManifest,
    event::{EventBody, LogLevel, Phase},
    metric::Split,
    report::{LoadReport, RunReport},
    task::Output,
};

use super::{Job, course::Completed, probe};
use crate::{
    backbone::Card,
    checkpoint::{Precision, load_encoder, to_bytes, write_atomically},
    init,
    model::net::{Net, Ports},
    nn::kernels::Kernels,
    observer::Progress,
    run::{REPORT_SCHEMA, RunError, peak_memory_bytes},
    train::{
        adapt::Parameters,
        example::{Example, PRETRAINING_CLASSES},
        view::View,
    },
};

/// Folder of the backbone in the run directory.
const FOLDER: &str = "backbone";

/// Name of the probe's Dice, without split; the one of random weights stands beside it.
const PROBE: &str = "dice.linear-probe";
const RANDOM: &str = "random-weights";

fn writing(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> RunError {
    let what = what.into();
    |source| RunError::Write { what, source }
}

impl Job<'_> {
    /// Linear-probe Dice of the frozen features and of random ones of the same architecture.
    pub(super) fn probe<B: Kernels>(
        &self,
        completed: &Completed,
        train: &[Example],
        val: &[Example],
        device: &B::Device,
    ) -> Result<BTreeMap<String, f64>, RunError> {
        let (step, encoder) = (completed.steps, self.request.encoder());
        self.observer.progress(Progress { step, progress: 0.96, phase: Phase::Testing, eta_s: None });
        let ports = Ports { sequences: 3, out: PRETRAINING_CLASSES, output: Output::Classes };
        let net = Net::<B>::new(encoder.as_ref(), Head::Compact, ports, device);
        let random = init::random(net, self.request.seed);
        let (learnt, _) =
            load_encoder(random.clone(), "the pre-trained encoder", &completed.encoder.clone().into(), &[])?;
        let mut found = BTreeMap::new();
        for (name, net) in [(PROBE.to_owned(), learnt), (format!("{PROBE}@{RANDOM}"), random)] {
            if let Some(dice) = probe::dice(&net, View::of(encoder.as_ref()), train, val, device) {
                let epoch = f64::from(self.request.training.epochs);
                let full = format!("{}/{name}", Split::Val);
                self.emit(EventBody::Metric { name: full, step, epoch, value: dice })?;
                found.insert(name, dice);
            }
        }
        Ok(found)
    }

    /// Writes the backbone into the run directory and where the request wants it, then the report.
    pub(super) fn leave(
        &self,
        completed: &Completed,
        found: BTreeMap<String, f64>,
        manifest: &DatasetManifest,
        load_report: Option<LoadReport>,
        parameters: Parameters,
    ) -> Result<(), RunError> {
        let (request, objective) = (self.request, self.pretraining.objective);
        let encoder = &completed.encoder;
        let mut validation = completed.validation.clone();
        validation.extend(found);
        let weights = to_bytes(encoder, Precision::Half, Default::default());
        let card = Card {
            name: self.pretraining.name.clone(),
            family: request.family,
            architecture: request.encoder(),
            weights_hash: Some(blake3::hash(&weights).to_hex().to_string()),
            summary: summary(request.encoder().as_ref(), objective),
            objective: objective.as_str().into(),
            data: format!("{} ({} patients, {})", manifest.name, manifest.patients(), manifest.source),
            data_hash: manifest.hash.clone(),
            synthetic: manifest.synthetic,
            seed: request.seed,
            steps: completed.steps,
            parameters: encoder.iter().map(|t| t.data.len() as u64).sum(),
            command: self.command(),
            code_version: env!("CARGO_PKG_VERSION").into(),
            device: self.device.to_string(),
            seconds: completed.seconds,
            loss_curve: completed.loss_curve.clone(),
            validation: validation.clone(),
        };
        let folder = self.run_dir.join(FOLDER);
        write(&folder, &card, &weights).map_err(writing("the backbone"))?;
        if let Some(publish) = &self.pretraining.publish {
            let all = self.run_dir.join(publish);
            match put(&folder, &all, &card.name) {
                // A name that was taken meanwhile, as by a repeated run, is no reason to lose the training.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    self.emit(EventBody::Log { level: LogLevel::Warn, message: e.to_string() })?;
                }
                put => put.map_err(writing(format!("the backbone {}", card.name)))?,
            }
        }
        let report = RunReport {
            schema: REPORT_SCHEMA,
            request: request.clone(),
            device: self.device.to_string(),
            parameters: parameters.total,
            trained_parameters: Some(parameters.trained),
            metrics: validation.into_iter().map(|(n, v)| (format!("{}/{n}", Split::Val), v)).collect(),
            best_epoch: f64::from(request.training.epochs),
            cases: Vec::new(),
            alignment: Vec::new(),
            load_report,
            left_out: objective.left_out(manifest),
            seconds: completed.seconds,
            data_wait_share: None,
            alignment_share: None,
            peak_memory_bytes: peak_memory_bytes(),
            synthetic_data: manifest.synthetic,
        };
        let json = serde_json::to_vec_pretty(&report).map_err(std::io::Error::other);
        json.and_then(|bytes| write_atomically(&self.run_dir.join("report.json"), &bytes))
            .map_err(writing("report.json"))
    }

    /// The command that makes the backbone again.
    fn command(&self) -> String {
        let (request, made) = (self.request, self.pretraining);
        let t = &request.training;
        format!(
            "transferscope pretrain --objective {} --backbone {} --name {} --dataset {} --seed {} --epochs {} --batch-size {} --accumulate {} --lr {}",
            made.objective,
            request.backbone,
            made.name,
            request.dataset,
            request.seed,
            t.epochs,
            t.batch_size,
            made.accumulate,
            t.lr,
        )
    }
}

fn summary(architecture: Option<&Architecture>, objective: Objective) -> String {
    let size = match architecture {
        Some(other) if !other.is_small() => format!("{}:", other.name()),
        _ => "Small".to_owned(),
    };
    let kind = match architecture.map(Architecture::family) {
        Some(Family::ProfoundConv) => "3-D ConvNeXt-V2",
        Some(Family::ProfoundVit) => "3-D vision transformer",
        Some(Family::Provicnet) => "2.5-D vision transformer with registers",
        Some(Family::Unet) | None => "residual 3-D U-Net",
    };
    let what = format!("{size} {kind}");
    let how = match objective {
        Objective::Mae => "pre-trained as a masked autoencoder like ProFound",
        Objective::PatchContrast => "pre-trained by segmentation with patch contrast like ProViCNet",
        Objective::SelfDistillation => "pre-trained by self-distillation like DINO",
    };
    format!("{what}, {how}.")
}

fn write(folder: &Path, card: &Card, weights: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    write_atomically(&folder.join("weights.safetensors"), weights)?;
    write_atomically(&folder.join("card.json"), &serde_json::to_vec_pretty(card)?)
}

/// Copies a finished backbone to `all/name`, whole or not at all. One that is there already with the
/// same weights is this one, put there by a worker that was killed afterwards; another one is kept, and
/// that is an error.
fn put(folder: &Path, all: &Path, name: &str) -> std::io::Result<()> {
    let (to, temporary) = (all.join(name), all.join(format!(".{name}.part")));
    let weights = "weights.safetensors";
    if to.exists() {
        if fs::read(to.join(weights))? == fs::read(folder.join(weights))? {
            return Ok(());
        }
        return Err(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "there is another backbone of this name; the new one stays in the run directory",
        ));
    }
    fs::create_dir_all(all)?;
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    fs::create_dir(&temporary)?;
    for file in [weights, "card.json"] {
        write_atomically(&temporary.join(file), &fs::read(folder.join(file))?)?;
    }
    fs::rename(&temporary, &to)
}
