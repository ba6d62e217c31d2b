//! The database made anew from what lies in the data folder: run directories, and the records beside them.
//!
//! Everything is read into a new file beside the old one; only then the old one is put aside and the new one takes its
//! place. Killed at any instant, it leaves the old database or none, never half of one, and can be run again. A database
//! that can still be read is asked first for what no file says yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use serde::Serialize;
use transferscope_domain::{ExperimentId, RunId, RunRequest, experiment::ExperimentSpec};
use transferscope_store::{
    NewRun, Store, StoreError,
    inspect::{Found, companions, inspect},
    now_ms,
    records::{
        ARRIVAL_FILE, Arrival, Ended, Kind, Places, QUEUE_FILE, RECORD_SCHEMA, STOPPED_FILE, read_record,
    },
    salvage::salvage,
};

use super::{database::names, litter};
use crate::{
    data_dir::{DataDir, DataDirError},
    inputs::catalogue::Catalogue,
    queue::{event_log, executor::lock_if_idle, recorder::Recorder, request_file, worker::CANCEL_FILE},
};

/// Why there is no new database.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{} cannot be read or moved: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Something that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub what: String,
    pub why: String,
}

/// What the new database holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub runs: usize,
    /// Runs by state, as their directories say.
    pub states: BTreeMap<String, u32>,
    pub experiments: usize,
    /// Experiments of which only the runs were left: their names are lost.
    pub experiments_from_runs: usize,
    pub links: usize,
    pub frozen_pages: usize,
    /// Runs that somebody had moved in the queue.
    pub moved: usize,
    pub skipped: Vec<Skipped>,
    /// Where the database that was there is kept.
    pub kept: Option<PathBuf>,
    /// What was wrong with it.
    pub damage: Option<String>,
}

impl Summary {
    fn skip(&mut self, what: impl Into<String>, why: impl ToString) {
        self.skipped.push(Skipped { what: what.into(), why: why.to_string() });
    }
}

/// Makes the database anew. `progress` hears how many of all runs are read.
///
/// # Errors
/// When a server holds the folder, the old database is of a newer version, or the disk does not take the new one.
pub async fn reindex(data: &DataDir, progress: impl Fn(usize, usize)) -> Result<Summary, ReindexError> {
    let _lock = data.lock_server()?;
    let mut summary = Summary::default();
    complete_records(data, &mut summary).await?;

    let path = new_path(data);
    for old in companions(&path).iter().chain([&path]) {
        remove(old)?;
    }
    let store = Store::open_for_rebuild(&path).await?;
    fill(&store, data, &mut summary, progress).await?;
    summary.states =
        store.counts().await?.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect();
    store.finish(&path).await?;
    summary.kept = swap(data, &path, summary.damage.is_some())?;
    Ok(summary)
}

/// Where the new database grows.
fn new_path(data: &DataDir) -> PathBuf {
    data.root().join("transferscope.db.reindex")
}

/// Lets the old database say what only it knows.
async fn complete_records(data: &DataDir, summary: &mut Summary) -> Result<(), ReindexError> {
    match inspect(&data.database()).await {
        Ok(Found::Nothing) => {}
        Ok(Found::Database { .. }) => {
            let store = Store::open(data.database()).await?;
            // What was never queued must not come to life.
            let swept = litter::sweep(data, &store).await?;
            let reconciled = store.reconcile(swept.strangers.is_empty()).await;
            for run in store.run_ids().await?.iter().filter(|run| !data.runs().join(run).is_dir()) {
                summary.skip(
                    format!("run {run}"),
                    "its directory is gone, and results are read from there; the old database, which is kept, still has them",
                );
            }
            store.close().await;
            for file in reconciled?.unreadable {
                summary.skip("a record", file);
            }
        }
        Err(StoreError::Damaged { found, .. }) => {
            for why in salvage(&data.database(), data.root()).await? {
                summary.skip("what was only in the damaged database", why);
            }
            summary.damage = Some(found);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn fill(
    store: &Store,
    data: &DataDir,
    summary: &mut Summary,
    progress: impl Fn(usize, usize),
) -> Result<(), ReindexError> {
    let experiments = store.restore(Kind::Experiment).await?;
    summary.experiments = experiments.rows;
    for why in experiments.skipped {
        summary.skip("an experiment", why);
    }
    let runs = run_directories(data, summary)?;
    summary.experiments_from_runs = experiments_of(store, &runs).await?;
    summary.experiments += summary.experiments_from_runs;
    store.restore_runs(&runs).await?;

    let recorder = Recorder::new(store.clone(), data.clone(), Arc::new(|_| {}), crate::health::Health::new());
    for (done, run) in runs.iter().enumerate() {
        progress(done, runs.len());
        let id = &run.request.id;
        match recorder.catch_up(id).await {
            Ok(_) => {
                state_of(store, data, id, summary).await?;
                summary.runs += 1;
            }
            Err(error) => {
                // Left in, it would look as if it had never begun, and would be started again.
                store.leave_out(id).await?;
                summary.skip(format!("run {id}"), error);
            }
        }
        recorder.forget(id);
    }
    progress(runs.len(), runs.len());

    let queue = data.root().join(QUEUE_FILE);
    match read_record::<Places>(&queue) {
        Ok(places) => summary.moved = store.restore_queue(&places.places).await?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => summary.skip("the order of the queue", format!("{}: {error}", queue.display())),
    }
    for (kind, what) in [(Kind::Link, "a link"), (Kind::Snapshot, "a frozen page")] {
        let restored = store.restore(kind).await?;
        for why in restored.skipped {
            summary.skip(what, why);
        }
        match kind {
            Kind::Link => summary.links = restored.rows,
            _ => summary.frozen_pages = restored.rows,
        }
    }
    Ok(())
}

/// The runs that have a directory, in the order in which they arrived.
fn run_directories(data: &DataDir, summary: &mut Summary) -> Result<Vec<NewRun>, ReindexError> {
    let folder = data.runs();
    // Not to be listed is not to be empty.
    fs::read_dir(&folder).map_err(|source| ReindexError::File { path: folder.clone(), source })?;
    let mut found = Vec::new();
    let catalogue = Catalogue::of(data);
    for name in names(&folder) {
        let dir = folder.join(&name);
        let Ok(id) = name.parse::<RunId>() else {
            summary.skip(dir.display().to_string(), "its name is not that of a run");
            continue;
        };
        match request(&dir, &id) {
            Ok(request) => {
                let kept = read_record::<Arrival>(&dir.join(ARRIVAL_FILE)).ok();
                let arrival = kept.unwrap_or_else(|| Arrival {
                    schema: RECORD_SCHEMA,
                    number: 0,
                    created_ms: modified_ms(&dir.join(request_file::FILE)),
                    // Only the data set tells, if it is still there.
                    synthetic: catalogue.datasets().iter().any(|d| d.name == request.dataset && d.synthetic),
                });
                found.push((arrival, request));
            }
            Err(why) => summary.skip(format!("run {id}"), why),
        }
    }
    Ok(numbered(found))
}

/// Gives a number to every run: its own where it has one that nobody else has, else the next ones in the order of time.
fn numbered(mut found: Vec<(Arrival, RunRequest)>) -> Vec<NewRun> {
    found.sort_by(|(a, x), (b, y)| (a.number, a.created_ms, &x.id).cmp(&(b.number, b.created_ms, &y.id)));
    let mut taken = HashSet::new();
    let (own, late): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(arrival, _)| arrival.number > 0 && taken.insert(arrival.number));
    let mut next = taken.iter().copied().max().unwrap_or(0);
    let late = late.into_iter().map(|(arrival, request)| {
        next += 1;
        (Arrival { number: next, ..arrival }, request)
    });
    let runs = own.into_iter().chain(late);
    runs.map(|(arrival, request)| NewRun { request, synthetic: arrival.synthetic, arrival: Some(arrival) })
        .collect()
}

/// The request of a run directory, or what is wrong with it.
fn request(dir: &Path, id: &RunId) -> Result<RunRequest, String> {
    let request = request_file::read(dir).map_err(|e| e.to_string())?;
    if request.id != *id {
        return Err(format!("{} is that of run {}", request_file::FILE, request.id));
    }
    let (log, begun) =
        (dir.join(event_log::FILE), ["checkpoints", "report.json"].map(|n| dir.join(n).exists()));
    match event_log::read_from(&log, 0) {
        Err(error) => Err(format!("{}: {error}", event_log::FILE)),
        Ok(piece) if piece.events.is_empty() && begun.contains(&true) => {
            Err(format!("it has results, but {} is missing or holds no event", event_log::FILE))
        }
        Ok(_) => Ok(request),
    }
}

fn modified_ms(path: &Path) -> i64 {
    let since =
        fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

/// Adds the experiments that runs name and no file holds, as far as their runs tell what was asked for.
async fn experiments_of(store: &Store, runs: &[NewRun]) -> Result<usize, ReindexError> {
    let known: HashSet<String> = store.experiment_ids().await?.into_iter().collect();
    let mut lost: BTreeMap<i64, (ExperimentId, Vec<&NewRun>)> = BTreeMap::new();
    let mut first: HashMap<&ExperimentId, i64> = HashMap::new();
    for run in runs {
        let Some(id) = run.request.experiment.as_ref().filter(|id| !known.contains(id.as_str())) else {
            continue;
        };
        let number = run.arrival.map_or(0, |a| a.number);
        let at = *first.entry(id).or_insert(number);
        lost.entry(at).or_insert_with(|| (id.clone(), Vec::new())).1.push(run);
    }
    let count = lost.len();
    for (id, runs) in lost.into_values() {
        let created_ms = runs.first().and_then(|r| r.arrival).map_or(0, |a| a.created_ms);
        store.restore_experiment(&id, &spec_of(&runs), created_ms).await?;
    }
    Ok(count)
}

/// The smallest experiment that plans all of these runs.
fn spec_of(runs: &[&NewRun]) -> ExperimentSpec {
    let requests = || runs.iter().map(|r| &r.request);
    let mut backbones: Vec<String> = Vec::new();
    for backbone in requests().map(|r| &r.backbone) {
        if backbone != transferscope_domain::backbone::SPECIALIST && !backbones.contains(backbone) {
            backbones.push(backbone.clone());
        }
    }
    let ordered = |wanted: &dyn Fn(&RunRequest) -> bool| requests().any(wanted);
    let shares: BTreeSet<u64> = requests().map(|r| r.training.label_share.to_bits()).collect();
    let adaptations: Vec<_> = transferscope_domain::Adaptation::ALL
        .iter()
        .copied()
        .filter(|a| ordered(&|r| r.training.adaptation == *a))
        .collect();
    ExperimentSpec {
        name: String::new(),
        backbones,
        tasks: requests().map(|r| r.task).collect::<BTreeSet<_>>().into_iter().collect(),
        arms: transferscope_domain::Arm::ALL.into_iter().filter(|a| ordered(&|r| r.arm == *a)).collect(),
        dataset: requests().next().map(|r| r.dataset.clone()).unwrap_or_default(),
        seeds: requests().map(|r| r.seed).collect::<BTreeSet<_>>().into_iter().collect(),
        label_shares: if shares.len() > 1 {
            shares.into_iter().map(f64::from_bits).collect()
        } else {
            Vec::new()
        },
        adaptations: if adaptations.len() > 1 { adaptations } else { Vec::new() },
        epochs: requests().next().map(|r| r.training.epochs),
        overrides: Default::default(),
    }
}

/// Says of a run what its log cannot: that it was stopped without a worker, or that a worker is at it now.
async fn state_of(
    store: &Store,
    data: &DataDir,
    id: &RunId,
    summary: &mut Summary,
) -> Result<(), ReindexError> {
    let dir = data.run(id);
    let stopped = dir.join(STOPPED_FILE);
    if stopped.exists() {
        match read_record::<Ended>(&stopped) {
            Ok(ended) => drop(store.restore_stop(id, ended.t_ms).await?),
            Err(_) => {
                // That it is there says enough.
                store.restore_stop(id, modified_ms(&stopped)).await?;
                summary.skip(format!("the time at which run {id} was stopped"), "its file cannot be read");
            }
        }
        return Ok(());
    }
    if matches!(lock_if_idle(&dir), Ok(None)) {
        store.restore_worker(id, dir.join(CANCEL_FILE).exists(), now_ms()).await?;
    }
    Ok(())
}

/// Puts the old database aside and the new one in its place, and says where the old one is.
fn swap(data: &DataDir, new: &Path, damaged: bool) -> Result<Option<PathBuf>, ReindexError> {
    let old = data.database();
    let seconds = now_ms() / 1000;
    let word = if damaged { "damaged" } else { "replaced" };
    let aside = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{word}-{seconds}"));
        PathBuf::from(name)
    };
    let rename = |from: &Path, to: &Path| match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ReindexError::File { path: from.to_owned(), source }),
    };
    let kept = rename(&old, &aside(&old))?.then(|| aside(&old));
    // A write-ahead log that stayed would be folded into the new file, whose pages it knows nothing of. Beside the old
    // one it goes on belonging to it.
    for (from, to) in companions(&old).iter().zip(companions(&aside(&old))) {
        rename(from, &to)?;
    }
    rename(new, &old)?;
    for left in companions(new) {
        remove(&left)?;
    }
    let root = data.root();
    let synced = File::open(root).and_then(|folder| folder.sync_all());
    synced.map_err(|source| ReindexError::File { path: root.to_owned(), source })?;
    Ok(kept)
}

fn remove(path: &Path) -> Result<(), ReindexError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ReindexError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::queued_run;
    use transferscope_domain::run::DeviceChoice;

    #[tokio::test]
    async fn a_run_without_its_directory_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let store = Store::open(data.database()).await.unwrap();
        let [there, gone] = [queued_run(DeviceChoice::Cpu), queued_run(DeviceChoice::Cpu)];
        let dir = data.run(&there.request.id);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(request_file::FILE), serde_json::to_vec(&there.request).unwrap()).unwrap();
        for run in [&there, &gone] {
            store.enqueue_run(run).await.unwrap();
        }
        store.close().await;
        let summary = reindex(&data, |_, _| ()).await.unwrap();
        assert_eq!(summary.runs, 1);
        let named: Vec<&str> = summary.skipped.iter().map(|s| s.what.as_str()).collect();
        assert_eq!(named, [format!("run {}", gone.request.id)]);
    }
}
