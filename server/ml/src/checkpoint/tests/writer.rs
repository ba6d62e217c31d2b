//! Writes files as `torch.save` does, and others that it would not write.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Stored,
    Deflated,
    /// Stored, every size and offset in the zip64 fields.
    Zip64,
}

/// A zip archive of these entries.
pub fn archive(entries: &[(&str, Vec<u8>)], packing: Packing) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let header = file.len() as u64;
        let mut crc = Crc::new();
        crc.update(content);
        let packed = match packing {
            Packing::Deflated => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            _ => content.clone(),
        };
        let method: u16 = if packing == Packing::Deflated { 8 } else { 0 };
        let mut extra = Vec::new();
        let mut short = |value: u64| {
            if packing != Packing::Zip64 {
                return value as u32;
            }
            extra.extend(value.to_le_bytes());
            u32::MAX
        };
        let (size, packed_size, offset) =
            (short(content.len() as u64), short(packed.len() as u64), short(header));
        if !extra.is_empty() {
            let len = extra.len() as u16;
            extra.splice(0..0, [1, 0].into_iter().chain(len.to_le_bytes()));
        }
        let mut common = Vec::new();
        common.extend([0, 0, 0, 0]);
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc.sum().to_le_bytes());
        common.extend(packed_size.to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        // As `torch.save` does: padding in an extra field of the local header only.
        file.extend(6u16.to_le_bytes());
        file.extend(name.as_bytes());
        file.extend(*b"FB\x02\x00ZZ");
        file.extend(packed);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(&common);
        directory.extend((extra.len() as u16).to_le_bytes());
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
        directory.extend(extra);
    }
    let (count, length, offset) = (entries.len() as u64, directory.len() as u64, file.len() as u64);
    file.extend(directory);
    if packing == Packing::Zip64 {
        let end64 = file.len() as u64;
        file.extend(b"PK\x06\x06");
        file.extend(44u64.to_le_bytes());
        file.extend([0; 12]);
        for value in [count, count, length, offset] {
            file.extend(value.to_le_bytes());
        }
        file.extend(b"PK\x06\x07\0\0\0\0");
        file.extend(end64.to_le_bytes());
        file.extend(1u32.to_le_bytes());
    }
    let zip64 = packing == Packing::Zip64;
    file.extend(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        file.extend(if zip64 { u16::MAX } else { count as u16 }.to_le_bytes());
    }
    file.extend(if zip64 { u32::MAX } else { length as u32 }.to_le_bytes());
    file.extend(if zip64 { u32::MAX } else { offset as u32 }.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// Writes a pickle, value by value.
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        let len = (text.len() as u32).to_le_bytes();
        self.op(b"X").op(&len).op(text.as_bytes())
    }

    pub fn int(self, value: i64) -> Self {
        self.op(&[0x8a, 8]).op(&value.to_le_bytes())
    }

    pub fn float(self, value: f64) -> Self {
        self.op(b"G").op(&value.to_be_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    pub fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.op(b"("), |p, v| p.int(*v)).op(b"t")
    }

    pub fn tensor(
        self,
        class: &str,
        key: &str,
        len: i64,
        offset: i64,
        shape: &[i64],
        strides: &[i64],
    ) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", class)
            .text(key)
            .text("cpu")
            .int(len)
            .op(b"tQ")
            .int(offset)
            .ints(shape)
            .ints(strides)
            .op(b"\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }

    /// As PyTorch before 1.6 wrote f32 tensors: the reference to the storage has a sixth part, none or the key,
    /// offset and length of a part of it.
    pub fn legacy_tensor(
        self,
        key: &str,
        len: i64,
        part: Option<(i64, i64)>,
        offset: i64,
        shape: &[i64],
        strides: &[i64],
    ) -> Self {
        let reference = self
            .global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .int(len);
        let reference = match part {
            None => reference.op(b"N"),
            Some((from, len)) => reference.op(b"(").text("part").int(from).int(len).op(b"t"),
        };
        let rest = reference.op(b"tQ").int(offset).ints(shape).ints(strides).op(b"\x89");
        rest.global("collections", "OrderedDict").op(b")RtR")
    }

    pub fn ordered_dict(self) -> Self {
        self.global("collections", "OrderedDict").op(b")R")
    }

    pub fn stop(self) -> Vec<u8> {
        self.op(b".").0
    }
}

/// A tensor to write: name, shape and values.
pub type Plain<'a> = (&'a str, &'a [usize], Vec<f32>);

/// The pickle and the storages of a bare state dict of f32 tensors.
pub fn state_dict(tensors: &[Plain<'_>]) -> Vec<(String, Vec<u8>)> {
    let mut pickle = Pickle::new().ordered_dict().op(b"(");
    let mut entries =
        vec![("x/data.pkl".to_owned(), Vec::new()), ("x/byteorder".to_owned(), b"little".to_vec())];
    for (i, (name, shape, data)) in tensors.iter().enumerate() {
        let mut strides = vec![1i64; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis] as i64;
        }
        let shape: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
        let key = i.to_string();
        pickle = pickle.text(name).tensor("FloatStorage", &key, data.len() as i64, 0, &shape, &strides);
        entries.push((format!("x/data/{key}"), data.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    entries[0].1 = pickle.op(b"u").stop();
    entries
}

/// A file of these entries.
pub fn pack(entries: &[(String, Vec<u8>)], packing: Packing) -> Vec<u8> {
    let entries: Vec<(&str, Vec<u8>)> = entries.iter().map(|(n, c)| (n.as_str(), c.clone())).collect();
    archive(&entries, packing)
}

/// A file whose pickle is `pickle`, with one storage `0` of these bytes.
pub fn with_pickle(pickle: Vec<u8>, storage: Vec<u8>) -> Vec<u8> {
    archive(&[("x/data.pkl", pickle), ("x/data/0", storage)], Packing::Stored)
}

/// A file of the format before PyTorch 1.6: the pickle of the object, and storages by key, elements and bytes.
pub fn legacy(object: &[u8], storages: &[(&str, u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec();
    file.extend(b"\x80\x02M\xe9\x03.");
    file.extend(
        Pickle::new().op(b"}(").text("protocol_version").int(1001).text("little_endian").op(b"\x88u").stop(),
    );
    file.extend(object);
    let keys = storages.iter().fold(Pickle::new().op(b"]("), |list, (key, ..)| list.text(key));
    file.extend(keys.op(b"e").stop());
    for (_, count, bytes) in storages {
        file.extend(count.to_le_bytes());
        file.extend(bytes);
    }
    file
}

/// A bare state dict of f32 tensors in that format.
pub fn legacy_state_dict(tensors: &[Plain<'_>]) -> Vec<u8> {
    let mut pickle = Pickle::new().ordered_dict().op(b"(");
    let keys: Vec<String> = (0..tensors.len()).map(|i| format!("9{i}")).collect();
    let mut storages = Vec::new();
    for ((name, shape, data), key) in tensors.iter().zip(&keys) {
        let mut strides = vec![1i64; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis] as i64;
        }
        let shape: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
        pickle = pickle.text(name).legacy_tensor(key, data.len() as i64, None, 0, &shape, &strides);
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        storages.push((key.as_str(), data.len() as u64, bytes));
    }
    legacy(&pickle.op(b"u").stop(), &storages)
}
