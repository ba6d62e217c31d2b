//! Adding a checkpoint file as a backbone: whole or not at all.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use transferscope_domain::{
    Architecture,
    backbone::{NAME_MAX, SPECIALIST, is_name},
    report::LoadReport,
};

use super::{AddedCard, CARD, DEFAULTED, WEIGHTS, added_in, beside, shipped};
use crate::{
    checkpoint::{
        self, CheckpointError, CheckpointFile, EncoderWeights, KeyMap, Pick,
        architecture::{Hints, fit, infer},
        write_synced,
    },
    params::{ENCODER, within_encoder},
};

/// What a file is added as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddOptions {
    /// The backbone's name; made of the file's if not given.
    pub name: Option<String>,
    /// Kind of architecture that the file must have, e.g. `provicnet`.
    pub kind: Option<String>,
    pub hints: Hints,
    /// Which of a file's encoders is meant.
    pub pick: Pick,
    pub source: Option<String>,
    pub licence: Option<String>,
    pub note: Option<String>,
    /// Further files, by the image whose encoder each holds; the file that is added is then that of t2w, as
    /// ProViCNet publishes one file per image.
    pub by_type: Vec<(&'static str, PathBuf)>,
    /// When it is added, in milliseconds since 1970 (UTC).
    pub added_ms: i64,
}

/// Why a file was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("{0:?} is not a backbone name: use letters, digits, '-', '_' and '.', and give it with --name")]
    BadName(String),
    #[error("there is a backbone {0:?} already; give this one another name with --name")]
    NameTaken(String),
    #[error("this checkpoint is there already, as backbone {0:?}")]
    ContentTaken(String),
    #[error("{file}: {reason}")]
    Architecture { file: String, reason: String },
    #[error(
        "{file} holds a {found}; the file of t2w holds a {first}: encoders of one backbone are of one size"
    )]
    OtherSize { file: String, found: String, first: String },
    #[error("only ProViCNet has one encoder per image; {0} is an encoder for all images")]
    OneForAll(String),
    #[error("{file} holds a {found}, not a {asked}")]
    OtherKind { file: String, found: String, asked: String },
    #[error("the backbone cannot be written to {path}: {source}; nothing of it was kept")]
    Write { path: PathBuf, source: io::Error },
}

/// Adds a checkpoint file to the folder of backbones.
///
/// Its encoder is stored under our names, with a card that says where it came from and what became
/// of the file's tensors.
///
/// # Errors
/// When the file cannot be read or holds no encoder that is known here, when its name or its content is
/// there already, or when it cannot be written; nothing is left behind then.
pub fn add(backbones: &Path, path: &Path, options: &AddOptions) -> Result<AddedCard, AddError> {
    let name = options.name.clone().unwrap_or_else(|| name_of(&beside::telling_name(path)));
    if !is_name(&name) {
        return Err(AddError::BadName(name));
    }
    let writing = |source| AddError::Write { path: backbones.join(&name), source };
    // One at a time, so that what is looked for here is still not there when it is written.
    let _lock = lock(backbones).map_err(writing)?;
    if name == SPECIALIST || shipped().any(|(card, _)| card.name == name) || backbones.join(&name).exists() {
        return Err(AddError::NameTaken(name));
    }
    let mut file = checkpoint::open(path)?;
    let file_name = file_name(path);
    let there = added_in(backbones);
    let file_hash = hash_of(&file, &options.by_type)?;
    if let Some(same) = there.iter().find(|card| card.file_hash == file_hash) {
        return Err(AddError::ContentTaken(same.name.clone()));
    }

    let (mut architecture, mut map) = encoder(&mut file, &file_name, options)?;
    if let Some(asked) = options.kind.as_deref().filter(|asked| *asked != architecture.kind()) {
        let found = architecture.name();
        return Err(AddError::OtherKind { file: file_name, found, asked: asked.to_owned() });
    }
    fit(&mut map, &architecture, file.path())?;
    let mut weights = map.load(&mut file)?;
    let mut parameters = map.parameters();
    let mut notes = map.notes().to_vec();
    notes.extend(architecture.unusual_depth());
    if !options.by_type.is_empty() {
        let own = architecture.for_each_image();
        architecture = own.ok_or_else(|| AddError::OneForAll(architecture.name()))?;
        weights = of_type(weights, "t2w");
        for (sequence, path) in &options.by_type {
            let (more, count) = further(path, sequence, &architecture, options)?;
            weights.tensors.extend(more.tensors);
            weights.defaulted.extend(more.defaulted);
            parameters += count;
        }
    }
    let applied = weights.tensors.iter().map(|t| t.name.clone());
    let load_report = LoadReport {
        source: file_name.clone(),
        applied: applied.filter(|name| !weights.defaulted.contains(name)).collect(),
        unused: map.unused().to_vec(),
        defaulted: weights.defaulted.clone(),
        notes,
        ..LoadReport::default()
    };

    let staging = Staging::begin(backbones, &name).map_err(writing)?;
    let metadata = HashMap::from([(DEFAULTED.to_owned(), weights.defaulted.join(","))]);
    let stored = staging.folder.join(WEIGHTS);
    write_synced(&stored, &weights.tensors, metadata).map_err(writing)?;
    let weights_hash = hash_file(&stored).map_err(writing)?;
    if let Some(same) = there.iter().find(|card| card.weights_hash == weights_hash) {
        return Err(AddError::ContentTaken(same.name.clone()));
    }
    let card = AddedCard {
        name: name.clone(),
        architecture,
        parameters,
        file: file_name,
        file_hash,
        weights_hash,
        source: options.source.clone(),
        licence: options.licence.clone(),
        note: options.note.clone(),
        added_ms: options.added_ms,
        load_report,
    };
    staging.publish(&card).map_err(writing)?;
    Ok(card)
}

/// The name of a file or folder, for messages and cards.
fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| path.display().to_string())
}

/// Hash of the file, or of the hashes of all files that a backbone is made of.
fn hash_of(file: &CheckpointFile, by_type: &[(&'static str, PathBuf)]) -> Result<String, CheckpointError> {
    let of = |path: &Path| {
        hash_file(path).map_err(|source| CheckpointError::Read { path: path.display().to_string(), source })
    };
    if let ([one], []) = (file.files(), by_type) {
        return of(one);
    }
    let mut hasher = blake3::Hasher::new();
    for path in file.files() {
        hasher.update(of(path)?.as_bytes());
    }
    for (sequence, path) in by_type {
        hasher.update(sequence.as_bytes());
        for path in checkpoint::open(path)?.files() {
            hasher.update(of(path)?.as_bytes());
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The architecture of a file's encoder, and which of its tensors are what.
fn encoder(
    file: &mut CheckpointFile,
    file_name: &str,
    options: &AddOptions,
) -> Result<(Architecture, KeyMap), AddError> {
    let map = KeyMap::find(file, &options.pick)?;
    let hints = beside::hints(file, options.hints);
    let architecture =
        infer(&map, hints).map_err(|reason| AddError::Architecture { file: file_name.to_owned(), reason })?;
    Ok((architecture, map))
}

/// The encoder of one more image, and its number of parameters.
fn further(
    path: &Path,
    sequence: &str,
    first: &Architecture,
    options: &AddOptions,
) -> Result<(EncoderWeights, u64), AddError> {
    let file_name = file_name(path);
    let mut file = checkpoint::open(path)?;
    let (mut found, mut map) = encoder(&mut file, &file_name, options)?;
    fit(&mut map, &found, file.path())?;
    found = found.for_each_image().unwrap_or(found);
    if found != *first {
        let (found, first) = (found.to_string(), first.to_string());
        return Err(AddError::OtherSize { file: file_name, found, first });
    }
    Ok((of_type(map.load(&mut file)?, sequence), map.parameters()))
}

/// The same tensors as those of one image.
fn of_type(mut weights: EncoderWeights, sequence: &str) -> EncoderWeights {
    let name = |name: &str| match within_encoder(name) {
        Some(rest) => format!("{ENCODER}{sequence}.{rest}"),
        None => name.to_owned(),
    };
    weights.tensors.iter_mut().for_each(|t| t.name = name(&t.name));
    weights.defaulted.iter_mut().for_each(|n| *n = name(n));
    weights
}

/// A folder that is being filled; dropped without [`Staging::publish`] it leaves nothing. One that a
/// process left because it was killed goes at the next start of a server, which knows it by the process's id.
struct Staging<'a> {
    backbones: &'a Path,
    folder: PathBuf,
    published: bool,
}

impl<'a> Staging<'a> {
    fn begin(backbones: &'a Path, name: &str) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = backbones.join(format!(".{name}.{}.{number}.partial", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self { backbones, folder, published: false })
    }

    fn publish(mut self, card: &AddedCard) -> io::Result<()> {
        let mut file = File::create(self.folder.join(CARD))?;
        file.write_all(&serde_json::to_vec_pretty(card)?)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        fs::rename(&self.folder, self.backbones.join(&card.name))?;
        self.published = true;
        File::open(self.backbones)?.sync_all()
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tracing::warn!("cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// Waits until no other process adds a backbone; the lock goes with the file.
fn lock(backbones: &Path) -> io::Result<File> {
    fs::create_dir_all(backbones)?;
    let file = File::options().create(true).truncate(false).write(true).open(backbones.join(".lock"))?;
    file.lock()?;
    Ok(file)
}

fn hash_file(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A backbone's name from a file's: without its endings, in small letters.
fn name_of(file: &str) -> String {
    let file = file.to_ascii_lowercase();
    let stem = [".pth.tar", ".pth", ".pt", ".ckpt", ".bin", ".safetensors"]
        .iter()
        .find_map(|ending| file.strip_suffix(ending));
    let name: String = stem
        .unwrap_or(&file)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .take(NAME_MAX)
        .collect();
    name.trim_start_matches(['-', '_', '.']).to_owned()
}

#[cfg(test)]
mod tests;
