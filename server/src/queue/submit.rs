//! From what was asked for to runs in the queue: ids, requests, directories, rows.
//!
//! Directories come first and rows last, so that there is never a run without a directory. What is refused or cannot be
//! stored takes its directories back; a crash in between leaves directories that nobody was told of, and the next start
//! of a server clears them away ([`crate::storage::litter`]).

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use transferscope_domain::{
    Arm, ExperimentId, Family, RunId, RunRequest, Task,
    api::{CreatedRun, ExperimentCreated},
    backbone::SPECIALIST,
    dataset::DatasetManifest,
    experiment::{ExperimentSpec, PlannedRun},
    form::{FieldErrors, check_against},
    pretraining::{PretrainSpec, Pretraining, check_pretraining, trainable},
    run::{DeviceChoice, REQUEST_SCHEMA},
};
use transferscope_ml::{backbone, data::DataError, data::manifest};
use transferscope_store::{NewRun, Store, StoreError, ids, records::ARRIVAL_FILE};

use super::request_file;
use crate::{
    data_dir::DataDir,
    results::study,
    web::state::{AppState, VERSION, backbones},
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
    #[error("the task that writes run directories broke off")]
    Task,
}

fn in_words(errors: &FieldErrors) -> String {
    errors.iter().map(|(field, message)| format!("{field}: {message}")).collect::<Vec<_>>().join("; ")
}

/// Starts an experiment and wakes the dispatcher.
///
/// # Errors
/// `Invalid` with messages by field; the others when disk or database fail.
pub async fn submit_experiment(
    state: &AppState,
    spec: ExperimentSpec,
) -> Result<ExperimentCreated, SubmitError> {
    let created = enqueue_experiment(&state.store, &state.data, state.device, spec).await?;
    for run in &created.runs {
        state.events.run_changed(&run.id);
    }
    state.wake.notify_one();
    Ok(created)
}

/// Puts an experiment's runs into the queue of a data folder, without a server.
///
/// # Errors
/// As [`submit_experiment`].
pub async fn enqueue_experiment(
    store: &Store,
    data: &DataDir,
    device: DeviceChoice,
    spec: ExperimentSpec,
) -> Result<ExperimentCreated, SubmitError> {
    let (for_task, spec_for_task) =
        (Folder { data: data.clone(), store: store.clone(), device }, spec.clone());
    // Hundreds of directories, each on the disk before it counts, would hold up other requests.
    let prepare =
        move || for_task.prepare_runs(&spec_for_task, &spec_for_task.plan(), &ids::new_experiment_id());
    let runs = tokio::task::spawn_blocking(prepare).await.map_err(|_| SubmitError::Task)??;
    let made = ids_of(&runs);
    let created = store.create_experiment(&spec, runs).await;
    if created.is_err() {
        take_back(data, made).await;
    }
    Ok(created?)
}

fn ids_of(runs: &[NewRun]) -> Vec<RunId> {
    runs.iter().map(|r| r.request.id.clone()).collect()
}

/// Removes the directories of runs that were not stored.
async fn take_back(data: &DataDir, runs: Vec<RunId>) {
    let data = data.clone();
    let remove = move || runs.iter().for_each(|run| remove_run_dir(&data, run));
    if tokio::task::spawn_blocking(remove).await.is_err() {
        tracing::warn!("directories of runs that were not started stay until the next start");
    }
}

fn remove_run_dir(data: &DataDir, run: &RunId) {
    if let Err(error) = fs::remove_dir_all(data.run(run))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(run.id = %run, %error, "the directory of a run that was not started stays until the next start");
    }
}

/// Starts the pre-training of a backbone and wakes the dispatcher.
///
/// # Errors
/// As [`submit_experiment`].
pub async fn submit_pretraining(state: &AppState, spec: PretrainSpec) -> Result<CreatedRun, SubmitError> {
    let folder = Folder::of(state);
    let run = tokio::task::spawn_blocking(move || folder.prepare_pretraining(&spec))
        .await
        .map_err(|_| SubmitError::Task)??;
    store_one(state, run).await
}

/// Queues a run whose directory is there.
async fn store_one(state: &AppState, run: NewRun) -> Result<CreatedRun, SubmitError> {
    if let Err(error) = state.store.enqueue_run(&run).await {
        take_back(&state.data, vec![run.request.id]).await;
        return Err(error.into());
    }
    state.run_changed(&run.request.id);
    Ok(created(run.request))
}

fn created(request: RunRequest) -> CreatedRun {
    let RunRequest { id, backbone, task, arm, seed, .. } = request;
    CreatedRun { id, backbone, task, arm, seed }
}

/// Starts a run again as it was asked for, with a new id and directory.
///
/// # Errors
/// `Store` with `NotFound` when there is no such run; the others when disk or database fail.
pub async fn repeat_run(state: &AppState, id: &RunId) -> Result<CreatedRun, SubmitError> {
    let mut run = state.store.repeat(id).await?;
    run.request.id = ids::new_run_id();
    run.request.code_version = VERSION.into();
    let folder = Folder::of(state);
    let run = tokio::task::spawn_blocking(move || folder.make_one(run.request, run.synthetic))
        .await
        .map_err(|_| SubmitError::Task)??;
    store_one(state, run).await
}

/// Queues the planned runs of an experiment that have no result and are not under way, as they were asked for.
///
/// # Errors
/// `Store` with `NotFound` when there is no such experiment; as [`submit_experiment`].
pub async fn fill_experiment(state: &AppState, id: &ExperimentId) -> Result<usize, SubmitError> {
    let spec = state.store.experiment(id).await?.spec;
    let records = state.store.study_records(id).await?;
    let planned = spec.plan();
    let wanted: Vec<PlannedRun> = study::missing(&planned, &records).into_iter().cloned().collect();
    let (folder, experiment) = (Folder::of(state), id.clone());
    let prepare = move || folder.prepare_runs(&spec, &wanted, &experiment);
    let runs = tokio::task::spawn_blocking(prepare).await.map_err(|_| SubmitError::Task)??;
    // Another click may have had the same plan: what is still missing is decided where it is stored.
    let stored = match state.store.enqueue_missing(id, &runs).await {
        Ok(stored) => stored,
        Err(error) => {
            take_back(&state.data, ids_of(&runs)).await;
            return Err(error.into());
        }
    };
    let doubles = ids_of(&runs).into_iter().filter(|id| !stored.contains(id)).collect();
    take_back(&state.data, doubles).await;
    for run in &stored {
        state.run_changed(run);
    }
    Ok(stored.len())
}

/// Where runs are made, and what they ask for.
struct Folder {
    data: DataDir,
    store: Store,
    device: DeviceChoice,
}

impl Folder {
    fn of(state: &AppState) -> Self {
        Self { data: state.data.clone(), store: state.store.clone(), device: state.device }
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
        let Self { data, device, .. } = self;
        let datasets = manifest::list(&data.datasets())?;
        let errors = check_against(spec, &backbones(data), &datasets);
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
            let mut request = request_of(data, *device, spec, planned, dataset)
                .map_err(|message| invalid("backbones", message))?;
            request.experiment = Some(experiment.clone());
            runs.push(self.make(request, dataset.synthetic)?);
        }
        Ok(())
    }

    /// The run that pre-trains as `spec` says, with its directory.
    fn prepare_pretraining(&self, spec: &PretrainSpec) -> Result<NewRun, SubmitError> {
        let Self { data, device, .. } = self;
        let datasets = manifest::list(&data.datasets())?;
        let errors = check_pretraining(spec, &backbones(data), &datasets);
        let found = datasets.iter().find(|d| d.name == spec.dataset).zip(trainable(&spec.architecture));
        let (true, Some((dataset, architecture))) = (errors.is_empty(), found) else {
            return Err(SubmitError::Invalid(errors));
        };
        let id = ids::new_run_id();
        let from = spec.from.as_deref().and_then(|name| backbone::find(data.root(), name));
        let checkpoint =
            from.as_ref().and_then(|b| backbone::checkpoint_reference(data.root(), &data.run(&id), &b.name));
        let request = RunRequest {
            schema: REQUEST_SCHEMA,
            id,
            experiment: None,
            backbone: spec.architecture.clone(),
            family: architecture.family(),
            architecture: Some(architecture),
            task: Task::Pretraining,
            arm: if checkpoint.is_some() { Arm::Pretrained } else { Arm::Scratch },
            seed: spec.seed,
            dataset: dataset.name.clone(),
            dataset_dir: format!("../../datasets/{}", dataset.name),
            dataset_hash: dataset.hash.clone(),
            split_hash: dataset.split_hash.clone(),
            checkpoint_hash: from.filter(|_| checkpoint.is_some()).and_then(|b| b.checkpoint_hash),
            checkpoint,
            training: spec.training(),
            pretraining: Some(Pretraining {
                objective: spec.objective,
                name: spec.name.clone(),
                accumulate: spec.accumulate.unwrap_or(1),
                publish: Some("../../backbones".into()),
            }),
            device: *device,
            code_version: VERSION.into(),
        };
        self.make_one(request, dataset.synthetic)
    }
}

/// The request of one run of a plan, or what is wrong with its backbone.
fn request_of(
    data: &DataDir,
    device: DeviceChoice,
    spec: &ExperimentSpec,
    planned: &PlannedRun,
    dataset: &DatasetManifest,
) -> Result<RunRequest, String> {
    let id = ids::new_run_id();
    let (family, architecture, hash) = if planned.backbone == SPECIALIST {
        (Family::Unet, None, None)
    } else {
        let found = backbone::find(data.root(), &planned.backbone)
            .ok_or_else(|| format!("Unknown backbone {:?}.", planned.backbone))?;
        (found.family, found.architecture, found.checkpoint_hash)
    };
    let (checkpoint, checkpoint_hash) = if planned.arm == Arm::Pretrained {
        (backbone::checkpoint_reference(data.root(), &data.run(&id), &planned.backbone), hash)
    } else {
        (None, None)
    };
    Ok(RunRequest {
        schema: REQUEST_SCHEMA,
        id,
        experiment: None,
        backbone: planned.backbone.clone(),
        family,
        architecture,
        task: planned.task,
        arm: planned.arm,
        seed: planned.seed,
        dataset: dataset.name.clone(),
        // From DATA/runs/<id>/ to DATA/datasets/<name>/.
        dataset_dir: format!("../../datasets/{}", dataset.name),
        dataset_hash: dataset.hash.clone(),
        split_hash: dataset.split_hash.clone(),
        checkpoint,
        checkpoint_hash,
        training: spec.training(family, planned),
        pretraining: None,
        device,
        code_version: VERSION.into(),
    })
}

/// Puts a folder's entries on the disk.
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
