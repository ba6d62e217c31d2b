//! The part of the zip format in which `torch.save` writes: stored or deflated entries, zip64.
//!
//! Nothing is allocated because a header says so: counts and sizes are first held against the
//! number of bytes that the file really has.

use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom},
};

use flate2::{Crc, read::DeflateDecoder};

use super::error::Fault;

/// Most entries that are read; a checkpoint has one a storage.
const ENTRY_LIMIT: u64 = 1 << 17;
/// Largest central directory.
const DIRECTORY_LIMIT: u64 = 64 << 20;
/// A deflated entry may be this many times as large as its bytes in the file, and a little more.
const INFLATION_LIMIT: u64 = 64;
const INFLATION_FREE: u64 = 64 << 10;

const END: u32 = 0x0605_4b50;
const END_SIZE: usize = 22;
const END64_LOCATOR: u32 = 0x0706_4b50;
const END64_LOCATOR_SIZE: u64 = 20;
const END64: u32 = 0x0606_4b50;
const END64_SIZE: usize = 56;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_SIZE: usize = 30;
const ZIP64_EXTRA: u16 = 1;

/// What the archive says of one of its files.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    deflated: bool,
    /// Bytes in the archive.
    packed: u64,
    /// Bytes of the content.
    pub(crate) size: u64,
    crc: u32,
    /// Where its local header begins.
    header: u64,
}

/// An archive whose directory has been read.
#[derive(Debug)]
pub(crate) struct Archive<R> {
    source: R,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of an archive of `size` bytes.
    pub(crate) fn open(mut source: R, size: u64) -> Result<Self, Fault> {
        let (count, offset, length) = find_directory(&mut source, size)?;
        if count > ENTRY_LIMIT || length > DIRECTORY_LIMIT {
            return Err(Fault::damaged(format!("its index has {count} entries in {length} bytes, too many")));
        }
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(Fault::damaged("its index lies beyond its end"));
        }
        let mut fields = Fields(&read_at(&mut source, offset, length as usize)?);
        let mut entries = Vec::new();
        let mut by_name = HashMap::new();
        let mut packed = 0u64;
        for index in 0..count as usize {
            let entry = central_entry(&mut fields)?;
            packed = packed.saturating_add(entry.packed);
            if by_name.insert(entry.name.clone(), index).is_some() {
                return Err(Fault::damaged(format!("two entries are named {:?}", entry.name)));
            }
            entries.push(entry);
        }
        // Entries that overlap would make a small file cost as much as a large one.
        if packed > size {
            return Err(Fault::damaged(format!("its entries add up to {packed} bytes, it has {size}")));
        }
        Ok(Self { source, entries, by_name })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The content of an entry, its checksum checked.
    pub(crate) fn read(&mut self, index: usize) -> Result<Vec<u8>, Fault> {
        let entry = &self.entries[index];
        let damaged = |what: &str| Fault::damaged(format!("entry {:?}: {what}", entry.name));
        let header = read_at(&mut self.source, entry.header, LOCAL_SIZE)?;
        let mut fields = Fields(&header);
        if fields.u32()? != LOCAL {
            return Err(damaged("its header is not where the index says"));
        }
        fields.skip(22)?;
        let names = u64::from(fields.u16()?) + u64::from(fields.u16()?);
        self.source.seek(SeekFrom::Start(entry.header + LOCAL_SIZE as u64 + names))?;
        let packed = self.source.by_ref().take(entry.packed);
        let mut content = Vec::new();
        if entry.deflated {
            // One byte more, to notice content that goes on.
            DeflateDecoder::new(packed)
                .take(entry.size + 1)
                .read_to_end(&mut content)
                .map_err(|e| damaged(&format!("it cannot be inflated ({e})")))?;
        } else {
            content.reserve_exact(entry.size as usize);
            let mut packed = packed;
            packed.read_to_end(&mut content)?;
        }
        if content.len() as u64 != entry.size {
            return Err(damaged(&format!("it has {} bytes, its index says {}", content.len(), entry.size)));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != entry.crc {
            return Err(damaged(
                "its checksum is wrong, so it was changed or cut after it was written \
                 (or saved with PyTorch's checksums switched off)",
            ));
        }
        Ok(content)
    }
}

/// Number of entries, offset and length of the central directory.
fn find_directory<R: Read + Seek>(source: &mut R, size: u64) -> Result<(u64, u64, u64), Fault> {
    let tail_len = size.min((END_SIZE + usize::from(u16::MAX)) as u64) as usize;
    let tail = read_at(source, size - tail_len as u64, tail_len)?;
    // The end record is followed by a comment of the length that it says.
    let at = (0..=tail_len.saturating_sub(END_SIZE)).rev().find(|&at| {
        tail.get(at..at + END_SIZE).is_some_and(|end| {
            end[..4] == END.to_le_bytes()
                && at + END_SIZE + usize::from(u16::from_le_bytes([end[20], end[21]])) == tail_len
        })
    });
    let at = at.ok_or_else(|| Fault::damaged("its end is missing, as of a download that broke off"))?;
    let mut end = Fields(&tail[at + 4..]);
    end.skip(6)?;
    let short = (u64::from(end.u16()?), u64::from(end.u32()?), u64::from(end.u32()?));

    let end_at = size - (tail_len - at) as u64;
    let Some(locator_at) = end_at.checked_sub(END64_LOCATOR_SIZE) else {
        return Ok((short.0, short.2, short.1));
    };
    let locator = read_at(source, locator_at, END64_LOCATOR_SIZE as usize)?;
    let mut locator = Fields(&locator);
    if locator.u32()? != END64_LOCATOR {
        return Ok((short.0, short.2, short.1));
    }
    locator.skip(4)?;
    let end64_at = locator.u64()?;
    if end64_at.checked_add(END64_SIZE as u64).is_none_or(|end| end > size) {
        return Err(Fault::damaged("its zip64 end record lies beyond its end"));
    }
    let end64 = read_at(source, end64_at, END64_SIZE)?;
    let mut end64 = Fields(&end64);
    if end64.u32()? != END64 {
        return Err(Fault::damaged("its zip64 end record is missing"));
    }
    end64.skip(28)?;
    let count = end64.u64()?;
    let length = end64.u64()?;
    Ok((count, end64.u64()?, length))
}

fn central_entry(fields: &mut Fields<'_>) -> Result<Entry, Fault> {
    if fields.u32()? != CENTRAL {
        return Err(Fault::damaged("its index is cut short"));
    }
    fields.skip(4)?;
    let flags = fields.u16()?;
    let method = fields.u16()?;
    fields.skip(4)?;
    let crc = fields.u32()?;
    let mut packed = u64::from(fields.u32()?);
    let mut size = u64::from(fields.u32()?);
    let name_len = fields.u16()?;
    let extra_len = fields.u16()?;
    let comment_len = fields.u16()?;
    fields.skip(8)?;
    let mut header = u64::from(fields.u32()?);
    let name = String::from_utf8(fields.take(name_len.into())?.to_vec())
        .map_err(|_| Fault::damaged("an entry's name is not UTF-8"))?;
    let mut extra = Fields(fields.take(extra_len.into())?);
    fields.skip(comment_len.into())?;
    while extra.0.len() >= 4 {
        let id = extra.u16()?;
        let len = extra.u16()?;
        let mut field = Fields(extra.take(len.into())?);
        if id == ZIP64_EXTRA {
            // Only what did not fit its short field is there, in this order.
            for value in [&mut size, &mut packed, &mut header] {
                if *value == u64::from(u32::MAX) {
                    *value = field.u64()?;
                }
            }
        }
    }
    let damaged = |what: &str| Fault::damaged(format!("entry {name:?} {what}"));
    let deflated = match (flags & 1, method) {
        (1, _) => return Err(damaged("is encrypted")),
        (_, 0) => false,
        (_, 8) => true,
        _ => return Err(damaged(&format!("is compressed by method {method}; stored and deflated are read"))),
    };
    if !deflated && size != packed {
        return Err(damaged("is stored, but of two sizes"));
    }
    if size > packed.saturating_mul(INFLATION_LIMIT).saturating_add(INFLATION_FREE) {
        return Err(damaged(&format!("would inflate from {packed} to {size} bytes, which weights do not")));
    }
    Ok(Entry { name, deflated, packed, size, crc, header })
}

fn read_at<R: Read + Seek>(source: &mut R, at: u64, len: usize) -> Result<Vec<u8>, Fault> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; len];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Little-endian fields, read one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) =
            self.0.split_at_checked(len).ok_or_else(|| Fault::damaged("its index is cut short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn skip(&mut self, len: usize) -> Result<(), Fault> {
        self.take(len).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}
