//! From what was asked for to runs in the queue: ids, requests, directories, rows.
//!
//! Directories come first and rows last. A crash in between leaves directories that nobody knows,
//! which are harmless, and never a run without a directory.

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
use transferscope_store::{NewRun, Store, StoreError, ids};

use crate::{
    data_dir::DataDir,
    state::{AppState, VERSION, backbones},
    study,
};

/// Name of the request in a run directory.
pub const REQUEST_FILE: &str = "request.json";

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
    let (for_task, spec_for_task) = (data.clone(), spec.clone());
    // Hundreds of directories, each on the disk before it counts, would hold up other requests.
    let prepare = move || prepare_experiment(&for_task, device, &spec_for_task);
    let runs = tokio::task::spawn_blocking(prepare).await.map_err(|_| SubmitError::Task)??;
    let made: Vec<RunId> = runs.iter().map(|r| r.request.id.clone()).collect();
    let created = store.create_experiment(&spec, runs).await;
    if created.is_err() {
        for run in made {
            let dir = data.run(&run);
            if let Err(error) = fs::remove_dir_all(&dir) {
                tracing::warn!(run.id = %run, %error, "the directory of a run that was not started stays");
            }
        }
    }
    Ok(created?)
}

/// Starts the pre-training of a backbone and wakes the dispatcher.
///
/// # Errors
/// As [`submit_experiment`].
pub async fn submit_pretraining(state: &AppState, spec: PretrainSpec) -> Result<CreatedRun, SubmitError> {
    let (data, device) = (state.data.clone(), state.device);
    let run = tokio::task::spawn_blocking(move || prepare_pretraining(&data, device, &spec))
        .await
        .map_err(|_| SubmitError::Task)??;
    state.store.enqueue_run(&run).await?;
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
    let (data, request) = (state.data.clone(), run.request.clone());
    tokio::task::spawn_blocking(move || write_run_dir(&data, &request))
        .await
        .map_err(|_| SubmitError::Task)??;
    state.store.enqueue_run(&run).await?;
    state.run_changed(&run.request.id);
    Ok(created(run.request))
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
    let (data, device, experiment) = (state.data.clone(), state.device, id.clone());
    let prepare = move || prepare_runs(&data, device, &spec, &wanted, &experiment);
    let runs = tokio::task::spawn_blocking(prepare).await.map_err(|_| SubmitError::Task)??;
    for run in &runs {
        state.store.enqueue_run(run).await?;
        state.run_changed(&run.request.id);
    }
    Ok(runs.len())
}

fn prepare_experiment(
    data: &DataDir,
    device: DeviceChoice,
    spec: &ExperimentSpec,
) -> Result<Vec<NewRun>, SubmitError> {
    prepare_runs(data, device, spec, &spec.plan(), &ids::new_experiment_id())
}

/// Runs of an experiment with their directories.
fn prepare_runs(
    data: &DataDir,
    device: DeviceChoice,
    spec: &ExperimentSpec,
    planned: &[PlannedRun],
    experiment: &ExperimentId,
) -> Result<Vec<NewRun>, SubmitError> {
    let datasets = manifest::list(&data.datasets())?;
    let errors = check_against(spec, &backbones(data), &datasets);
    if !errors.is_empty() {
        return Err(SubmitError::Invalid(errors));
    }
    let invalid = |field: &str, message: String| SubmitError::Invalid([(field.to_owned(), message)].into());
    let dataset = datasets
        .iter()
        .find(|d| d.name == spec.dataset)
        .ok_or_else(|| invalid("dataset", format!("Unknown data set {:?}.", spec.dataset)))?;
    let mut runs = Vec::new();
    for planned in planned {
        let mut request = request_of(data, device, spec, planned, dataset)
            .map_err(|message| invalid("backbones", message))?;
        request.experiment = Some(experiment.clone());
        write_run_dir(data, &request)?;
        runs.push(NewRun { request, synthetic: dataset.synthetic });
    }
    Ok(runs)
}

/// The run that pre-trains as `spec` says, with its directory.
fn prepare_pretraining(
    data: &DataDir,
    device: DeviceChoice,
    spec: &PretrainSpec,
) -> Result<NewRun, SubmitError> {
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
        device,
        code_version: VERSION.into(),
    };
    write_run_dir(data, &request)?;
    Ok(NewRun { request, synthetic: dataset.synthetic })
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

/// Makes a run's directory with its request, which is there whole or not at all.
fn write_run_dir(data: &DataDir, request: &RunRequest) -> Result<(), SubmitError> {
    let dir = data.run(&request.id);
    let write = || -> io::Result<()> {
        // The parent exists; that this one does not is what makes the id new.
        fs::create_dir(&dir)?;
        let temporary = dir.join("request.json.new");
        let mut file = File::create(&temporary)?;
        serde_json::to_writer_pretty(&mut file, request)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, dir.join(REQUEST_FILE))?;
        sync_dir(&dir)?;
        sync_dir(&data.runs())
    };
    write().map_err(|source| SubmitError::RunDir { path: dir.clone(), source })
}

/// Puts a folder's entries on the disk.
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
