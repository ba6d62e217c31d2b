//! Files of `torch.save`: a zip archive of one pickle (`data.pkl`) and the storages that it names
//! (`data/0`, `data/1`, ...).
//!
//! The pickle is a state dict, or a dictionary that has one beside other things (optimiser, epoch,
//! arguments). The state dict's tensors are listed; numbers and texts of the rest become metadata.
//!
//! # Source
//! PyTorch `torch/serialization.py`, "torch.save" format since 1.6.

use std::{
    collections::{BTreeMap, HashSet},
    io::{Read, Seek},
};

use super::{
    error::Fault,
    file::{Place, StoredTensor, check_name},
    pickle::{self, Id, Object, Objects, printable},
    zip::Archive,
};

/// Largest pickle; that of a model with its optimiser's state has less than a megabyte.
const PICKLE_LIMIT: u64 = 16 << 20;
/// Keys under which training scripts keep the state dict.
const WRAPPERS: [&str; 4] = ["model", "state_dict", "model_state_dict", "module"];
/// Most entries of a dictionary that become metadata.
const METADATA_LIMIT: usize = 500;
/// Most items of a list that are shown.
const ITEMS_SHOWN: usize = 16;

/// What the pickle says.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) wrapper: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tensors: Vec<StoredTensor>,
    /// Named values of the state dict that are no tensors, and what they are instead.
    pub(super) others: BTreeMap<String, String>,
}

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
    let objects = pickle::parse(&read_small(archive, index, PICKLE_LIMIT)?)?;
    let (wrapper, state_dict) = find_state_dict(&objects)?;
    let (tensors, others) = list(&objects, state_dict, archive, &root)?;
    let metadata = if wrapper.is_some() { describe_beside(&objects, state_dict) } else { BTreeMap::new() };
    Ok(Contents { wrapper, metadata, tensors, others })
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

fn has_tensor(objects: &Objects, id: Id) -> bool {
    let is_tensor = |(_, value): &(Id, Id)| matches!(objects.get(*value), Object::Tensor { .. });
    matches!(objects.get(id), Object::Dict(pairs) if pairs.iter().any(is_tensor))
}

/// The state dict, and the key under which it lies.
fn find_state_dict(objects: &Objects) -> Result<(Option<String>, Id), Fault> {
    let root = objects.root();
    let Object::Dict(pairs) = objects.get(root) else {
        return Err(Fault::Unsupported(format!(
            "it holds {}, not a state dict; save the model's state_dict() with torch.save instead",
            objects.describe(root)
        )));
    };
    for wrapper in WRAPPERS {
        let found = pairs.iter().find(|(key, _)| objects.text(*key) == Some(wrapper));
        if let Some((_, value)) = found.filter(|(_, value)| has_tensor(objects, *value)) {
            return Ok((Some(wrapper.to_owned()), *value));
        }
    }
    if has_tensor(objects, root) {
        return Ok((None, root));
    }
    let keys: Vec<String> = pairs
        .iter()
        .take(ITEMS_SHOWN)
        .map(|(key, value)| {
            let key = objects.text(*key).map_or_else(|| "(no text)".to_owned(), printable);
            format!("{key} ({})", objects.describe(*value))
        })
        .collect();
    Err(Fault::Unsupported(format!(
        "no state dict is in it, neither bare nor under {}; it has: {}",
        WRAPPERS.join(", "),
        if keys.is_empty() { "nothing".into() } else { keys.join(", ") }
    )))
}

type Listed = (Vec<StoredTensor>, BTreeMap<String, String>);

fn list<R: Read + Seek>(
    objects: &Objects,
    state_dict: Id,
    archive: &Archive<R>,
    root: &str,
) -> Result<Listed, Fault> {
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    let mut others = BTreeMap::new();
    for (key, value) in objects.pairs(state_dict).unwrap_or_default() {
        let Some(name) = objects.text(*key) else {
            return Err(Fault::damaged(format!("a key of its state dict is {}", objects.describe(*key))));
        };
        check_name(name)?;
        if !names.insert(name) {
            return Err(Fault::damaged(format!("its state dict has {name} twice")));
        }
        let Object::Tensor { storage, view } = objects.get(*value) else {
            others.insert(name.to_owned(), objects.describe(*value));
            continue;
        };
        let Object::Storage(storage) = objects.get(*storage) else {
            return Err(Fault::damaged(format!("tensor {name} has no storage")));
        };
        let index = archive.index(&format!("{root}data/{}", storage.key));
        let index = index.ok_or_else(|| {
            Fault::damaged(format!("the storage {:?} of tensor {name} is missing", printable(&storage.key)))
        })?;
        let bytes = archive.entries()[index].size;
        if storage.len.checked_mul(storage.element.size()).is_none_or(|size| size as u64 > bytes) {
            return Err(Fault::damaged(format!(
                "the storage of tensor {name} has {bytes} bytes where {} numbers of type {} belong",
                storage.len,
                storage.element.label()
            )));
        }
        view.check(storage.len).map_err(|fault| in_tensor(name, fault))?;
        tensors.push(StoredTensor {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            element: storage.element,
            place: Place { block: index, view: view.clone() },
        });
    }
    Ok((tensors, others))
}

fn in_tensor(name: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Damaged(reason) => Fault::Damaged(format!("tensor {name}: {reason}")),
        Fault::Unsupported(reason) => Fault::Unsupported(format!("tensor {name}: {reason}")),
        Fault::Io(error) => Fault::Io(error),
    }
}

/// Numbers and texts beside the state dict, those of dictionaries and of `argparse.Namespace` one
/// level down: `epoch`, `args.lr`.
fn describe_beside(objects: &Objects, state_dict: Id) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    let first = |id| objects.pairs(id).unwrap_or_default().iter().take(METADATA_LIMIT);
    for (key, value) in first(objects.root()) {
        let Some(key) = objects.text(*key).filter(|_| *value != state_dict) else { continue };
        let key = printable(key);
        if let Some(text) = describe_value(objects, *value) {
            metadata.insert(key, text);
            continue;
        }
        for (inner, value) in first(*value) {
            if let (Some(inner), Some(text)) = (objects.text(*inner), describe_value(objects, *value)) {
                metadata.insert(format!("{key}.{}", printable(inner)), text);
            }
        }
    }
    metadata
}

/// A number, a text, or a list of such.
fn describe_value(objects: &Objects, id: Id) -> Option<String> {
    let simple = |id: Id| match objects.get(id) {
        Object::None => Some("None".to_owned()),
        Object::Bool(value) => Some(if *value { "True" } else { "False" }.to_owned()),
        Object::Int(value) => Some(value.to_string()),
        Object::Float(value) => Some(value.to_string()),
        Object::Text(text) => Some(printable(text)),
        _ => None,
    };
    match objects.get(id) {
        Object::Tuple(items) | Object::List(items) => {
            let shown: Option<Vec<String>> =
                items.iter().take(ITEMS_SHOWN).map(|item| simple(*item)).collect();
            let more = if items.len() > ITEMS_SHOWN { ", ..." } else { "" };
            Some(format!("[{}{more}]", shown?.join(", ")))
        }
        _ => simple(id),
    }
}
