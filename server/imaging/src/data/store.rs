//! Writing a data set so that it is there whole or not at all.
//!
//! Everything is written into a hidden folder beside the final one, synced, and renamed at the end.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use transferscope_domain::{
    dataset::{CaseEntry, Contents, DatasetManifest},
    metric::Split,
};

use super::{DataError, Geometry, Volume, manifest, prepared};

/// A data set that is being written; dropped without [`Staging::publish`] it leaves nothing. What a process that was
/// killed has left is taken over.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    target: PathBuf,
    name: String,
    published: bool,
    /// Held while it is written; a process that ends in whatever way lets go of it.
    _lock: File,
}

/// The journal of an import in its folder.
pub(super) const JOURNAL: &str = "import.jsonl";

/// The file that is locked, beside the folder, so that it is there before the folder and goes after it.
fn lock_path(datasets_dir: &Path, name: &str) -> PathBuf {
    datasets_dir.join(format!(".{name}.lock"))
}

/// What lies where a data set is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// A process is writing it.
    InUse,
    /// An import that was killed and goes on where it was when it is started again.
    Import,
    /// Nothing of use.
    Litter,
}

impl Leftover {
    /// Of the data set of this name, or none where nothing of it is being written or was.
    pub fn of(datasets_dir: &Path, name: &str) -> Option<Self> {
        let folder = datasets_dir.join(format!(".{name}.partial"));
        let lock = File::open(lock_path(datasets_dir, name)).ok();
        if lock.is_some_and(|lock| lock.try_lock().is_err()) {
            return Some(Leftover::InUse);
        }
        folder.is_dir().then(
            || {
                if folder.join(JOURNAL).is_file() { Leftover::Import } else { Leftover::Litter }
            },
        )
    }

    /// Removes it; the caller knows that nobody writes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(datasets_dir: &Path, name: &str) -> std::io::Result<()> {
        std::fs::remove_dir_all(datasets_dir.join(format!(".{name}.partial")))?;
        match std::fs::remove_file(lock_path(datasets_dir, name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

impl Staging {
    /// Starts a data set of this name under `datasets_dir`, or goes on with one.
    ///
    /// # Errors
    /// When the name cannot be a folder, one of the name is being added right now, or the folder cannot be made.
    pub fn begin(datasets_dir: &Path, name: &str) -> Result<Self, DataError> {
        if !manifest::is_name(name) {
            return Err(DataError::BadName(name.to_owned()));
        }
        std::fs::create_dir_all(datasets_dir).map_err(DataError::io(datasets_dir))?;
        let path = lock_path(datasets_dir, name);
        let lock = File::create(&path).map_err(DataError::io(&path))?;
        if lock.try_lock().is_err() {
            return Err(DataError::Options(format!(
                "a data set {name:?} is being added right now: wait for it, or choose another name"
            )));
        }
        let folder = datasets_dir.join(format!(".{name}.partial"));
        let prepared = folder.join("prepared");
        std::fs::create_dir_all(&prepared).map_err(DataError::io(&prepared))?;
        remove_torn(&prepared)?;
        Ok(Self {
            folder,
            target: datasets_dir.join(name),
            name: name.to_owned(),
            published: false,
            _lock: lock,
        })
    }

    /// The folder in which the data set grows.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stores the arrays of one case and gives its manifest entry, whose label is not known and whose
    /// split is still to be drawn.
    ///
    /// # Errors
    /// When the arrays cannot be encoded or written.
    pub fn add_case(
        &self,
        case_id: &str,
        patient_id: &str,
        geometry: &Geometry,
        volumes: &BTreeMap<String, Volume>,
        contents: &Contents,
    ) -> Result<CaseEntry, DataError> {
        let bytes = prepared::encode(volumes, geometry).map_err(|e| DataError::refused(&self.folder, e))?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let relative = format!("prepared/{hash}.safetensors");
        let path = self.folder.join(&relative);
        if !path.exists() {
            write_whole(&path, &bytes)?;
        }
        let channels = contents.channels().filter(|c| volumes.contains_key(c.as_str()));
        let shape = volumes.values().next().map(|v| v.shape).unwrap_or_default();
        Ok(CaseEntry {
            case_id: case_id.to_owned(),
            patient_id: patient_id.to_owned(),
            split: Split::Train,
            shape,
            spacing_mm: geometry.spacing_mm(),
            channels: channels.map(|c| c.to_string()).collect(),
            prepared: relative,
            hash,
            cspca: None,
            labels: BTreeMap::new(),
            fold: None,
            mask_sources: BTreeMap::new(),
            notes: Vec::new(),
            mask_labels: mask_labels(volumes, contents),
        })
    }

    /// Makes the data set visible under its name. Where a data set of this name and content is there
    /// already, that one stays and is returned.
    ///
    /// # Errors
    /// When another data set has the name, or writing fails.
    pub fn publish(mut self, manifest: DatasetManifest) -> Result<DatasetManifest, DataError> {
        debug_assert_eq!(manifest.name, self.name);
        if self.target.exists() {
            return self.compare(&manifest);
        }
        rewrite(&self.folder, &manifest)?;
        sync_folder(&self.folder.join("prepared"))?;
        sync_folder(&self.folder)?;
        if let Err(source) = std::fs::rename(&self.folder, &self.target) {
            if self.target.exists() {
                // Someone else was faster.
                return self.compare(&manifest);
            }
            return Err(DataError::Io { path: self.target.clone(), source });
        }
        self.published = true;
        if let Some(parent) = self.target.parent() {
            sync_folder(parent)?;
        }
        Ok(manifest)
    }

    /// What is there already, if it is the same.
    fn compare(&self, manifest: &DatasetManifest) -> Result<DatasetManifest, DataError> {
        match manifest::load(&self.target) {
            Ok(there) if there.hash == manifest.hash && there.synthetic == manifest.synthetic => Ok(there),
            _ => Err(DataError::Exists { name: self.name.clone(), path: self.target.clone() }),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            tracing::warn!("cannot remove {}: {error}", self.folder.display());
        }
        if let Some(datasets_dir) = self.target.parent()
            && let Err(error) = std::fs::remove_file(lock_path(datasets_dir, &self.name))
        {
            tracing::warn!("the lock of {} cannot be removed: {error}", self.name);
        }
    }
}

/// Which foreground values each mask of a case holds, by channel.
pub(super) fn mask_labels(
    volumes: &BTreeMap<String, Volume>,
    contents: &Contents,
) -> BTreeMap<String, Vec<u8>> {
    let of = |name: &str| Some((name.to_owned(), labels_of(volumes.get(name)?)));
    contents.masks.iter().filter_map(|mask| of(&mask.name)).collect()
}

/// The foreground values of a mask, each once.
fn labels_of(mask: &Volume) -> Vec<u8> {
    let mut there = [false; 256];
    for value in &mask.data {
        there[usize::from(value.round().clamp(0.0, 255.0) as u8)] = true;
    }
    (1..=u8::MAX).filter(|label| there[usize::from(*label)]).collect()
}

/// Writes a file under a temporary name, syncs it and renames it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    // Two cases of one content are written to one file, perhaps at once.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", WRITTEN.fetch_add(1, Ordering::Relaxed)));
    let temporary = PathBuf::from(temporary);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(DataError::io(&temporary))?;
    std::fs::rename(&temporary, path).map_err(DataError::io(path))
}

/// Writes the manifest of a data set's folder, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn rewrite(dataset_dir: &Path, manifest: &DatasetManifest) -> Result<(), DataError> {
    let path = dataset_dir.join(manifest::FILE);
    let mut text = serde_json::to_vec_pretty(manifest)
        .map_err(|e| DataError::refused(&path, format!("cannot be written: {e}")))?;
    text.push(b'\n');
    write_whole(&path, &text)
}

/// Removes what a process that was killed was writing.
fn remove_torn(folder: &Path) -> Result<(), DataError> {
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        if path.extension().is_some_and(|ending| ending == "tmp") {
            std::fs::remove_file(&path).map_err(DataError::io(&path))?;
        }
    }
    Ok(())
}

/// Makes renames inside a folder durable.
fn sync_folder(folder: &Path) -> Result<(), DataError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(DataError::io(folder))
}
