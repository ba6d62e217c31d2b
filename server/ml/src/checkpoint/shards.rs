//! Where the files of a checkpoint are: one file, a folder, or several files with an index
//! (`model.safetensors.index.json`, `pytorch_model.bin.index.json`).
//!
//! An index names files; those names are looked for in the index's own folder only.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::{
    error::{CheckpointError, Fault},
    file::{Blocks, CheckpointFile, check_name},
    pickle::printable,
    tree::Tree,
};

/// Largest file that is read, and most bytes of all files of a checkpoint.
const SIZE_LIMIT: u64 = 16 << 30;
/// Largest index, and most files that it may name.
const INDEX_LIMIT: u64 = 16 << 20;
const SHARD_LIMIT: usize = 1024;
const INDEX: &str = ".index.json";
/// What a folder's checkpoint may be called, in the order in which it is looked for.
const KNOWN: [&str; 5] = [
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
];
/// Endings of checkpoint files, and most names of a list that are shown.
const ENDINGS: [&str; 6] = [".safetensors", ".pth", ".pt", ".pth.tar", ".ckpt", ".bin"];
const SHOWN: usize = 5;

/// Opens a `.pth`, `.pt`, `.ckpt`, `.bin`, `.pth.tar` or `.safetensors` file, whose content decides, not its
/// name; an index of several; or the one checkpoint of a folder.
///
/// Nothing in a file is executed, and no more memory is taken than its bytes account for.
///
/// # Errors
/// When a file is missing, too large, damaged, or of another kind.
pub fn open(path: &Path) -> Result<CheckpointFile, CheckpointError> {
    let shown = path.display().to_string();
    let about = fs::metadata(path).map_err(|source| CheckpointError::Read { path: shown.clone(), source })?;
    if about.is_dir() {
        let inside = in_folder(path).map_err(|fault| fault.at(&shown))?;
        return open_file(&inside);
    }
    open_file(path)
}

fn open_file(path: &Path) -> Result<CheckpointFile, CheckpointError> {
    if name_of(path).ends_with(INDEX) {
        let index = Index::read(path).map_err(|fault| fault.at(&path.display().to_string()))?;
        return index.open(path);
    }
    let mut opened = open_one(path)?;
    opened.part_of = part_of(path);
    Ok(opened)
}

fn open_one(path: &Path) -> Result<CheckpointFile, CheckpointError> {
    let shown = path.display().to_string();
    let failed = |source| CheckpointError::Read { path: shown.clone(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    if about.len() > SIZE_LIMIT {
        return Err(CheckpointError::TooLarge { path: shown, size: about.len(), limit: SIZE_LIMIT });
    }
    CheckpointFile::from_file(path, file, about.len())
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The checkpoint of a folder.
fn in_folder(folder: &Path) -> Result<PathBuf, Fault> {
    if let Some(known) = KNOWN.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(known);
    }
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let checkpoint = |path: &PathBuf| {
        let name = name_of(path).to_ascii_lowercase();
        path.is_file() && (name.ends_with(INDEX) || ENDINGS.iter().any(|ending| name.ends_with(ending)))
    };
    found.retain(checkpoint);
    found.sort();
    let indices: Vec<&PathBuf> = found.iter().filter(|path| name_of(path).ends_with(INDEX)).collect();
    match (indices.as_slice(), found.as_slice()) {
        (&[one], _) => Ok(one.clone()),
        (_, [one]) => Ok(one.clone()),
        (_, []) => Err(Fault::Unsupported("it is a folder without a checkpoint file".into())),
        (_, several) => {
            let names: Vec<String> = several.iter().map(|path| printable(&name_of(path))).collect();
            Err(Fault::Unsupported(format!(
                "it is a folder with several checkpoint files; give one of them: {}",
                listed(&names)
            )))
        }
    }
}

/// The first names of a list.
fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Says that a file is one of several, by its name: `model-00001-of-00003.safetensors`.
fn part_of(path: &Path) -> Option<String> {
    let name = name_of(path);
    let (before, after) = name.rsplit_once("-of-")?;
    let (stem, number) = before.rsplit_once('-')?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let (total, ending) = after.split_at(digits);
    let (number, total): (u32, u32) = (number.parse().ok()?, total.parse().ok()?);
    if total < 2 {
        return None;
    }
    let index = format!("{stem}{ending}{INDEX}");
    let remedy = if path.with_file_name(&index).is_file() {
        format!("give {index} or its folder instead")
    } else {
        format!("fetch all {total} of them and {index}, and give that")
    };
    Some(format!("it is file {number} of the {total} of one checkpoint; {remedy}"))
}

/// An index, as far as it matters.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(path: &Path) -> Result<Self, Fault> {
        let size = fs::metadata(path)?.len();
        if size > INDEX_LIMIT {
            return Err(Fault::damaged(format!("an index of {size} bytes is larger than {INDEX_LIMIT}")));
        }
        let index: Index = serde_json::from_slice(&fs::read(path)?)
            .map_err(|e| Fault::damaged(format!("it is no index of a checkpoint's files: {e}")))?;
        if index.weight_map.is_empty() {
            return Err(Fault::damaged("it names no tensor"));
        }
        for (name, file) in &index.weight_map {
            check_name(name)?;
            // Only the name of a file beside the index: no folder, no way out.
            let mut parts = Path::new(file).components();
            let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            if !plain || file.contains(['/', '\\', '\0']) {
                return Err(Fault::damaged(format!(
                    "it names the file {:?}, which is not one beside it",
                    printable(file)
                )));
            }
        }
        Ok(index)
    }

    /// Opens all files that it names, in the order of their names.
    fn open(&self, path: &Path) -> Result<CheckpointFile, CheckpointError> {
        let shown = path.display().to_string();
        let refused = |reason: String| CheckpointError::Damaged { path: shown.clone(), reason };
        let mut tensors_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in &self.weight_map {
            tensors_of.entry(file).or_default().push(tensor);
        }
        if tensors_of.len() > SHARD_LIMIT {
            return Err(refused(format!("it names {} files, more than {SHARD_LIMIT}", tensors_of.len())));
        }
        let missing: Vec<String> = tensors_of
            .iter()
            .filter(|(file, _)| !path.with_file_name(file).is_file())
            .map(|(file, tensors)| format!("{} (with {} tensors)", printable(file), tensors.len()))
            .collect();
        if !missing.is_empty() {
            let total = tensors_of.len();
            return Err(refused(format!(
                "{} of the {total} files that it names are missing: {}",
                missing.len(),
                listed(&missing)
            )));
        }
        let (mut files, mut blocks, mut places) = (Vec::new(), Vec::new(), Vec::new());
        // Tensors that share a block go on sharing it, so that it is read once.
        let mut known: HashMap<(usize, usize), usize> = HashMap::new();
        let (mut tree, mut metadata, mut container) = (Tree::default(), BTreeMap::new(), None);
        let mut size = 0u64;
        for (file, wanted) in tensors_of {
            let path = path.with_file_name(file);
            let opened = open_one(&path)?;
            size = size.saturating_add(fs::metadata(&path).map_or(0, |about| about.len()));
            if size > SIZE_LIMIT {
                return Err(CheckpointError::TooLarge { path: shown, size, limit: SIZE_LIMIT });
            }
            let there: HashMap<&str, _> = opened.tensors().iter().map(|t| (t.name.as_str(), t)).collect();
            for name in wanted {
                if let Some(found) = there.get(name) {
                    let mut tensor = (*found).clone();
                    let place = (files.len(), tensor.place.block);
                    tensor.place.block = *known.entry(place).or_insert_with(|| {
                        places.push(place);
                        places.len() - 1
                    });
                    tree.tensors.push(tensor);
                } else if let Some(what) = opened.others().get(name) {
                    tree.others.insert(name.to_owned(), what.clone());
                } else {
                    return Err(refused(format!("{name} is not in {}, where it says", printable(file))));
                }
            }
            container.get_or_insert(opened.container());
            metadata.extend(opened.metadata().clone());
            files.push(path);
            blocks.push(opened.blocks);
        }
        let container = container.ok_or_else(|| refused("it names no file".into()))?;
        let file = CheckpointFile {
            path: shown.clone(),
            files,
            container,
            metadata,
            trees: vec![tree],
            chosen: 0,
            blocks: Blocks::Several { files: blocks, places },
            part_of: None,
        };
        file.check_sharing()?;
        Ok(file)
    }
}
