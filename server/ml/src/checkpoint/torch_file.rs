//! Files of `torch.save`: a zip archive of one pickle (`data.pkl`) and the storages that it names
//! (`data/0`, `data/1`, ...).
//!
//! # Source
//! PyTorch `torch/serialization.py`, "torch.save" format since 1.6.

use std::io::{Read, Seek};

use super::{
    error::Fault,
    pickle::{self, printable},
    state_dicts::{Contents, Storages, contents},
    zip::Archive,
};

/// Largest pickle; that of a model with its optimiser's state has less than a megabyte.
pub(super) const PICKLE_LIMIT: u64 = 16 << 20;

/// Reads what the archive says it holds; storages are left alone.
pub(super) fn read<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Contents, Fault> {
    let root = find_pickle(archive)?;
    if let Some(index) = archive.index(&format!("{root}byteorder")) {
        let order = read_small(archive, index, 16)?;
        if order.trim_ascii() != b"little" {
            let order = String::from_utf8_lossy(&order).into_owned();
            return Err(Fault::Unsupported(format!(
                "its byte order is {:?}, little is read",
                printable(&order)
            )));
        }
    }
    let index =
        archive.index(&format!("{root}data.pkl")).ok_or_else(|| Fault::damaged("it has no data.pkl"))?;
    let (objects, _) = pickle::parse(&read_small(archive, index, PICKLE_LIMIT)?)?;
    contents(&objects, &Entries { archive, root: &root })
}

/// The storages of an archive.
struct Entries<'a, R> {
    archive: &'a Archive<R>,
    root: &'a str,
}

impl<R: Read + Seek> Storages for Entries<'_, R> {
    fn find(&self, key: &str) -> Option<(usize, u64)> {
        let index = self.archive.index(&format!("{}data/{key}", self.root))?;
        Some((index, self.archive.entries()[index].size))
    }
}

/// The folder of the archive that holds `data.pkl`, with its slash.
fn find_pickle<R: Read + Seek>(archive: &Archive<R>) -> Result<String, Fault> {
    let folders: Vec<&str> = archive
        .entries()
        .iter()
        .filter_map(|e| e.name.strip_suffix("data.pkl"))
        .filter(|folder| folder.is_empty() || (folder.ends_with('/') && folder.matches('/').count() == 1))
        .collect();
    let &[folder] = folders.as_slice() else {
        return Err(Fault::Unsupported(match folders.len() {
            0 => "it is a zip archive without data.pkl, so not one of torch.save".into(),
            n => format!("it is a zip archive with {n} files data.pkl"),
        }));
    };
    if archive.index(&format!("{folder}constants.pkl")).is_some() {
        return Err(Fault::Unsupported(
            "it is a TorchScript program; save the model's state_dict() with torch.save instead".into(),
        ));
    }
    Ok(folder.to_owned())
}

fn read_small<R: Read + Seek>(archive: &mut Archive<R>, index: usize, limit: u64) -> Result<Vec<u8>, Fault> {
    let entry = &archive.entries()[index];
    if entry.size > limit {
        return Err(Fault::damaged(format!(
            "entry {:?} has {} bytes, more than {limit}",
            printable(&entry.name),
            entry.size
        )));
    }
    archive.read(index)
}
