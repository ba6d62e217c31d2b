//! What the pickle of a file of `torch.save` holds: state dicts, alone or beside other things
//! (optimiser, epoch, arguments), and numbers and texts of the rest.

use std::collections::{BTreeMap, HashSet};

use super::{
    error::Fault,
    file::{Place, StoredTensor, check_name},
    pickle::{Id, Object, Objects, printable},
    tree::{Tree, WRAPPERS, rank},
};

/// Most entries of a dictionary that become metadata.
const METADATA_LIMIT: usize = 500;
/// Most items of a list that are shown.
const ITEMS_SHOWN: usize = 16;
/// How deep in dictionaries state dicts are looked for, and how many are kept.
const DEPTH_LIMIT: usize = 4;
const TREE_LIMIT: usize = 64;
/// First letters of keys under which there are tensors that are no weights.
const STATES: [&str; 4] = ["optim", "lr_sched", "scaler", "loss_scale"];

/// Where a container keeps the numbers of its storages.
pub(super) trait Storages {
    /// Place among the file's blocks, and bytes, of the storage of this key.
    fn find(&self, key: &str) -> Option<(usize, u64)>;
}

/// What the pickle says.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) metadata: BTreeMap<String, String>,
    /// All state dicts, the likeliest first; at least one.
    pub(super) trees: Vec<Tree>,
}

/// Lists what a pickle holds; storages are left alone.
pub(super) fn contents(objects: &Objects, storages: &impl Storages) -> Result<Contents, Fault> {
    let mut found = find(objects)?;
    found.sort_by_key(|(path, _)| rank(path));
    let mut trees = Vec::new();
    for (path, id) in &found {
        match list(objects, *id, storages) {
            Ok((tensors, others)) => trees.push(Tree { path: path.clone(), tensors, others }),
            // What cannot be read beside the model is no reason to refuse the model.
            Err(_) if !trees.is_empty() => {}
            Err(fault) => return Err(fault),
        }
    }
    let dicts: HashSet<Id> = found.iter().map(|(_, id)| *id).collect();
    let bare = trees.first().is_some_and(|tree| tree.path.is_empty());
    let metadata = if bare { BTreeMap::new() } else { describe_beside(objects, &dicts) };
    Ok(Contents { metadata, trees })
}

fn has_tensor(objects: &Objects, id: Id) -> bool {
    let is_tensor = |(_, value): &(Id, Id)| matches!(objects.get(*value), Object::Tensor { .. });
    matches!(objects.get(id), Object::Dict(pairs) if pairs.iter().any(is_tensor))
}

/// Every dictionary of tensors, and the keys that lead to it.
fn find(objects: &Objects) -> Result<Vec<(Vec<String>, Id)>, Fault> {
    let root = objects.root();
    let Object::Dict(pairs) = objects.get(root) else {
        return Err(Fault::Unsupported(format!(
            "it holds {}, not a state dict; save the model's state_dict() with torch.save instead",
            objects.describe(root)
        )));
    };
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut level = vec![(Vec::new(), root)];
    for _ in 0..=DEPTH_LIMIT {
        let mut deeper = Vec::new();
        for (path, id) in level {
            if has_tensor(objects, id) && found.len() < TREE_LIMIT {
                found.push((path.clone(), id));
            }
            let Object::Dict(pairs) = objects.get(id) else { continue };
            for (key, value) in pairs {
                let Some(key) = objects.text(*key) else { continue };
                let state = STATES.iter().any(|start| key.starts_with(start));
                let dict = matches!(objects.get(*value), Object::Dict(_));
                if !state && dict && check_name(key).is_ok() && seen.insert(*value) {
                    deeper.push((path.iter().cloned().chain([key.to_owned()]).collect(), *value));
                }
            }
        }
        level = deeper;
    }
    if !found.is_empty() {
        return Ok(found);
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
        "no state dict is in it, neither bare nor under a key such as {}; it has: {}",
        WRAPPERS.join(", "),
        if keys.is_empty() { "nothing".into() } else { keys.join(", ") }
    )))
}

type Listed = (Vec<StoredTensor>, BTreeMap<String, String>);

fn list(objects: &Objects, state_dict: Id, storages: &impl Storages) -> Result<Listed, Fault> {
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
        let (block, bytes) = storages.find(&storage.key).ok_or_else(|| {
            Fault::damaged(format!("the storage {:?} of tensor {name} is missing", printable(&storage.key)))
        })?;
        let end = storage.offset.checked_add(storage.len);
        if end.and_then(|end| end.checked_mul(storage.element.size())).is_none_or(|size| size as u64 > bytes)
        {
            return Err(Fault::damaged(format!(
                "the storage of tensor {name} has {bytes} bytes where {} numbers of type {} belong",
                storage.len,
                storage.element.label()
            )));
        }
        view.check(storage.len).map_err(|fault| in_tensor(name, fault))?;
        let view = view.moved(storage.offset).ok_or_else(|| {
            Fault::damaged(format!("tensor {name} lies {} numbers into its storage", storage.offset))
        })?;
        tensors.push(StoredTensor {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            element: storage.element,
            place: Place { block, view },
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

/// Numbers and texts beside the state dicts, those of dictionaries and of `argparse.Namespace` one
/// level down: `epoch`, `args.lr`.
fn describe_beside(objects: &Objects, dicts: &HashSet<Id>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    let first = |id| objects.pairs(id).unwrap_or_default().iter().take(METADATA_LIMIT);
    for (key, value) in first(objects.root()) {
        let Some(key) = objects.text(*key).filter(|_| !dicts.contains(value)) else { continue };
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
