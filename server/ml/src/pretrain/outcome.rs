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

use super::{Job, learner::Completed, linear_probe};
use crate::{
    backbone::Card,
    checkpoint::{Precision, load_encoder, sync_folder, to_bytes, write_atomically},
    family::{self, Net},
    init,
    model::io::TaskIo,
    nn::kernels::Kernels,
    observer::{Progress, written},
    outcome::RunError,
    run_dir::{REPORT_SCHEMA, peak_memory_bytes, write_report},
    train::{
        adapt::Parameters,
        example::{Example, PRETRAINING_CLASSES},
        sampling::SamplingGeometry,
    },
};

/// Folder of the backbone in the run directory.
const FOLDER: &str = "backbone";

/// Name of the probe's Dice, without split; the one of random weights stands beside it.
const PROBE: &str = "dice.linear-probe";
const RANDOM: &str = "random-weights";

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
        let io = TaskIo { images: 3, out: PRETRAINING_CLASSES, output: Output::Classes };
        let net = Net::<B>::new(encoder.as_ref(), Head::Compact, io, device);
        let random = init::random(net, self.request.seed);
        let (learnt, _) =
            load_encoder(random.clone(), "the pre-trained encoder", &completed.encoder.clone().into(), &[])?;
        let mut found = BTreeMap::new();
        for (name, net) in [(PROBE.to_owned(), learnt), (format!("{PROBE}@{RANDOM}"), random)] {
            if let Some(dice) =
                linear_probe::dice(&net, SamplingGeometry::of(encoder.as_ref()), train, val, device)
            {
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
        written(self.observer, "the backbone", || write(&folder, &card, &weights))?;
        if let Some(publish) = &self.pretraining.publish {
            let all = self.run_dir.join(publish);
            let what = format!("the backbone {}", card.name);
            let put = written(self.observer, &what, || put(&folder, &all, &card.name, request.id.as_str()));
            match put {
                // A name that was taken meanwhile, as by a repeated run, is no reason to lose the training.
                Err(RunError::Write { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                    self.emit(EventBody::Log { level: LogLevel::Warn, message: source.to_string() })?;
                }
                put => put?,
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
        write_report(self.run_dir, &report, self.observer)
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
    let family = architecture.map_or(Family::SPECIALIST, Architecture::family);
    let kind = family::facts(family).kind;
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
/// that is an error. `run` tells this worker's half-made copy from those of other runs of the same name.
fn put(folder: &Path, all: &Path, name: &str, run: &str) -> std::io::Result<()> {
    let (to, temporary) = (all.join(name), all.join(format!(".{name}.{run}.part")));
    let weights = "weights.safetensors";
    let same = || Ok::<_, std::io::Error>(fs::read(to.join(weights))? == fs::read(folder.join(weights))?);
    let taken = || {
        std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "there is another backbone of this name; the new one stays in the run directory",
        )
    };
    if to.exists() {
        return if same()? { Ok(()) } else { Err(taken()) };
    }
    fs::create_dir_all(all)?;
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    fs::create_dir(&temporary)?;
    for file in [weights, "card.json"] {
        write_atomically(&temporary.join(file), &fs::read(folder.join(file))?)?;
    }
    match fs::rename(&temporary, &to) {
        Ok(()) => sync_folder(all),
        Err(_) if to.exists() => {
            // Another run of this name was faster.
            fs::remove_dir_all(&temporary)?;
            if same()? { Ok(()) } else { Err(taken()) }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_one_name_leave_one_whole_backbone() {
        let root = tempfile::tempdir().unwrap();
        let all = root.path().join("backbones");
        let made = |run: &str| {
            let folder = root.path().join(run);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("weights.safetensors"), run).unwrap();
            fs::write(folder.join("card.json"), run).unwrap();
            folder
        };
        let (first, second) = (made("first"), made("second"));
        // The other one is in the middle of its copy, and an earlier worker of this run was killed in its own.
        let half = all.join(".mine.first.part");
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("weights.safetensors"), "fir").unwrap();
        fs::create_dir_all(all.join(".mine.second.part/left")).unwrap();
        put(&second, &all, "mine", "second").unwrap();
        assert_eq!(fs::read_to_string(half.join("weights.safetensors")).unwrap(), "fir");
        assert!(!all.join(".mine.second.part").exists());
        // Again is no error, and another one keeps what is there.
        put(&second, &all, "mine", "second").unwrap();
        let error = put(&first, &all, "mine", "first").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        for file in ["weights.safetensors", "card.json"] {
            assert_eq!(fs::read_to_string(all.join("mine").join(file)).unwrap(), "second");
        }
    }
}
