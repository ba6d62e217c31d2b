//! Opening checkpoint files of any kind that is read.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    element::ElementType,
    error::{CheckpointError, Fault},
    pickle::printable,
    safetensors_file::{self, Block},
    torch_file,
    view::View,
    zip::Archive,
};
use crate::params::NamedTensor;

/// Largest file that is read.
const SIZE_LIMIT: u64 = 16 << 30;
/// Longest name of a tensor.
const NAME_LIMIT: usize = 512;
/// All tensors together may hold this many times the bytes of the file's storages, since several
/// tensors may show the same storage.
const SHARING_LIMIT: u64 = 4;

/// Kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `torch.save` since PyTorch 1.6.
    Torch,
    Safetensors,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Torch => "torch.save",
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

/// An open checkpoint file: what it says it holds, and its tensors on demand.
#[derive(Debug)]
pub struct CheckpointFile {
    path: String,
    container: Container,
    wrapper: Option<String>,
    metadata: BTreeMap<String, String>,
    tensors: Vec<StoredTensor>,
    others: BTreeMap<String, String>,
    blocks: Blocks,
}

trait Source: Read + Seek + Send + fmt::Debug {}
impl<T: Read + Seek + Send + fmt::Debug> Source for T {}

#[derive(Debug)]
enum Blocks {
    Torch(Archive<Box<dyn Source>>),
    Safetensors { source: Box<dyn Source>, blocks: Vec<Block> },
}

/// Opens a `.pth`, `.pt`, `.pth.tar` or `.safetensors` file; its content decides, not its name.
///
/// Nothing in the file is executed, and no more memory is taken than its bytes account for.
///
/// # Errors
/// When the file is missing, too large, damaged, or of another kind.
pub fn open(path: &Path) -> Result<CheckpointFile, CheckpointError> {
    let shown = path.display().to_string();
    let failed = |source| CheckpointError::Read { path: shown.clone(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    let size = about.len();
    if size > SIZE_LIMIT {
        return Err(CheckpointError::TooLarge { path: shown, size, limit: SIZE_LIMIT });
    }
    CheckpointFile::from_source(&shown, Box::new(BufReader::new(file)), size)
}

/// Opens a file that is in memory; `path` is for messages.
///
/// # Errors
/// As [`open`].
pub fn open_bytes<T>(path: &str, bytes: T) -> Result<CheckpointFile, CheckpointError>
where
    T: AsRef<[u8]> + Send + fmt::Debug + 'static,
{
    let size = bytes.as_ref().len() as u64;
    CheckpointFile::from_source(path, Box::new(Cursor::new(bytes)), size)
}

impl CheckpointFile {
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
                Ok(Self {
                    path: path.to_owned(),
                    container: Container::Torch,
                    wrapper: contents.wrapper,
                    metadata: contents.metadata,
                    tensors: contents.tensors,
                    others: contents.others,
                    blocks: Blocks::Torch(archive),
                })
            })
        } else if safetensors_file::detect(&head, size) {
            safetensors_file::read(&mut source, size).map(|contents| Self {
                path: path.to_owned(),
                container: Container::Safetensors,
                wrapper: None,
                metadata: contents.metadata,
                tensors: contents.tensors,
                others: contents.others,
                blocks: Blocks::Safetensors { source, blocks: contents.blocks },
            })
        } else {
            Err(foreign(&head))
        };
        let file = parts.map_err(|fault| fault.at(path))?;
        file.check_sharing()?;
        Ok(file)
    }

    fn check_sharing(&self) -> Result<(), CheckpointError> {
        let stored: u64 = match &self.blocks {
            Blocks::Torch(archive) => archive.entries().iter().map(|e| e.size).sum(),
            Blocks::Safetensors { blocks, .. } => blocks.iter().map(|b| b.len as u64).sum(),
        };
        let shown: u64 = self.tensors.iter().map(|t| (t.place.view.count() * t.element.size()) as u64).sum();
        if shown > stored.saturating_mul(SHARING_LIMIT) {
            let reason = format!("its tensors show {shown} bytes of storages that have {stored}");
            return Err(CheckpointError::Damaged { path: self.path.clone(), reason });
        }
        Ok(())
    }

    /// The file's name for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn container(&self) -> Container {
        self.container
    }

    /// The key under which the state dict lies; none where it is bare.
    pub fn wrapper(&self) -> Option<&str> {
        self.wrapper.as_deref()
    }

    /// Numbers and texts beside the tensors, e.g. `args.lr` to `0.001`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// All tensors of the state dict, in the file's order.
    pub fn tensors(&self) -> &[StoredTensor] {
        &self.tensors
    }

    /// Named values of the state dict that cannot be read, and what they are.
    pub fn others(&self) -> &BTreeMap<String, String> {
        &self.others
    }

    /// Reads every tensor that can be a weight, in the file's order; counters and other whole
    /// numbers are left out.
    ///
    /// # Errors
    /// As [`CheckpointFile::load`].
    pub fn weights(&mut self) -> Result<Vec<NamedTensor>, CheckpointError> {
        let all: Vec<usize> =
            (0..self.tensors.len()).filter(|i| self.tensors[*i].element.is_float()).collect();
        self.load(&all)
    }

    /// Reads the tensors at these places of [`CheckpointFile::tensors`], in this order, converted
    /// to f32.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged, when one of the tensors holds whole numbers,
    /// and when a value is not finite.
    pub fn load(&mut self, wanted: &[usize]) -> Result<Vec<NamedTensor>, CheckpointError> {
        // By block, so that a storage that many tensors share is read once.
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|i| self.tensors[wanted[*i]].place.block);
        let mut loaded: Vec<Option<NamedTensor>> = vec![None; wanted.len()];
        let mut current: Option<(usize, Vec<u8>)> = None;
        for i in order {
            let StoredTensor { name, shape, element, place } = &self.tensors[wanted[i]];
            let bytes = match &mut current {
                Some((block, bytes)) if *block == place.block => bytes,
                // The old block goes before the new one is read.
                other => {
                    *other = None;
                    let bytes = self.blocks.read(place.block).map_err(|fault| fault.at(&self.path))?;
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
                return Err(CheckpointError::Type { path: self.path.clone(), name: name.clone(), found });
            };
            if data.iter().any(|v| !v.is_finite()) {
                return Err(CheckpointError::NotFinite { path: self.path.clone(), name: name.clone() });
            }
            loaded[i] = Some(NamedTensor { name: name.clone(), shape: shape.clone(), data });
        }
        Ok(loaded.into_iter().flatten().collect())
    }
}

impl Blocks {
    fn read(&mut self, index: usize) -> Result<Vec<u8>, Fault> {
        match self {
            Blocks::Torch(archive) => archive.read(index),
            Blocks::Safetensors { source, blocks } => {
                let Block { start, len } = blocks[index];
                source.seek(SeekFrom::Start(start))?;
                // The header has been held against the file's size.
                let mut bytes = vec![0; len];
                source.read_exact(&mut bytes)?;
                Ok(bytes)
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

/// What to say of a file that is neither kind.
fn foreign(head: &[u8]) -> Fault {
    const CONVERT: &str = "python3 -c \"import torch; torch.save(torch.load('OLD.pth', map_location='cpu', \
                           weights_only=True), 'NEW.pth')\"";
    let old = head.starts_with(&[0x80]) || head.get(257..262) == Some(b"ustar");
    if old {
        return Fault::Unsupported(format!(
            "it is in the format that torch.save had before PyTorch 1.6; convert it with: {CONVERT}"
        ));
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        return Fault::Unsupported("it is compressed with gzip; unpack it first".into());
    }
    Fault::damaged("it is neither a file of torch.save nor of safetensors")
}
