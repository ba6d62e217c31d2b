//! An open checkpoint: what it says it holds, and its tensors on demand.

use std::{
    collections::BTreeMap,
    fmt,
    io::{BufReader, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    element::ElementType,
    error::{CheckpointError, Fault},
    legacy_file,
    pickle::printable,
    safetensors_file, torch_file,
    tree::{BARE, Tree},
    view::View,
    zip::Archive,
};
use crate::params::NamedTensor;

/// Longest name of a tensor.
const NAME_LIMIT: usize = 512;
/// All tensors of a state dict together may hold this many times the bytes of the file's storages, since
/// several tensors may show the same storage.
const SHARING_LIMIT: u64 = 4;

/// Kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `torch.save` since PyTorch 1.6.
    Torch,
    /// `torch.save` before PyTorch 1.6.
    OldTorch,
    Safetensors,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Torch => "torch.save",
            Container::OldTorch => "torch.save before PyTorch 1.6",
            Container::Safetensors => "safetensors",
        })
    }
}

/// A tensor of a file, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub element: ElementType,
    pub(super) place: Place,
}

/// Where a tensor's numbers are: part of a block of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: usize,
    pub(super) view: View,
}

/// Numbers that lie in one piece in a file: bytes from its start, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) start: u64,
    pub(super) len: usize,
}

/// An open checkpoint file, or several that are one checkpoint.
#[derive(Debug)]
pub struct CheckpointFile {
    pub(super) path: String,
    pub(super) files: Vec<PathBuf>,
    pub(super) container: Container,
    pub(super) metadata: BTreeMap<String, String>,
    /// At least one.
    pub(super) trees: Vec<Tree>,
    pub(super) chosen: usize,
    pub(super) blocks: Blocks,
    /// Of which checkpoint it is one of several files, in words; none for a whole one.
    pub(super) part_of: Option<String>,
}

pub(super) trait Source: Read + Seek + Send + fmt::Debug {}
impl<T: Read + Seek + Send + fmt::Debug> Source for T {}

#[derive(Debug)]
pub(super) enum Blocks {
    Torch(Archive<Box<dyn Source>>),
    Plain {
        source: Box<dyn Source>,
        blocks: Vec<Block>,
    },
    /// Of several files: which block of which file each block is.
    Several {
        files: Vec<Blocks>,
        places: Vec<(usize, usize)>,
    },
}

/// Opens a file that is in memory; `path` is for messages.
///
/// # Errors
/// As [`super::open`].
pub fn open_bytes<T>(path: &str, bytes: T) -> Result<CheckpointFile, CheckpointError>
where
    T: AsRef<[u8]> + Send + fmt::Debug + 'static,
{
    let size = bytes.as_ref().len() as u64;
    CheckpointFile::from_source(path, Box::new(Cursor::new(bytes)), size)
}

impl CheckpointFile {
    /// Opens one regular file of `size` bytes.
    pub(super) fn from_file(path: &Path, file: std::fs::File, size: u64) -> Result<Self, CheckpointError> {
        let mut opened =
            Self::from_source(&path.display().to_string(), Box::new(BufReader::new(file)), size)?;
        opened.files = vec![path.to_owned()];
        Ok(opened)
    }

    fn from_source(path: &str, mut source: Box<dyn Source>, size: u64) -> Result<Self, CheckpointError> {
        let mut head = Vec::new();
        source
            .by_ref()
            .take(512)
            .read_to_end(&mut head)
            .map_err(|source| CheckpointError::Read { path: path.into(), source })?;
        let parts = if head.starts_with(b"PK\x03\x04") {
            Archive::open(source, size).and_then(|mut archive| {
                let contents = torch_file::read(&mut archive)?;
                Ok((Container::Torch, contents.metadata, contents.trees, Blocks::Torch(archive)))
            })
        } else if legacy_file::detect(&head) {
            legacy_file::read(&mut source, size).map(|(contents, blocks)| {
                let blocks = Blocks::Plain { source, blocks };
                (Container::OldTorch, contents.metadata, contents.trees, blocks)
            })
        } else if safetensors_file::detect(&head, size) {
            safetensors_file::read(&mut source, size).map(|contents| {
                let blocks = Blocks::Plain { source, blocks: contents.blocks };
                (Container::Safetensors, contents.metadata, vec![contents.tree], blocks)
            })
        } else {
            Err(foreign(&head))
        };
        let (container, metadata, trees, blocks) = parts.map_err(|fault| fault.at(path))?;
        let (path, files) = (path.to_owned(), Vec::new());
        let file = Self { path, files, container, metadata, trees, chosen: 0, blocks, part_of: None };
        file.check_sharing()?;
        Ok(file)
    }

    pub(super) fn check_sharing(&self) -> Result<(), CheckpointError> {
        let stored = self.blocks.bytes();
        for tree in &self.trees {
            let bytes = tree.tensors.iter().map(|t| (t.place.view.count() * t.element.size()) as u64);
            let shown = bytes.fold(0, u64::saturating_add);
            if shown > stored.saturating_mul(SHARING_LIMIT) {
                let reason = format!("its tensors show {shown} bytes of storages that have {stored}");
                return Err(CheckpointError::Damaged { path: self.path.clone(), reason });
            }
        }
        Ok(())
    }

    /// The file's name for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// All files that it was read from; none for one in memory.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub fn container(&self) -> Container {
        self.container
    }

    /// All state dicts of the file, the likeliest to be the model first.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Takes another of [`CheckpointFile::trees`] from now on; one that is not there changes nothing.
    pub(super) fn choose(&mut self, tree: usize) {
        if tree < self.trees.len() {
            self.chosen = tree;
        }
    }

    fn tree(&self) -> &Tree {
        &self.trees[self.chosen]
    }

    /// The key under which the state dict lies that is read; none where it is bare.
    pub fn wrapper(&self) -> Option<String> {
        Some(self.tree().key()).filter(|key| key != BARE)
    }

    /// Numbers and texts beside the tensors, e.g. `args.lr` to `0.001`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// All tensors of the state dict, in the file's order.
    pub fn tensors(&self) -> &[StoredTensor] {
        &self.tree().tensors
    }

    /// Named values of the state dict that cannot be read, and what they are.
    pub fn others(&self) -> &BTreeMap<String, String> {
        &self.tree().others
    }

    /// Reads every tensor that can be a weight, in the file's order; counters and other whole
    /// numbers are left out.
    ///
    /// # Errors
    /// As [`CheckpointFile::load`].
    pub fn weights(&mut self) -> Result<Vec<NamedTensor>, CheckpointError> {
        let tensors = self.tensors();
        let all: Vec<usize> = (0..tensors.len()).filter(|i| tensors[*i].element.is_float()).collect();
        self.load(&all)
    }

    /// Reads the tensors at these places of [`CheckpointFile::tensors`], in this order, converted
    /// to f32.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged, when one of the tensors holds whole numbers,
    /// and when a value is not finite.
    pub fn load(&mut self, wanted: &[usize]) -> Result<Vec<NamedTensor>, CheckpointError> {
        let Self { path, trees, chosen, blocks, .. } = self;
        let tensors = &trees[*chosen].tensors;
        // By block, so that a storage that many tensors share is read once.
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|i| tensors[wanted[*i]].place.block);
        let mut loaded: Vec<Option<NamedTensor>> = vec![None; wanted.len()];
        let mut current: Option<(usize, Vec<u8>)> = None;
        for i in order {
            let StoredTensor { name, shape, element, place } = &tensors[wanted[i]];
            let bytes = match &mut current {
                Some((block, bytes)) if *block == place.block => bytes,
                // The old block goes before the new one is read.
                other => {
                    *other = None;
                    let bytes = blocks.read(place.block).map_err(|fault| fault.at(path))?;
                    &mut other.insert((place.block, bytes)).1
                }
            };
            let size = element.size();
            let data = if place.view.is_whole(bytes.len() / size) {
                element.weights(bytes)
            } else {
                element.weights(&place.view.gather(bytes, size))
            };
            let Some(data) = data else {
                let found = element.label().to_owned();
                return Err(CheckpointError::Type { path: path.clone(), name: name.clone(), found });
            };
            if data.iter().any(|v| !v.is_finite()) {
                return Err(CheckpointError::NotFinite { path: path.clone(), name: name.clone() });
            }
            loaded[i] = Some(NamedTensor { name: name.clone(), shape: shape.clone(), data });
        }
        Ok(loaded.into_iter().flatten().collect())
    }
}

impl Blocks {
    /// Bytes of all blocks.
    fn bytes(&self) -> u64 {
        match self {
            Blocks::Torch(archive) => archive.entries().iter().map(|e| e.size).sum(),
            Blocks::Plain { blocks, .. } => blocks.iter().map(|b| b.len as u64).sum(),
            Blocks::Several { files, .. } => files.iter().map(Blocks::bytes).sum(),
        }
    }

    fn read(&mut self, index: usize) -> Result<Vec<u8>, Fault> {
        match self {
            Blocks::Torch(archive) => archive.read(index),
            Blocks::Plain { source, blocks } => {
                let Block { start, len } = blocks[index];
                source.seek(SeekFrom::Start(start))?;
                // What the file says of its blocks has been held against its size.
                let mut bytes = vec![0; len];
                source.read_exact(&mut bytes)?;
                Ok(bytes)
            }
            Blocks::Several { files, places } => {
                let (file, block) = places[index];
                files[file].read(block)
            }
        }
    }
}

/// Checks that a tensor's name can stand in messages, tables and files.
pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() || name.len() > NAME_LIMIT || name.chars().any(char::is_control) {
        return Err(Fault::damaged(format!("a tensor is named {:?}", printable(name))));
    }
    Ok(())
}

/// What to say of a file of another kind.
fn foreign(head: &[u8]) -> Fault {
    const CONVERT: &str = "python3 -c \"import torch; torch.save(torch.load('OLD.pth', map_location='cpu', \
                           weights_only=True), 'NEW.pth')\"";
    let text = head.trim_ascii_start();
    let unsupported = |reason: &str| Fault::Unsupported(reason.into());
    if head.get(257..262) == Some(b"ustar") {
        unsupported(&format!(
            "it is an archive of tar, in which PyTorch before 0.1.11 saved; convert it with: {CONVERT}"
        ))
    } else if head.starts_with(&[0x80]) {
        unsupported("it is a plain pickle of Python; save the model's state_dict() with torch.save instead")
    } else if head.starts_with(&[0x1f, 0x8b]) {
        unsupported("it is compressed with gzip; unpack it first")
    } else if head.starts_with(b"\x89HDF") {
        unsupported("it is an HDF5 file (Keras, TensorFlow); files of PyTorch and safetensors are read")
    } else if head.starts_with(b"version https://git-lfs") {
        unsupported("it is a pointer of Git LFS, not the weights; fetch them with git lfs pull")
    } else if text.starts_with(b"<") {
        unsupported("it is a web page or XML, not a checkpoint; the download has probably failed")
    } else {
        Fault::damaged("it is neither a file of torch.save nor of safetensors")
    }
}
