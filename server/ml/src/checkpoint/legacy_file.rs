//! Files that `torch.save` wrote before PyTorch 1.6, without an archive: five pickles one after
//! another (a magic number, the protocol, the system, the object, the list of storages), then each
//! storage as its number of elements and its numbers.
//!
//! # Source
//! PyTorch `torch/serialization.py`, `_legacy_save` and `_legacy_load`.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Seek, SeekFrom},
};

use super::{
    error::Fault,
    file::Block,
    pickle::{self, Object, Objects, printable},
    state_dicts::{Contents, Storages, contents},
    torch_file::PICKLE_LIMIT,
};

/// The pickle of the number 0x1950a86a20f9469cfc6c, after its protocol.
const MAGIC: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// What follows the magic number.
const PROTOCOL: i64 = 1001;
/// Bytes of a storage's number of elements.
const COUNT_SIZE: u64 = 8;

/// Whether a file that begins with `head` is one.
pub(super) fn detect(head: &[u8]) -> bool {
    head.first() == Some(&0x80) && head.get(2..2 + MAGIC.len()) == Some(MAGIC)
}

/// Reads what a file of `size` bytes says it holds, and where its storages are.
pub(super) fn read<R: Read + Seek>(source: &mut R, size: u64) -> Result<(Contents, Vec<Block>), Fault> {
    source.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    source.by_ref().take(PICKLE_LIMIT).read_to_end(&mut head)?;
    let mut rest = head.as_slice();
    let mut next = || -> Result<Objects, Fault> {
        let (objects, taken) = pickle::parse(rest)?;
        rest = &rest[taken..];
        Ok(objects)
    };
    next()?;
    let protocol = next()?;
    if !matches!(protocol.get(protocol.root()), Object::Int(PROTOCOL)) {
        return Err(Fault::damaged(format!("its protocol is not {PROTOCOL}")));
    }
    check_system(&next()?)?;
    let objects = next()?;
    let list = next()?;
    let keys = keys(&list)?;
    let start = (head.len() - rest.len()) as u64;
    let (by_key, blocks) = find_blocks(source, start, size, &objects, &keys)?;
    Ok((contents(&objects, &by_key)?, blocks))
}

/// Numbers must lie as this program reads them.
fn check_system(system: &Objects) -> Result<(), Fault> {
    let pairs = system.pairs(system.root()).unwrap_or_default();
    let order = pairs.iter().find(|(key, _)| system.text(*key) == Some("little_endian"));
    match order.map(|(_, value)| system.get(*value)) {
        Some(Object::Bool(true)) => Ok(()),
        Some(Object::Bool(false)) => Err(Fault::Unsupported("its byte order is big, little is read".into())),
        _ => Err(Fault::damaged("it does not tell its byte order")),
    }
}

/// The keys of the storages, in the order in which they lie in the file.
fn keys(list: &Objects) -> Result<Vec<&str>, Fault> {
    let Object::List(items) = list.get(list.root()) else {
        return Err(Fault::damaged("its storages are not listed"));
    };
    let key = |id: &_| list.text(*id).ok_or_else(|| Fault::damaged("a storage has no name"));
    items.iter().map(key).collect()
}

/// Places of storages among the blocks, by key.
struct ByKey(HashMap<String, (usize, u64)>);

impl Storages for ByKey {
    fn find(&self, key: &str) -> Option<(usize, u64)> {
        self.0.get(key).copied()
    }
}

/// Walks over the storages, whose sizes follow from the types by which the objects refer to them.
fn find_blocks<R: Read + Seek>(
    source: &mut R,
    mut at: u64,
    size: u64,
    objects: &Objects,
    keys: &[&str],
) -> Result<(ByKey, Vec<Block>), Fault> {
    let mut elements = BTreeMap::new();
    for storage in objects.storages() {
        if *elements.entry(storage.key.as_str()).or_insert(storage.element) != storage.element {
            let key = printable(&storage.key);
            return Err(Fault::damaged(format!("the storage {key:?} has two types")));
        }
    }
    let (mut by_key, mut blocks) = (HashMap::new(), Vec::new());
    for key in keys {
        let element = elements.get(key).ok_or_else(|| {
            Fault::Unsupported(format!(
                "its storage {:?} is of a type that is not read, and what lies behind it cannot be found",
                printable(key)
            ))
        })?;
        source.seek(SeekFrom::Start(at))?;
        let mut count = [0; COUNT_SIZE as usize];
        source.read_exact(&mut count)?;
        let start = at + COUNT_SIZE;
        let bytes = u64::from_le_bytes(count).checked_mul(element.size() as u64);
        let end = bytes.and_then(|bytes| start.checked_add(bytes)).filter(|end| *end <= size);
        let (Some(bytes), Some(end)) = (bytes, end) else {
            return Err(Fault::damaged(format!("the storage {:?} reaches beyond its end", printable(key))));
        };
        if by_key.insert((*key).to_owned(), (blocks.len(), bytes)).is_some() {
            return Err(Fault::damaged(format!("the storage {:?} is listed twice", printable(key))));
        }
        blocks.push(Block { start, len: bytes as usize });
        at = end;
    }
    Ok((ByKey(by_key), blocks))
}
