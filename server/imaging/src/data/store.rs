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
    dataset::{CaseEntry, DatasetManifest},
    metric::Split,
};

use super::{DataError, Geometry, IMAGES, MASKS, Volume, manifest, prepared};

/// A data set that is being written; dropped without [`Staging::publish`] it leaves nothing.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    target: PathBuf,
    name: String,
    published: bool,
}

impl Staging {
    /// Starts a data set of this name under `datasets_dir`.
    ///
    /// # Errors
    /// When the name cannot be a folder or the folder cannot be made.
    pub fn begin(datasets_dir: &Path, name: &str) -> Result<Self, DataError> {
        if !manifest::is_name(name) {
            return Err(DataError::BadName(name.to_owned()));
        }
        std::fs::create_dir_all(datasets_dir).map_err(DataError::io(datasets_dir))?;
        // The process and a counter, so that two who add at once do not write into one folder.
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = datasets_dir.join(format!(".{name}.{}.{number}.partial", std::process::id()));
        if folder.exists() {
            // Left by a process of the same number that was killed.
            std::fs::remove_dir_all(&folder).map_err(DataError::io(&folder))?;
        }
        let prepared = folder.join("prepared");
        std::fs::create_dir_all(&prepared).map_err(DataError::io(&prepared))?;
        Ok(Self { folder, target: datasets_dir.join(name), name: name.to_owned(), published: false })
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
    ) -> Result<CaseEntry, DataError> {
        let bytes = prepared::encode(volumes, geometry).map_err(|e| DataError::refused(&self.folder, e))?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let relative = format!("prepared/{hash}.safetensors");
        let path = self.folder.join(&relative);
        if !path.exists() {
            write_whole(&path, &bytes)?;
        }
        let channels = IMAGES.iter().chain(&MASKS).filter(|c| volumes.contains_key(**c));
        let shape = volumes.values().next().map(|v| v.shape).unwrap_or_default();
        Ok(CaseEntry {
            case_id: case_id.to_owned(),
            patient_id: patient_id.to_owned(),
            split: Split::Train,
            shape,
            spacing_mm: geometry.spacing_mm(),
            channels: channels.map(|c| (*c).to_owned()).collect(),
            prepared: relative,
            hash,
            cspca: None,
            fold: None,
            mask_sources: BTreeMap::new(),
            notes: Vec::new(),
            mask_labels: mask_labels(volumes),
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
        let path = self.folder.join(manifest::FILE);
        let mut text = serde_json::to_vec_pretty(&manifest)
            .map_err(|e| DataError::refused(&path, format!("cannot be written: {e}")))?;
        text.push(b'\n');
        write_whole(&path, &text)?;
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
    }
}

/// Which foreground values each mask of a case holds, by channel.
pub(super) fn mask_labels(volumes: &BTreeMap<String, Volume>) -> BTreeMap<String, Vec<u8>> {
    MASKS.iter().filter_map(|c| Some(((*c).to_owned(), labels_of(volumes.get(*c)?)))).collect()
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
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(DataError::io(&temporary))?;
    std::fs::rename(&temporary, path).map_err(DataError::io(path))
}

/// Makes renames inside a folder durable.
fn sync_folder(folder: &Path) -> Result<(), DataError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(DataError::io(folder))
}
