//! Writing safetensors files, whole or not at all.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use burn::tensor::f16;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo, TensorView},
};

use crate::params::NamedTensor;

/// Number type of a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    Single,
    Half,
}

/// Serialises tensors and text metadata.
pub fn to_bytes(tensors: &[NamedTensor], precision: Precision, metadata: HashMap<String, String>) -> Vec<u8> {
    let raw: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|t| {
            let bytes = match precision {
                Precision::Single => t.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Precision::Half => t.data.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            };
            (t.name.clone(), t.shape.clone(), bytes)
        })
        .collect();
    let dtype = match precision {
        Precision::Single => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let views = raw.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, shape.clone(), bytes).expect("the bytes were made for this shape");
        (name.clone(), view)
    });
    safetensors::serialize(views, Some(metadata)).expect("names are distinct and shapes fit")
}

/// Extension of files that are being written.
const PART: &str = "part";

/// Writes a file so that a reader sees the old one or the new one, never a part, also after a power cut: temporary
/// name, fsync, rename, fsync of the folder. Where that fails nothing of it stays.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Two writers of one file must not write into each other's part.
    let own = format!("{}-{}.{PART}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let temporary = path.with_extension(own);
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        // The first error is the one to tell; the part may not even exist.
        let _gone = fs::remove_file(&temporary);
        return written;
    }
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Puts a folder's entries on the disk.
///
/// # Errors
/// When the folder is not there or the disk does not take it.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::File::open(path)?.sync_all()
}

/// Removes what writers that were killed have left half-written in a folder, and says how many files that were.
/// Only for who knows that nobody writes there now.
///
/// # Errors
/// When the folder cannot be read or a file not be removed. A folder that is not there holds none.
pub fn remove_parts(folder: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(e),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_part = Path::new(&name).extension().is_some_and(|e| e == PART || e == "tmp");
        if is_part && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Numbers that are turned into bytes at once.
const CHUNK: usize = 1 << 16;

/// Writes a file of f32 tensors and syncs it, without a second copy of them in memory. What is there
/// when it fails is no whole file.
///
/// # Errors
/// When it cannot be written, and when a shape does not fit its numbers.
pub fn write_synced(
    path: &Path,
    tensors: &[NamedTensor],
    metadata: HashMap<String, String>,
) -> io::Result<()> {
    let mut end = 0;
    let infos = tensors.iter().map(|t| {
        let start = end;
        end += t.data.len() * size_of::<f32>();
        let info = TensorInfo { dtype: Dtype::F32, shape: t.shape.clone(), data_offsets: (start, end) };
        (t.name.clone(), info)
    });
    let header = Metadata::new(Some(metadata), infos.collect()).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&header)?;
    // The numbers begin at a multiple of their size.
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut file = fs::File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for chunk in tensors.iter().flat_map(|t| t.data.chunks(CHUNK)) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|v| v.to_le_bytes()).collect();
        file.write_all(&bytes)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::open;

    #[test]
    fn a_failed_write_leaves_nothing_and_parts_of_the_killed_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        write_atomically(&path, b"first").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        // A folder of this name stands in the way of the rename.
        let taken = folder.path().join("taken.json");
        fs::create_dir_all(taken.join("in")).unwrap();
        assert!(write_atomically(&taken, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);

        for left in ["last.part", "last.12-3.part", "picture.png.77.tmp"] {
            fs::write(folder.path().join(left), b"half").unwrap();
        }
        fs::create_dir(folder.path().join("folder.part")).unwrap();
        assert_eq!(remove_parts(folder.path()).unwrap(), 3);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(remove_parts(&folder.path().join("none")).unwrap(), 0);
    }

    #[test]
    fn a_file_that_is_written_in_pieces_is_read_back() {
        let tensors = [
            NamedTensor { name: "a".into(), shape: vec![2, CHUNK], data: vec![0.5; 2 * CHUNK] },
            NamedTensor { name: "b".into(), shape: vec![], data: vec![-1.0] },
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write_synced(&path, &tensors, HashMap::from([("k".into(), "v".into())])).unwrap();
        let mut file = open(&path).unwrap();
        assert_eq!(file.weights().unwrap(), tensors);
        assert_eq!(file.metadata()["k"], "v");
        assert!(write_synced(&folder.path().join("none/x"), &tensors, HashMap::new()).is_err());
    }
}
