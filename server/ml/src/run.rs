//! One run from request to report: the function that a worker process calls.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
use rand::seq::SliceRandom;
use transferscope_domain::{
    Adaptation, Arm, RunRequest,
    alignment::AlignmentValue,
    dataset::DatasetManifest,
    dataset::LeftOut,
    event::{EventBody, LogLevel, Phase},
    metric::Split,
    pretraining::Pretraining,
    report::{CaseScore, LoadReport, RunReport},
    training::{EPOCHS, Overrides},
};

use crate::{
    alignment::{Discrepancy, PairSums},
    backbone,
    checkpoint::{load_encoder, remove_parts},
    device::{Device, resolve},
    family::{Net, Rules, unet},
    init::{self, stream},
    nn::{kernels::Kernels, precision},
    observer::{Observer, Progress, emit, written},
    outcome::{Outcome, RunError},
    pair_sums::OnDevice,
    pretrain,
    run_dir::{REPORT_SCHEMA, load_manifest, peak_memory_bytes, write_report},
    train::{
        adapt::{Parameters, adapt, count},
        baseline::Baselines,
        evaluate::{EvalConfig, evaluate_cases, features_of_cases, summary},
        example::{Example, Target, TaskPlan, load},
        features::{self, AlignmentConfig},
        fit::{Fit, Fitted, fit, recipe},
        layer_decay::grouping,
        optimiser::Optimiser,
        previews,
        sampling::SamplingGeometry,
        sound,
        state::{self, Position},
        task_loss::TaskLoss,
    },
};

#[cfg(test)]
mod tests;

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
    let mut errors = Overrides::of(&request.training, request.task.kind).errors();
    if !EPOCHS.contains(&request.training.epochs) {
        errors.insert("epochs".into(), format!("{} is out of range", request.training.epochs));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = errors.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
    Err(RunError::Settings(said.join("; ")))
}

/// The cases of a run, and what is learnt of them.
struct Data {
    plan: TaskPlan,
    train: Vec<Example>,
    val: Vec<Example>,
    test: Vec<Example>,
    left_out: Vec<LeftOut>,
    synthetic: bool,
}

/// What is trained.
struct Built<B: AutodiffBackend> {
    net: Net<B>,
    optimiser: Optimiser<B>,
    from: Option<Position>,
    about: About,
}

/// What is said of a network.
struct About {
    parameters: Parameters,
    load_report: Option<LoadReport>,
    resumed_from_step: u64,
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
        match manifest.task_problem(self.request.task, &self.request.training) {
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

    fn sampling(&self) -> SamplingGeometry {
        let plan = self.request.plan.as_ref();
        match (self.request.encoder(), plan) {
            (None, Some(own)) => unet::Size::planned(own).sampling(),
            (encoder, _) => SamplingGeometry::of(encoder.as_ref()),
        }
        .with(plan)
    }

    fn dataset_dir(&self) -> std::path::PathBuf {
        self.run_dir.join(&self.request.dataset_dir)
    }

    /// The network with random weights: the same for every attempt.
    fn random<B: AutodiffBackend>(&self, plan: &TaskPlan, device: &B::Device) -> Result<Net<B>, RunError> {
        let output = plan.kind().output().ok_or_else(|| {
            RunError::Settings(format!("{} names no objective: it is no downstream task", plan.kind()))
        })?;
        let io = plan.io(output);
        let training = &self.request.training;
        let fits = self.request.encoder().and_then(|encoder| encoder.input_problem(io.images));
        if let Some(problem) = fits {
            return Err(RunError::Settings(format!("{}: {problem}", self.request.backbone)));
        }
        if let Some(problem) = self.request.family.head_problem(training.head, plan.kind()) {
            return Err(RunError::Settings(problem));
        }
        let net = match (self.request.encoder(), &self.request.plan) {
            (None, Some(plan)) => Net::specialist(&unet::Size::planned(plan), io, device),
            (encoder, _) => Net::<B>::new(encoder.as_ref(), training.head, io, device),
        };
        let net = match training.adaptation {
            Adaptation::LinearProbe => net.with_probe(io, device),
            Adaptation::Full | Adaptation::Frozen | Adaptation::Lora => net,
        };
        Ok(init::zero_init_output(init::random(net, self.request.seed), output))
    }

    /// A network of the kind that is trained, with random weights.
    fn untrained<B: AutodiffBackend>(&self, plan: &TaskPlan, device: &B::Device) -> Result<Net<B>, RunError> {
        Ok(self.adapted(self.random(plan, device)?, device))
    }

    fn adapted<B: AutodiffBackend>(&self, net: Net<B>, device: &B::Device) -> Net<B> {
        adapt(net, &self.request.training, self.request.seed, device)
    }

    /// The network as it is before training: the same for every attempt.
    fn initial<B: AutodiffBackend>(
        &self,
        plan: &TaskPlan,
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
                let (net, report) = load_encoder(net, reference, &weights, &plan.image_names())?;
                Ok((self.adapted(net, device), Some(report)))
            }
        }
    }

    /// The run's steps, one after the other.
    fn run<B>(&self, device: &B::Device) -> Result<Outcome, RunError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        self.phase(Phase::Preparing, 0, 0.0);
        self.folders()?;
        self.check_precision::<B>(device)?;
        if let Some(pretraining) = &self.request.pretraining {
            return pretrain::run::<B>(&self.pretraining(pretraining), device);
        }
        let data = self.open()?;
        let built = self.build::<B>(&data.plan, device)?;
        let loss = TaskLoss::new(self.request.training.loss, &data.train, data.plan.out());
        let eval = EvalConfig {
            plan: &data.plan,
            sampling: self.sampling(),
            loss: &loss,
            inference: self.request.training.inference,
            features: false,
        };
        let training = self.training(&data, eval);
        self.say_started(&data, &built.about, &training)?;
        let about = built.about;
        let completed = match fit(&training, built.net, built.optimiser, built.from, device)? {
            Fitted::Cancelled { step, epoch } => return Ok(Outcome::Cancelled { step, epoch }),
            Fitted::Complete(completed) => completed,
        };
        let (cases, metrics) =
            self.test::<B>(&data, eval, completed.best_cases.as_deref(), training.total_steps(), device)?;
        self.phase(Phase::Aligning, training.total_steps(), 0.97);
        let begun = Instant::now();
        let alignment = self.alignment::<B>(&data.val, eval, completed.best_epoch, device)?;
        let compared = begun.elapsed().as_secs_f64();
        let report = RunReport {
            schema: REPORT_SCHEMA,
            request: self.request.clone(),
            device: self.device.to_string(),
            parameters: about.parameters.total,
            trained_parameters: Some(about.parameters.trained),
            metrics,
            best_epoch: completed.best_epoch,
            cases,
            alignment,
            load_report: about.load_report,
            left_out: data.left_out,
            seconds: completed.seconds,
            data_wait_share: Some(completed.waited),
            alignment_share: Some((completed.feature_seconds + compared) / completed.seconds.max(1e-9)),
            peak_memory_bytes: peak_memory_bytes(),
            synthetic_data: data.synthetic,
        };
        write_report(self.run_dir, &report, self.observer)?;
        Ok(Outcome::Finished)
    }

    fn check_precision<B: AutodiffBackend>(&self, device: &B::Device) -> Result<(), RunError> {
        let precision = self.request.training.precision;
        if precision::is_supported::<B>(precision, device) {
            return Ok(());
        }
        Err(RunError::Settings(format!(
            "{} does not support {precision}: use precision=float32",
            self.device
        )))
    }

    fn pretraining<'a>(&'a self, pretraining: &'a Pretraining) -> pretrain::Job<'a> {
        let Job { request, run_dir, attempt, observer, device } = self;
        pretrain::Job { request, pretraining, run_dir, attempt: *attempt, observer: *observer, device }
    }

    /// Loads the cases of all splits, and refuses those that no training or test can come of.
    fn open(&self) -> Result<Data, RunError> {
        let request = self.request;
        let manifest = self.manifest()?;
        let grid = self.sampling().grid;
        let plan = TaskPlan::new(request.task, &manifest, request.plan.as_ref(), grid, &request.training)
            .map_err(RunError::Unserved)?;
        let examples = |split| load(&self.dataset_dir(), &manifest, &plan, split);
        let train = share_of(examples(Split::Train)?, request.training.label_share, request.seed);
        let (val, test) = (examples(Split::Val)?, examples(Split::Test)?);
        for (split, cases) in Split::ALL.into_iter().zip([&train, &val, &test]) {
            if let Some(problem) = sound::problem(split, cases, &plan) {
                return Err(RunError::Unserved(format!("{:?}: {problem}", request.dataset)));
            }
        }
        let left_out = manifest.left_out(&plan.aim);
        Ok(Data { plan, train, val, test, left_out, synthetic: manifest.synthetic })
    }

    /// The network and its optimiser, as they were left or as they start.
    fn build<B: AutodiffBackend>(&self, plan: &TaskPlan, device: &B::Device) -> Result<Built<B>, RunError> {
        let (net, load_report) = self.initial::<B>(plan, device)?;
        let parameters = count(&net);
        let groups = grouping(net.layers(), &self.request.training);
        let mut optimiser = Optimiser::new(self.request.training.optimiser.into(), groups);
        let (net, from) = state::load_last(self.run_dir, net, &mut optimiser, device)?;
        let resumed_from_step = from.as_ref().map_or(0, |p| p.step);
        Ok(Built { net, optimiser, from, about: About { parameters, load_report, resumed_from_step } })
    }

    fn training<'a>(&'a self, data: &'a Data, eval: EvalConfig<'a>) -> Fit<'a> {
        Fit {
            run_dir: self.run_dir,
            train: &data.train,
            val: &data.val,
            eval,
            spec: &self.request.training,
            recipe: recipe(self.request.training.augmentation),
            seed: self.request.seed,
            observer: self.observer,
        }
    }

    fn say_started(&self, data: &Data, about: &About, training: &Fit<'_>) -> Result<(), RunError> {
        self.emit(EventBody::Started {
            attempt: self.attempt,
            resumed_from_step: about.resumed_from_step,
            total_epochs: self.request.training.epochs,
            total_steps: training.total_steps(),
            device: self.device.to_string(),
            pid: std::process::id(),
            train_cases: data.train.len() as u32,
            val_cases: data.val.len() as u32,
            test_cases: data.test.len() as u32,
            left_out: data.left_out.clone(),
            load_report: about.load_report.clone(),
            parameters: about.parameters.total,
        })?;
        let unmeasured: Vec<String> = [(Split::Val, &data.val), (Split::Test, &data.test)]
            .into_iter()
            .filter_map(|(split, cases)| Some(sound::unmeasured(split, cases, data.plan.aim.mask()?)))
            .flatten()
            .collect();
        if unmeasured.is_empty() {
            return Ok(());
        }
        let said = unmeasured.join(", ");
        let message =
            format!("{said}: Dice and surface distances are undefined there, and means are over the others");
        self.emit(EventBody::Log { level: LogLevel::Info, message })
    }

    /// Scores the validation and test cases by the best network, beside what needs none. `known` are the scores of the
    /// validation cases where this process saw them.
    fn test<B>(
        &self,
        data: &Data,
        eval: EvalConfig<'_>,
        known: Option<&[CaseScore]>,
        step: u64,
        device: &B::Device,
    ) -> Result<(Vec<CaseScore>, BTreeMap<String, f64>), RunError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        self.phase(Phase::Testing, step, 0.94);
        let epoch = f64::from(self.request.training.epochs);
        // Running statistics are shared between clones of a network: the best one gets its own.
        let best = state::load_best(self.run_dir, self.untrained::<B>(&data.plan, device)?)?.valid();
        let baselines = Baselines::new(&data.train, &data.plan);
        let mut cases = match known {
            Some(known) => known.to_vec(),
            None => {
                evaluate_cases(&best, &data.val, eval, Split::Val.as_str(), device).map(|r| r.score).collect()
            }
        };
        let with_baselines = |case: &mut CaseScore, example| case.scores.extend(baselines.scores(example));
        cases.iter_mut().zip(&data.val).for_each(|(case, example)| with_baselines(case, example));
        let tested = evaluate_cases(&best, &data.test, eval, Split::Test.as_str(), device);
        for (i, (example, mut result)) in data.test.iter().zip(tested).enumerate() {
            with_baselines(&mut result.score, example);
            if i < TEST_PREVIEWS {
                previews::write(
                    self.run_dir,
                    (example, data.plan.classes()),
                    &result.prediction,
                    step,
                    epoch,
                    self.observer,
                )?;
            }
            cases.push(result.score);
        }
        let mut metrics = BTreeMap::new();
        for split in [Split::Val, Split::Test] {
            let of_split = cases.iter().filter(|c| c.split == split.as_str());
            metrics.extend(summary(of_split).into_iter().map(|(name, v)| (format!("{split}/{name}"), v)));
        }
        for (name, value) in metrics.iter().filter(|(name, _)| name.starts_with("test/")) {
            self.emit(EventBody::Metric { name: name.clone(), step, epoch, value: *value })?;
        }
        Ok((cases, metrics))
    }

    /// How the features of every layer moved, by the features that every validation has left.
    fn alignment<B>(
        &self,
        val: &[Example],
        eval: EvalConfig<'_>,
        tested: f64,
        device: &B::Device,
    ) -> Result<Vec<AlignmentValue>, RunError>
    where
        B: AutodiffBackend,
        B::InnerBackend: Kernels,
    {
        if self.request.checkpoint.is_some() {
            let random = self.untrained::<B>(eval.plan, device)?.valid();
            let cases: Vec<_> = features_of_cases(&random, val, eval.sampling, device).collect();
            let rows = features::joined(&cases);
            written(self.observer, "features", || features::save(self.run_dir, features::RANDOM, &rows))?;
        }
        // On the CPU the host's own way is as fast and in double precision.
        let on_device = OnDevice::<B::InnerBackend> { device: device.clone() };
        let looked_at = AlignmentConfig {
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
