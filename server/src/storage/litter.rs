//! What processes that were killed have left in the data folder: found and removed when a server starts, as long as no
//! living process owns it.
//!
//! - Directories of runs that were never queued: empty, or with a request alone. Their rows were never stored, so nobody
//!   was told of these runs, and whoever asked has seen an error and may ask again: queueing them would double the work.
//! - Half-written files and folders (`.part`, `.partial`, `.tmp`, `.new`), outside of run directories only hidden ones:
//!   people's data sets and backbones may be called as they like. Where the process id is in the name, that process must
//!   be gone; in a run directory, its lock must be free; else an hour must have passed.
//! - Data sets that nobody writes any more. An import goes on where it was when it is started again, and is kept for a week.
//!
//! A directory of a run that has begun, or whose experiment is kept beside the database, and that the database does not
//! know is not litter: an older database may have been put back. It is left and named.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use transferscope_domain::RunId;
use transferscope_ml::data::{manifest, store::Leftover};
use transferscope_store::{
    Store, StoreError,
    reconcile::is_run,
    records::{ARRIVAL_FILE, Kind},
};

use super::database::names;
use crate::{
    data_dir::DataDir,
    queue::{executor::lock_if_idle, request_file},
};

/// How old an incomplete file of an unknown owner must be.
const AGE: Duration = Duration::from_secs(3600);
/// How long an import that was killed is kept.
const IMPORT_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Folders of a run directory in which files are written under temporary names.
const RUN_FOLDERS: [&str; 4] = ["", "checkpoints", "features", "previews"];

/// What was found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Files and folders that were removed.
    pub removed: usize,
    /// Runs that have begun and are not in the database.
    pub strangers: Vec<RunId>,
    /// What could not be removed, in words.
    pub left: Vec<String>,
}

/// Removes litter; the caller holds the folder's lock.
///
/// # Errors
/// When the database does not say which runs it knows.
pub async fn sweep(data: &DataDir, store: &Store) -> Result<Swept, StoreError> {
    let known: std::collections::HashSet<String> = store.run_ids().await?.into_iter().collect();
    let data = data.clone();
    let sweep = move || {
        let mut swept = Swept::default();
        sweep_imports(&data.datasets(), &mut swept);
        let mut half_written = vec![data.root().to_owned(), data.datasets(), data.backbones()];
        half_written.extend(Kind::ALL.map(|kind| data.root().join(kind.folder())));
        half_written.iter().for_each(|folder| sweep_folder(folder, &mut swept));
        for name in names(&data.runs()).filter(|name| is_run(name)) {
            let dir = data.runs().join(&name);
            if known.contains(&name) {
                sweep_run(&dir, &mut swept);
            } else if never_begun(&dir) && !was_kept(&data, &dir) {
                remove(&dir, &mut swept);
            } else if let Ok(id) = name.parse() {
                swept.strangers.push(id);
            }
        }
        swept
    };
    Ok(tokio::task::spawn_blocking(sweep).await.unwrap_or_default())
}

/// Whether a directory holds no more than what is written before a run is stored.
fn never_begun(dir: &Path) -> bool {
    dir.is_dir()
        && names(dir).all(|name| name == request_file::FILE || name == ARRIVAL_FILE || is_temporary(&name))
}

/// Whether the experiment that a run was made for is kept as a file, which is written once all of its rows are checked.
fn was_kept(data: &DataDir, dir: &Path) -> bool {
    let Some(experiment) = request_file::experiment(dir) else { return false };
    data.root().join(Kind::Experiment.folder()).join(format!("{experiment}.json")).exists()
}

fn is_temporary(name: &str) -> bool {
    [".part", ".partial", ".tmp", ".new"].iter().any(|ending| name.ends_with(ending))
}

/// Removes data sets that nobody writes any more.
fn sweep_imports(datasets: &Path, swept: &mut Swept) {
    let partial = |name: &String| Some(name.strip_prefix('.')?.strip_suffix(".partial")?.to_owned());
    for name in names(datasets).filter_map(|name| partial(&name)).filter(|name| manifest::is_name(name)) {
        let path = datasets.join(format!(".{name}.partial"));
        let goes = match Leftover::of(datasets, &name) {
            Some(Leftover::Litter) => owner(&format!(".{name}.partial")).is_none(),
            Some(Leftover::Import) => !touched_since(&path, IMPORT_AGE),
            Some(Leftover::InUse) | None => false,
        };
        if goes {
            match Leftover::remove(datasets, &name) {
                Ok(()) => swept.removed += 1,
                Err(error) => swept.left.push(format!("{}: {error}", path.display())),
            }
        }
    }
}

fn sweep_folder(folder: &Path, swept: &mut Swept) {
    let partial_set =
        |name: &str| name.ends_with(".partial") && owner(name).is_none() && folder.ends_with("datasets");
    let temporary = |name: &String| name.starts_with('.') && is_temporary(name) && !partial_set(name);
    for name in names(folder).filter(temporary) {
        let path = folder.join(&name);
        let owned = match owner(&name) {
            Some(pid) => is_alive(pid),
            None => touched_since(&path, AGE),
        };
        if !owned {
            remove(&path, swept);
        }
    }
}

/// The process id in a name such as `.NAME.PID.N.partial`; a number of the name itself is none.
fn owner(name: &str) -> Option<u32> {
    let mut parts = name.rsplit('.').skip(1);
    parts.next()?.parse::<u32>().ok()?;
    parts.next()?.parse().ok()
}

/// Whether a process lives that can own something: one that began before this one, since this one is only starting.
fn is_alive(pid: u32) -> bool {
    pid != std::process::id() && Path::new("/proc").join(pid.to_string()).exists()
}

/// Whether a file, or one in this folder, was written in the time before now.
fn touched_since(path: &Path, time: Duration) -> bool {
    let newest = |path: &Path| fs::symlink_metadata(path).and_then(|m| m.modified()).ok();
    let inside = names(path).filter_map(|name| newest(&path.join(name)));
    let Some(last) = inside.chain(newest(path)).max() else { return false };
    // A time in the future tells nothing: leave it alone.
    SystemTime::now().duration_since(last).map_or(true, |age| age < time)
}

/// Removes what a worker has left half-written, unless a worker is there now.
fn sweep_run(dir: &Path, swept: &mut Swept) {
    let found: Vec<PathBuf> = RUN_FOLDERS
        .iter()
        .map(|folder| dir.join(folder))
        .flat_map(|folder| {
            names(&folder).filter(|n| is_temporary(n)).map(move |n| folder.join(n)).collect::<Vec<_>>()
        })
        .collect();
    if found.is_empty() {
        return;
    }
    // Held meanwhile, so that no worker begins to write.
    match lock_if_idle(dir) {
        Ok(Some(_lock)) => found.iter().for_each(|path| remove(path, swept)),
        Ok(None) => {}
        Err(error) => swept.left.push(format!("{}: {error}", dir.display())),
    }
}

fn remove(path: &Path, swept: &mut Swept) {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Ok(()) => swept.removed += 1,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(error) => swept.left.push(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_from_names() {
        assert_eq!(owner(".phantom.4711.3.partial"), Some(4711));
        assert_eq!(owner(".b3.4711.0.part"), Some(4711));
        for none in [".health-4711.part", ".net.partial", ".vit-16.partial", ".study.2024.new", "x.1.tmp"] {
            assert_eq!(owner(none), None, "{none}");
        }
        assert_eq!(owner("last.part"), None);
    }

    #[tokio::test]
    async fn what_the_dead_have_left_goes_and_what_lives_or_has_results_stays() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let store = Store::open(data.database()).await.unwrap();
        let dead = {
            let mut child = std::process::Command::new("true").spawn().unwrap();
            let pid = child.id();
            child.wait().unwrap();
            pid
        };
        let living = std::os::unix::process::parent_id();
        let make = |path: &str| {
            let path = data.root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        let gone = [
            format!("datasets/.a.{dead}.0.partial/case/t2w"),
            format!("datasets/.a.{}.0.partial/case/t2w", std::process::id()),
            format!("links/.x.json.{dead}.7.part"),
            "datasets/.computed.partial/prepared/x".into(),
            "runs/neverbegun/request.json".into(),
            "runs/neverbeguq/arrival.json".into(),
        ];
        let stays = [
            format!("datasets/.b.{living}.0.partial/case/t2w"),
            "backbones/.young.partial/weights.safetensors".to_owned(),
            "datasets/.killed.partial/import.jsonl".to_owned(),
            "runs/hasresults/request.json".into(),
            "runs/hasresults/events.jsonl".into(),
            "runs/Not a run/request.json".into(),
            // What people call their own.
            "datasets/phantom.tmp/dataset.json".into(),
            format!("datasets/study.{dead}.1.new/dataset.json"),
            "backbones/vit-16.partial/card.json".into(),
        ];
        gone.iter().chain(&stays).for_each(|path| make(path));
        fs::create_dir(data.runs().join("emptyemptx")).unwrap();
        // Of an experiment that somebody was told of, by a database that is not there any more.
        make("runs/toldofittt/request.json");
        make("experiments/qspen2dnzv.json");
        fs::write(data.runs().join("toldofittt/request.json"), r#"{"experiment": "qspen2dnzv"}"#).unwrap();
        for path in &stays {
            let path = data.root().join(path);
            let old = std::time::SystemTime::now() - 3 * AGE;
            if !path.to_string_lossy().contains(".young.") {
                fs::File::open(&path).and_then(|f| f.set_modified(old)).unwrap();
            }
        }
        let swept = sweep(&data, &store).await.unwrap();
        assert_eq!(swept.left, Vec::<String>::new());
        for path in &gone {
            assert!(!data.root().join(path).exists(), "{path} stays");
        }
        assert!(!data.runs().join("emptyemptx").exists() && !data.runs().join("neverbegun").exists());
        for path in &stays {
            assert!(data.root().join(path).exists(), "{path} is gone");
        }
        let mut strangers: Vec<_> = swept.strangers.iter().map(|r| r.as_str()).collect();
        strangers.sort_unstable();
        assert_eq!(strangers, ["hasresults", "toldofittt"]);
        assert!(data.runs().join("toldofittt").exists());
        assert_eq!(swept.removed, gone.len() + 1);
    }
}
