//! From what was asked for to runs in the queue: ids, requests, directories, rows.
//!
//! Directories come first and rows last, so that there is never a run without a directory. What is refused or cannot be
//! stored takes its directories back; a crash in between leaves directories that nobody was told of, and the next start
//! of a server clears them away (`storage::litter`).

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Notify;
use transferscope_domain::{
    Arm, Backbone, ExperimentId, Family, RunId, RunRequest, TaskKind,
    api::{CreatedRun, ExperimentCreated},
    backbone::SPECIALIST,
    dataset::DatasetManifest,
    experiment::{ExperimentSpec, PlannedRun},
    form::{FieldErrors, check_against},
    pretraining::{PretrainSpec, Pretraining, check_pretraining, trainable},
    run::{DeviceChoice, REQUEST_SCHEMA},
};
use transferscope_ml::{backbone, data::DataError};
use transferscope_store::{NewRun, Store, StoreError, ids, records::ARRIVAL_FILE};

use super::{plan::missing, recorder::OnChange, request_file};
use crate::{
    VERSION,
    data_dir::DataDir,
    inputs::catalogue::Catalogue,
    off_thread::{BrokenOff, blocking},
};

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("{}", in_words(.0))]
    Invalid(FieldErrors),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the data sets cannot be listed: {0}")]
    Datasets(#[from] DataError),
    #[error("the run directory {} cannot be written: {source}", path.display())]
    RunDir { path: PathBuf, source: io::Error },
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
}

fn in_words(errors: &FieldErrors) -> String {
    errors.iter().map(|(field, message)| format!("{field}: {message}")).collect::<Vec<_>>().join("; ")
}

/// Where work is handed in: makes runs in a data folder and puts them into its queue. Clones share everything.
#[derive(Clone)]
pub struct Intake {
    pub store: Store,
    pub data: DataDir,
    /// What new runs ask for.
    pub device: DeviceChoice,
    /// Hears of every run that was queued.
    pub on_change: OnChange,
    /// Wakes the dispatcher.
    pub wake: Arc<Notify>,
}

impl Intake {
    /// For a data folder that no server holds: nobody is told.
    pub fn unattended(store: Store, data: DataDir, device: DeviceChoice) -> Self {
        Self { store, data, device, on_change: Arc::new(|_| ()), wake: Arc::default() }
    }

    /// Puts the runs of an experiment into the queue and wakes the dispatcher.
    ///
    /// # Errors
    /// `Invalid` with messages by field; the others when disk or database fail.
    pub async fn experiment(&self, spec: ExperimentSpec) -> Result<ExperimentCreated, SubmitError> {
        let (folder, for_task) = (self.clone(), spec.clone());
        // Hundreds of directories, each on the disk before it counts, would hold up other requests.
        let prepare = move || folder.prepare_runs(&for_task, &for_task.plan(), &ids::new_experiment_id());
        let runs = blocking(prepare).await??;
        let made = ids_of(&runs);
        let created = match self.store.create_experiment(&spec, runs).await {
            Ok(created) => created,
            Err(error) => {
                self.take_back(made).await;
                return Err(error.into());
            }
        };
        self.queued(created.runs.iter().map(|run| &run.id));
        Ok(created)
    }

    /// Queues the planned runs of an experiment that have no result and are not under way, as they were asked for, and
    /// says how many.
    ///
    /// # Errors
    /// `Store` with `NotFound` when there is no such experiment; as [`Intake::experiment`].
    pub async fn fill(&self, id: &ExperimentId) -> Result<usize, SubmitError> {
        let spec = self.store.experiment(id).await?.spec;
        let records = self.store.study_records(id).await?;
        let planned = spec.plan();
        let wanted: Vec<PlannedRun> = missing(&planned, &records).into_iter().cloned().collect();
        let (folder, experiment) = (self.clone(), id.clone());
        let runs = blocking(move || folder.prepare_runs(&spec, &wanted, &experiment)).await??;
        // Another click may have had the same plan: what is still missing is decided where it is stored.
        let stored = match self.store.enqueue_missing(id, &runs).await {
            Ok(stored) => stored,
            Err(error) => {
                self.take_back(ids_of(&runs)).await;
                return Err(error.into());
            }
        };
        let doubles = ids_of(&runs).into_iter().filter(|id| !stored.contains(id)).collect();
        self.take_back(doubles).await;
        self.queued(&stored);
        Ok(stored.len())
    }

    /// Queues the pre-training of a backbone and wakes the dispatcher.
    ///
    /// # Errors
    /// As [`Intake::experiment`].
    pub async fn pretraining(&self, spec: PretrainSpec) -> Result<CreatedRun, SubmitError> {
        let folder = self.clone();
        let run = blocking(move || folder.prepare_pretraining(&spec)).await??;
        self.store_one(run).await
    }

    /// Queues a run again as it was asked for, with a new id and directory.
    ///
    /// # Errors
    /// `Store` with `NotFound` when there is no such run; the others when disk or database fail.
    pub async fn repeat(&self, id: &RunId) -> Result<CreatedRun, SubmitError> {
        let mut run = self.store.repeat(id).await?;
        run.request.id = ids::new_run_id();
        run.request.code_version = VERSION.into();
        let folder = self.clone();
        let run = blocking(move || folder.make_one(run.request, run.synthetic)).await??;
        self.store_one(run).await
    }

    /// Tells of runs that wait now.
    pub(super) fn queued<'a>(&self, runs: impl IntoIterator<Item = &'a RunId>) {
        runs.into_iter().for_each(|run| (self.on_change)(run));
        self.wake.notify_one();
    }

    /// Queues a run whose directory is there.
    async fn store_one(&self, run: NewRun) -> Result<CreatedRun, SubmitError> {
        if let Err(error) = self.store.enqueue_run(&run).await {
            self.take_back(vec![run.request.id]).await;
            return Err(error.into());
        }
        self.queued([&run.request.id]);
        Ok(created(run.request))
    }

    /// Removes the directories of runs that were not stored.
    async fn take_back(&self, runs: Vec<RunId>) {
        let data = self.data.clone();
        let remove = move || runs.iter().for_each(|run| remove_run_dir(&data, run));
        if let Err(error) = blocking(remove).await {
            tracing::warn!(%error, "directories of runs that were not started stay until the next start");
        }
    }

    /// Makes a run's directory with its request and its arrival, on the disk but for its name in `runs/`
    /// ([`sync_dir`]). Nobody looks into it before its row is stored; an error leaves no directory.
    fn make(&self, request: RunRequest, synthetic: bool) -> Result<NewRun, SubmitError> {
        let dir = self.data.run(&request.id);
        let failed = |source| SubmitError::RunDir { path: dir.clone(), source };
        // The parent exists; that this one does not is what makes the id new.
        fs::create_dir(&dir).map_err(failed)?;
        let arrival = self.store.arrive(synthetic);
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(&request)?;
            text.push(b'\n');
            for (name, bytes) in [(ARRIVAL_FILE, serde_json::to_vec(&arrival)?), (request_file::FILE, text)] {
                let mut file = File::create(dir.join(name))?;
                file.write_all(&bytes)?;
                file.sync_all()?;
            }
            sync_dir(&dir)
        };
        if let Err(source) = write() {
            remove_run_dir(&self.data, &request.id);
            return Err(failed(source));
        }
        Ok(NewRun { request, synthetic, arrival: Some(arrival) })
    }

    /// Makes one run's directory, on the disk.
    fn make_one(&self, request: RunRequest, synthetic: bool) -> Result<NewRun, SubmitError> {
        let run = self.make(request, synthetic)?;
        if let Err(error) = self.sync_runs() {
            remove_run_dir(&self.data, &run.request.id);
            return Err(error);
        }
        Ok(run)
    }

    fn sync_runs(&self) -> Result<(), SubmitError> {
        let path = self.data.runs();
        sync_dir(&path).map_err(|source| SubmitError::RunDir { path, source })
    }

    /// Runs of an experiment with their directories, all or none.
    fn prepare_runs(
        &self,
        spec: &ExperimentSpec,
        planned: &[PlannedRun],
        experiment: &ExperimentId,
    ) -> Result<Vec<NewRun>, SubmitError> {
        let mut runs = Vec::with_capacity(planned.len());
        let made = self.make_runs(spec, planned, experiment, &mut runs).and_then(|()| self.sync_runs());
        if let Err(error) = made {
            ids_of(&runs).iter().for_each(|run| remove_run_dir(&self.data, run));
            return Err(error);
        }
        Ok(runs)
    }

    fn make_runs(
        &self,
        spec: &ExperimentSpec,
        planned: &[PlannedRun],
        experiment: &ExperimentId,
        runs: &mut Vec<NewRun>,
    ) -> Result<(), SubmitError> {
        let catalogue = Catalogue::of(&self.data);
        let datasets = catalogue.try_datasets()?;
        let errors = check_against(spec, catalogue.backbones(), datasets);
        if !errors.is_empty() {
            return Err(SubmitError::Invalid(errors));
        }
        let invalid =
            |field: &str, message: String| SubmitError::Invalid([(field.to_owned(), message)].into());
        let dataset = datasets
            .iter()
            .find(|d| d.name == spec.dataset)
            .ok_or_else(|| invalid("dataset", format!("Unknown data set {:?}.", spec.dataset)))?;
        for planned in planned {
            let mut request = self
                .request_of(&catalogue, spec, planned, dataset)
                .map_err(|message| invalid("backbones", message))?;
            request.experiment = Some(experiment.clone());
            runs.push(self.make(request, dataset.synthetic)?);
        }
        Ok(())
    }

    /// The run that pre-trains as `spec` says, with its directory.
    fn prepare_pretraining(&self, spec: &PretrainSpec) -> Result<NewRun, SubmitError> {
        let catalogue = Catalogue::of(&self.data);
        let datasets = catalogue.try_datasets()?;
        let errors = check_pretraining(spec, catalogue.backbones(), datasets);
        let found = datasets.iter().find(|d| d.name == spec.dataset).zip(trainable(&spec.architecture));
        let (true, Some((dataset, architecture))) = (errors.is_empty(), found) else {
            return Err(SubmitError::Invalid(errors));
        };
        let id = ids::new_run_id();
        let from = spec.from.as_deref().and_then(|name| catalogue.backbone(name));
        let checkpoint = from.map(|backbone| self.checkpoint_of(backbone, &id));
        let request = RunRequest {
            schema: REQUEST_SCHEMA,
            id,
            experiment: None,
            backbone: spec.architecture.clone(),
            family: architecture.family(),
            architecture: Some(architecture),
            task: TaskKind::Pretraining.into(),
            arm: if checkpoint.is_some() { Arm::Pretrained } else { Arm::Scratch },
            seed: spec.seed,
            dataset: dataset.name.clone(),
            dataset_dir: format!("../../datasets/{}", dataset.name),
            dataset_hash: dataset.hash.clone(),
            split_hash: dataset.split_hash.clone(),
            checkpoint_hash: from.and_then(|b| b.checkpoint_hash.clone()),
            checkpoint,
            training: spec.training(),
            plan: dataset.plan.clone(),
            pretraining: Some(Pretraining {
                objective: spec.objective,
                name: spec.name.clone(),
                accumulate: spec.accumulate.unwrap_or(1),
                publish: Some("../../backbones".into()),
            }),
            device: self.device,
            code_version: VERSION.into(),
        };
        self.make_one(request, dataset.synthetic)
    }

    /// The request of one run of a plan, or what is wrong with its backbone.
    fn request_of(
        &self,
        catalogue: &Catalogue,
        spec: &ExperimentSpec,
        planned: &PlannedRun,
        dataset: &DatasetManifest,
    ) -> Result<RunRequest, String> {
        let id = ids::new_run_id();
        let backbone = if planned.backbone == SPECIALIST {
            None
        } else {
            let found = catalogue.backbone(&planned.backbone);
            Some(found.ok_or_else(|| format!("Unknown backbone {:?}.", planned.backbone))?)
        };
        let family = backbone.map_or(Family::SPECIALIST, |b| b.family);
        let started_from = backbone.filter(|_| planned.arm == Arm::Pretrained);
        Ok(RunRequest {
            schema: REQUEST_SCHEMA,
            experiment: None,
            backbone: planned.backbone.clone(),
            family,
            architecture: backbone.and_then(|b| b.architecture.clone()),
            task: planned.task,
            arm: planned.arm,
            seed: planned.seed,
            dataset: dataset.name.clone(),
            // From DATA/runs/<id>/ to DATA/datasets/<name>/.
            dataset_dir: format!("../../datasets/{}", dataset.name),
            dataset_hash: dataset.hash.clone(),
            split_hash: dataset.split_hash.clone(),
            checkpoint: started_from.map(|b| self.checkpoint_of(b, &id)),
            checkpoint_hash: started_from.and_then(|b| b.checkpoint_hash.clone()),
            training: spec.training(family, planned),
            plan: dataset.plan.clone(),
            pretraining: None,
            device: self.device,
            code_version: VERSION.into(),
            id,
        })
    }

    /// By which name a run finds the weights of a backbone.
    fn checkpoint_of(&self, backbone: &Backbone, run: &RunId) -> String {
        backbone::checkpoint_reference(self.data.root(), &self.data.run(run), backbone)
    }
}

fn ids_of(runs: &[NewRun]) -> Vec<RunId> {
    runs.iter().map(|r| r.request.id.clone()).collect()
}

fn created(request: RunRequest) -> CreatedRun {
    let RunRequest { id, backbone, task, arm, seed, .. } = request;
    CreatedRun { id, backbone, task, arm, seed }
}

fn remove_run_dir(data: &DataDir, run: &RunId) {
    if let Err(error) = fs::remove_dir_all(data.run(run))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(run.id = %run, %error, "the directory of a run that was not started stays until the next start");
    }
}

/// Puts a folder's entries on the disk.
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
