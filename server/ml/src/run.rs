//! One run from request to report: the function that a worker process calls.

use std::{fs, path::Path, time::Instant};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
use rand::seq::SliceRandom;
use transferscope_domain::{
    Adaptation, Arm, Failure, FailureKind, RunRequest,
    alignment::AlignmentValue,
    dataset::DatasetManifest,
    event::{EventBody, LeftOut, LogLevel, Phase},
    metric::Split,
    report::{LoadReport, RunReport},
    training::{EPOCHS, Overrides},
};

use crate::{
    alignment::{Discrepancy, PairSums},
    backbone,
    checkpoint::{CheckpointError, load_encoder, remove_parts, write_atomically},
    data::{DataError, manifest},
    device::{Device, DeviceError, resolve},
    init::{self, stream},
    model::net::{Net, Ports},
    nn::{kernels::Kernels, precision},
    observer::{Observer, Progress, written},
    pair_sums::OnDevice,
    pretrain,
    train::{
        adapt::{adapt, count},
        baseline::Baselines,
        evaluate::{Judge, evaluate_cases, features_of_cases, summary},
        example::{Example, Target, TaskPlan, load},
        fit::{Fit, Fitted, fit, recipe},
        layer_decay::{Layers, grouping},
        optimiser::{Optimiser, Rule},
        probe::{self, Look},
        rule::LossRule,
        sound, state,
        view::View,
    },
};

pub mod preview;

#[cfg(test)]
mod tests;

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// `report.json` is in place.
    Finished,
    /// The observer asked to stop; the last checkpoint is in place.
    Cancelled { step: u64, epoch: f64 },
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data can be read, but do not serve what was asked for.
    #[error("{0}")]
    Unserved(String),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The backbone has no weights to start from, or does not say what it is.
    #[error("{0}")]
    Backbone(String),
    /// Out of range, not for this device, or not for each other.
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the loss became {loss} at step {step} (epoch {epoch:.2})")]
    NonFiniteLoss { loss: f64, step: u64, epoch: f64 },
    #[error("could not write {what}: {source}")]
    Write { what: String, source: std::io::Error },
    /// What should always succeed did not.
    #[error("{0}")]
    Internal(String),
}

impl RunError {
    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        match self {
            RunError::Data(error) => error.kind(),
            RunError::Unserved(_) => FailureKind::BadData,
            RunError::Checkpoint(error) => error.kind(),
            RunError::Backbone(_) => FailureKind::BadCheckpoint,
            RunError::Settings(_) => FailureKind::BadSettings,
            RunError::Device(error) => error.kind(),
            RunError::NonFiniteLoss { .. } => FailureKind::NonFiniteLoss,
            RunError::Write { source, .. } => FailureKind::of_machine(source).unwrap_or(FailureKind::Disk),
            RunError::Internal(_) => FailureKind::Internal,
        }
    }

    /// The failure in words for people, with a hint.
    pub fn failure(&self) -> Failure {
        Failure::new(self.kind(), self.to_string())
    }
}

/// Version of `report.json` written now.
pub(crate) const REPORT_SCHEMA: u32 = 1;
/// Random orders behind each alignment p-value.
const PERMUTATIONS: usize = 200;
/// Test cases that get a picture.
const TEST_PREVIEWS: usize = 3;

/// Trains, validates, tests and measures alignment as `request` says, going on from
/// `checkpoints/last` if `run_dir` has one. `attempt` counts workers of this run from 1.
///
/// # Errors
/// See [`RunError`]; the run directory stays usable for another attempt.
pub fn execute(
    request: &RunRequest,
    run_dir: &Path,
    attempt: u32,
    observer: &dyn Observer,
) -> Result<Outcome, RunError> {
    check_settings(request)?;
    let device = resolve(request.device)?;
    let job = Job { request, run_dir, attempt, observer, device: device.clone() };
    match device {
        Device::Cpu => job.run::<burn::backend::Autodiff<burn_flex::Flex>>(&Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda { index, .. } => job.run::<burn::backend::Autodiff<burn::backend::Cuda>>(
            &burn::backend::cuda::CudaDevice::new(index),
        ),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda { .. } => unreachable!("resolve finds no card in a build without CUDA"),
    }
}

/// Requests are checked when they are made; a file that was written by hand is not.
fn check_settings(request: &RunRequest) -> Result<(), RunError> {
    let mut errors = Overrides::of(&request.training, request.task).errors();
    if !EPOCHS.contains(&request.training.epochs) {
        errors.insert("epochs".into(), format!("{} is out of range", request.training.epochs));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = errors.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
    Err(RunError::Settings(said.join("; ")))
}

/// The manifest of the data set that a request names.
///
/// # Errors
/// When it cannot be read or is of other content than when the run was asked for.
pub(crate) fn load_manifest(request: &RunRequest, run_dir: &Path) -> Result<DatasetManifest, RunError> {
    let dir = run_dir.join(&request.dataset_dir);
    let manifest = manifest::load(&dir)?;
    if manifest.hash == request.dataset_hash {
        return Ok(manifest);
    }
    Err(RunError::Unserved(format!(
        "the data set {:?} has changed since the run was asked for (hash {} then, {} now)",
        request.dataset, request.dataset_hash, manifest.hash
    )))
}

struct Job<'a> {
    request: &'a RunRequest,
    run_dir: &'a Path,
    attempt: u32,
    observer: &'a dyn Observer,
    device: Device,
}

impl Job<'_> {
    fn emit(&self, body: EventBody) -> Result<(), RunError> {
        emit(self.observer, body)
    }

    fn phase(&self, phase: Phase, step: u64, progress: f64) {
        self.observer.progress(Progress { step, progress, phase, eta_s: None });
    }

    fn manifest(&self) -> Result<DatasetManifest, RunError> {
        let manifest = load_manifest(self.request, self.run_dir)?;
        match manifest.task_problem(self.request.training.aim(self.request.task)) {
            Some(problem) => Err(RunError::Unserved(problem)),
            None => Ok(manifest),
        }
    }

    /// Makes the folders of a run, and clears them of what a worker that was killed was writing.
    fn folders(&self) -> Result<(), RunError> {
        for folder in ["checkpoints", "previews", "features"] {
            let path = self.run_dir.join(folder);
            written(self.observer, &format!("the folder {folder}"), || {
                fs::create_dir_all(&path)?;
                remove_parts(&path)
            })?;
        }
        written(self.observer, "the run directory", || remove_parts(self.run_dir))?;
        Ok(())
    }

    fn view(&self) -> View {
        View::of(self.request.encoder().as_ref())
    }

    fn dataset_dir(&self) -> std::path::PathBuf {
        self.run_dir.join(&self.request.dataset_dir)
    }

    /// The network with random weights: the same for every attempt.
    fn random<B: AutodiffBackend>(&self, plan: TaskPlan, device: &B::Device) -> Result<Net<B>, RunError> {
        let output = plan.task.output().ok_or_else(|| {
            RunError::Settings(format!("{} names no objective: it is no downstream task", plan.task))
        })?;
        let ports = Ports { sequences: plan.sequences().len(), out: plan.out(), output };
        let training = &self.request.training;
        let fits = self.request.encoder().and_then(|encoder| encoder.input_problem(ports.sequences));
        if let Some(problem) = fits {
            return Err(RunError::Settings(format!("{}: {problem}", self.request.backbone)));
        }
        if let Some(problem) = training.head.problem(self.request.family, plan.task) {
            return Err(RunError::Settings(problem));
        }
        let net = Net::<B>::new(self.request.encoder().as_ref(), training.head, ports, device);
        let net = match training.adaptation {
            Adaptation::LinearProbe => net.with_probe(ports, device),
            Adaptation::Full | Adaptation::Frozen | Adaptation::Lora => net,
        };
        Ok(init::quiet_output(init::random(net, self.request.seed), output))
    }

    /// A network of the kind that is trained, with random weights.
    fn untrained<B: AutodiffBackend>(&self, plan: TaskPlan, device: &B::Device) -> Result<Net<B>, RunError> {
        Ok(self.adapted(self.random(plan, device)?, device))
    }

    fn adapted<B: AutodiffBackend>(&self, net: Net<B>, device: &B::Device) -> Net<B> {
        adapt(net, &self.request.training, self.request.seed, device)
    }

    /// The network as it is before training: the same for every attempt.
    fn initial<B: AutodiffBackend>(
        &self,
        plan: TaskPlan,
        device: &B::Device,
    ) -> Result<(Net<B>, Option<LoadReport>), RunError> {
        let net = self.random(plan, device)?;
        match (self.request.arm, &self.request.checkpoint) {
            (Arm::Scratch | Arm::Specialist, _) => Ok((self.adapted(net, device), None)),
            (Arm::Pretrained, None) => {
                Err(RunError::Backbone(format!("{} has no pre-trained checkpoint", self.request.backbone)))
            }
            (Arm::Pretrained, Some(reference)) => {
                let weights =
                    backbone::read(self.run_dir, reference, self.request.checkpoint_hash.as_deref())?;
                let (net, report) = load_encoder(net, reference, &weights, plan.sequences())?;
                Ok((self.adapted(net, device), Some(report)))
            }
        }
    }

    fn run<B>(&self, device: &B::Device) -> Result<Outcome, RunError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let request = self.request;
        self.phase(Phase::Preparing, 0, 0.0);
        self.folders()?;
        if !precision::is_supported::<B>(request.training.precision, device) {
            return Err(RunError::Settings(format!(
                "{} does not compute in {}: use precision=float32",
                self.device, request.training.precision
            )));
        }
        if let Some(pretraining) = &request.pretraining {
            let Job { request, run_dir, attempt, observer, device: resolved } = self;
            let job = pretrain::Job {
                request,
                pretraining,
                run_dir,
                attempt: *attempt,
                observer: *observer,
                device: resolved,
            };
            return pretrain::run::<B>(&job, device);
        }
        let manifest = self.manifest()?;
        let view = self.view();
        let plan = TaskPlan::new(request.task, &manifest, view.grid, &request.training);
        let examples = |split| load(&self.dataset_dir(), &manifest, plan, split);
        let train = share_of(examples(Split::Train)?, request.training.label_share, request.seed);
        let (val, test) = (examples(Split::Val)?, examples(Split::Test)?);
        for (split, cases) in Split::ALL.into_iter().zip([&train, &val, &test]) {
            if let Some(problem) = sound::problem(split, cases, plan) {
                return Err(RunError::Unserved(format!("{:?}: {problem}", request.dataset)));
            }
        }
        let aim = request.training.aim(request.task);
        let left_out: Vec<LeftOut> = manifest
            .cases
            .iter()
            .filter_map(|c| Some(LeftOut { case_id: c.case_id.clone(), reason: manifest.unusable(c, aim)? }))
            .collect();

        let (net, load_report) = self.initial::<B>(plan, device)?;
        let parameters = count(&net);
        let groups = grouping(Layers::of(&net), &request.training);
        let mut optimiser = Optimiser::new(Rule::ADAMW, groups);
        let (net, from) = state::load_last(self.run_dir, net, &mut optimiser, device)?;
        let rule = LossRule::new(request.training.loss, &train, plan.out());
        let judge = Judge { plan, view, rule: &rule, inference: request.training.inference, watch: false };
        let training = Fit {
            run_dir: self.run_dir,
            train: &train,
            val: &val,
            judge,
            spec: &request.training,
            recipe: recipe(request.training.augmentation),
            seed: request.seed,
            observer: self.observer,
        };
        self.emit(EventBody::Started {
            attempt: self.attempt,
            resumed_from_step: from.as_ref().map_or(0, |p| p.step),
            total_epochs: request.training.epochs,
            total_steps: training.total_steps(),
            device: self.device.to_string(),
            pid: std::process::id(),
            train_cases: train.len() as u32,
            val_cases: val.len() as u32,
            test_cases: test.len() as u32,
            left_out: left_out.clone(),
            load_report: load_report.clone(),
            parameters: parameters.total,
        })?;
        let unmeasured: Vec<String> = [(Split::Val, &val), (Split::Test, &test)]
            .into_iter()
            .flat_map(|(split, cases)| sound::unmeasured(split, cases, plan.segmentation))
            .collect();
        if !unmeasured.is_empty() {
            let said = unmeasured.join(", ");
            let message = format!(
                "{said}: Dice and surface distances are undefined there, and means are over the others"
            );
            self.emit(EventBody::Log { level: LogLevel::Info, message })?;
        }
        let completed = match fit(&training, net, optimiser, from, device)? {
            Fitted::Cancelled { step, epoch } => return Ok(Outcome::Cancelled { step, epoch }),
            Fitted::Complete(completed) => completed,
        };

        let step = training.total_steps();
        let epoch = f64::from(request.training.epochs);
        self.phase(Phase::Testing, step, 0.94);
        // Running statistics are shared between clones of a network: the best one gets its own.
        let fresh = self.untrained::<B>(plan, device)?;
        let best = state::load_best(self.run_dir, fresh)?.valid();
        let baselines = Baselines::new(&train, plan);
        let mut cases = match completed.best_cases {
            Some(known) => known,
            None => {
                evaluate_cases(&best, &val, judge, Split::Val.as_str(), device).map(|r| r.score).collect()
            }
        };
        cases.iter_mut().zip(&val).for_each(|(case, example)| case.scores.extend(baselines.scores(example)));
        let tested = evaluate_cases(&best, &test, judge, Split::Test.as_str(), device);
        for (i, (example, mut result)) in test.iter().zip(tested).enumerate() {
            result.score.scores.extend(baselines.scores(example));
            if i < TEST_PREVIEWS {
                preview::write(self.run_dir, example, &result.prediction, step, epoch, self.observer)?;
            }
            cases.push(result.score);
        }
        let mut metrics = std::collections::BTreeMap::new();
        for split in [Split::Val, Split::Test] {
            let of_split = cases.iter().filter(|c| c.split == split.as_str());
            for (name, value) in summary(of_split) {
                metrics.insert(format!("{split}/{name}"), value);
            }
        }
        for (name, value) in metrics.iter().filter(|(name, _)| name.starts_with("test/")) {
            self.emit(EventBody::Metric { name: name.clone(), step, epoch, value: *value })?;
        }

        self.phase(Phase::Aligning, step, 0.97);
        let begun = Instant::now();
        let alignment = self.alignment::<B>(&val, judge, completed.best_epoch, device)?;
        let compared = begun.elapsed().as_secs_f64();
        let report = RunReport {
            schema: REPORT_SCHEMA,
            request: request.clone(),
            device: self.device.to_string(),
            parameters: parameters.total,
            trained_parameters: Some(parameters.trained),
            metrics,
            best_epoch: completed.best_epoch,
            cases,
            alignment,
            load_report,
            left_out,
            seconds: completed.seconds,
            data_wait_share: Some(completed.waited),
            alignment_share: Some((completed.watched + compared) / completed.seconds.max(1e-9)),
            peak_memory_bytes: peak_memory_bytes(),
            synthetic_data: manifest.synthetic,
        };
        write_report(self.run_dir, &report, self.observer)?;
        Ok(Outcome::Finished)
    }

    /// How the features of every layer moved, by the features that every validation has left.
    fn alignment<B>(
        &self,
        val: &[Example],
        judge: Judge<'_>,
        tested: f64,
        device: &B::Device,
    ) -> Result<Vec<AlignmentValue>, RunError>
    where
        B: AutodiffBackend,
        B::InnerBackend: Kernels,
    {
        if self.request.checkpoint.is_some() {
            let random = self.untrained::<B>(judge.plan, device)?.valid();
            let cases: Vec<_> = features_of_cases(&random, val, judge.view, device).collect();
            let rows = probe::joined(&cases);
            written(self.observer, "features", || probe::save(self.run_dir, probe::RANDOM, &rows))?;
        }
        // On the CPU the host's own way is as fast and in double precision.
        let on_device = OnDevice::<B::InnerBackend> { device: device.clone() };
        let looked_at = Look {
            epochs: self.request.training.epochs,
            tested,
            pretrained: self.request.checkpoint.is_some(),
            permutations: PERMUTATIONS,
            seed: self.request.seed,
            how: Discrepancy::default(),
            elsewhere: (self.device != Device::Cpu).then_some(&on_device as &dyn PairSums),
        };
        match looked_at.values(self.run_dir) {
            Ok(values) => {
                for value in &values {
                    self.emit(EventBody::Alignment(value.clone()))?;
                }
                Ok(values)
            }
            // A run without alignment is still a result; the reason stands in its log.
            Err(reason) => {
                let message = format!("no alignment: {reason}");
                self.emit(EventBody::Log { level: LogLevel::Warn, message })?;
                Ok(Vec::new())
            }
        }
    }
}

/// A share of the training cases, at least one, in their order. Drawn from the seed alone, so that all arms
/// learn from the same cases, and a smaller share is part of a larger one; where there are labels of whole
/// cases each has its share.
fn share_of(mut cases: Vec<Example>, share: f64, seed: u64) -> Vec<Example> {
    if share >= 1.0 {
        return cases;
    }
    let label = |case: &Example| match case.target {
        Target::Label(label) => label,
        Target::Labels(_) | Target::Image { .. } => 0,
    };
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.shuffle(&mut stream(seed, "label-share"));
    let mut kept = vec![false; cases.len()];
    let labels: std::collections::BTreeSet<u8> = cases.iter().map(label).collect();
    for of in labels {
        let of_label: Vec<usize> = order.iter().copied().filter(|i| label(&cases[*i]) == of).collect();
        let count = (share * of_label.len() as f64).round().max(1.0) as usize;
        of_label.into_iter().take(count).for_each(|i| kept[i] = true);
    }
    let mut kept = kept.into_iter();
    cases.retain(|_| kept.next() == Some(true));
    cases
}

/// Says something; waits for room where the disk is full.
pub(crate) fn emit(observer: &dyn Observer, body: EventBody) -> Result<(), RunError> {
    written(observer, "the event log", || observer.event(body.clone()))
}

/// Writes `report.json`; waits for room where the disk is full.
pub(crate) fn write_report(
    run_dir: &Path,
    report: &RunReport,
    observer: &dyn Observer,
) -> Result<(), RunError> {
    let what = "report.json";
    let bytes = serde_json::to_vec_pretty(report)
        .map_err(|e| RunError::Internal(format!("{what} could not be made: {e}")))?;
    written(observer, what, || write_atomically(&run_dir.join(what), &bytes))
}

/// Most memory that this process has held, in bytes; 0 where the system does not say.
pub fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
