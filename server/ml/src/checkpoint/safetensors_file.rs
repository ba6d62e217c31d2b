//! Files of the safetensors format: a JSON header, then the numbers.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Seek, SeekFrom},
};

use safetensors::tensor::Metadata;

use super::{
    element::ElementType,
    error::Fault,
    file::{Block, Place, StoredTensor, check_name},
    tree::Tree,
    view::View,
};

/// Largest header.
const HEADER_LIMIT: u64 = 32 << 20;
/// Bytes of the header's length, which stands first.
const LENGTH_SIZE: u64 = 8;

/// What the header says.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) metadata: BTreeMap<String, String>,
    /// Its `others` are tensors of types that are not read, and their types.
    pub(super) tree: Tree,
    pub(super) blocks: Vec<Block>,
}

/// Whether a file of `size` bytes that begins with `head` is one.
pub(super) fn detect(head: &[u8], size: u64) -> bool {
    head.first_chunk::<8>().is_some_and(|len| u64::from_le_bytes(*len) <= size - LENGTH_SIZE)
        && head.get(8) == Some(&b'{')
}

/// Reads the header of a file of `size` bytes.
pub(super) fn read<R: Read + Seek>(source: &mut R, size: u64) -> Result<Contents, Fault> {
    source.seek(SeekFrom::Start(0))?;
    let mut length = [0; LENGTH_SIZE as usize];
    source.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_LIMIT || length > size - LENGTH_SIZE {
        return Err(Fault::damaged(format!("its header would have {length} bytes")));
    }
    let mut header = vec![0; length as usize];
    source.read_exact(&mut header)?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|e| Fault::damaged(format!("its header cannot be read: {e}")))?;

    let start = LENGTH_SIZE + length;
    let mut infos: Vec<_> = header.tensors().into_iter().collect();
    infos.sort_by(|a, b| (a.1.data_offsets, &a.0).cmp(&(b.1.data_offsets, &b.0)));
    let (mut tensors, mut blocks, mut others) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut end = 0;
    for (name, info) in infos {
        check_name(&name)?;
        // Tensors follow each other without gaps, so none is hidden and none is read twice.
        let (from, to) = info.data_offsets;
        if from != end || to < from {
            return Err(Fault::damaged(format!("tensor {name} is at bytes {from} to {to}, not at {end}")));
        }
        end = to;
        let Some(element) = ElementType::of_safetensors(info.dtype) else {
            others.insert(name, format!("numbers of type {:?}", info.dtype));
            continue;
        };
        let view = View::whole(&info.shape)?;
        if view.count().checked_mul(element.size()) != Some(to - from) {
            return Err(Fault::damaged(format!(
                "tensor {name} has {} bytes where {:?} numbers of type {} belong",
                to - from,
                info.shape,
                element.label()
            )));
        }
        tensors.push(StoredTensor {
            name,
            shape: info.shape.clone(),
            element,
            place: Place { block: blocks.len(), view },
        });
        blocks.push(Block { start: start + from as u64, len: to - from });
    }
    if start.checked_add(end as u64) != Some(size) {
        return Err(Fault::damaged(format!("it has {size} bytes, its header says {}", start + end as u64)));
    }
    let metadata: HashMap<String, String> = header.metadata().clone().unwrap_or_default();
    let tree = Tree { path: Vec::new(), tensors, others };
    Ok(Contents { metadata: metadata.into_iter().collect(), tree, blocks })
}
