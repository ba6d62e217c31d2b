//! For tests: numbers that trusted libraries computed, read from the reference folder.
//!
//! The folder is `TRANSFERSCOPE_REFERENCE`, or `shared/reference` beside the repository. Where it
//! is absent a test prints a line and passes, so that a bare clone can run the others.

use std::{fs, path::PathBuf};

use safetensors::{Dtype, SafeTensors};

/// The folder, where there is one.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TRANSFERSCOPE_REFERENCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("no reference numbers at {}: they are not compared", folder.display());
        return None;
    }
    Some(folder)
}

fn path(file: &str) -> Option<PathBuf> {
    Some(folder()?.join(file))
}

/// A JSON file of the reference folder; none where there is no such folder.
pub fn json(file: &str) -> Option<serde_json::Value> {
    let bytes = fs::read(path(file)?).unwrap_or_else(|e| panic!("{file}: {e}"));
    Some(serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{file}: {e}")))
}

/// A safetensors file of the reference folder; none where there is no such folder.
pub fn tensors(file: &str) -> Option<Tensors> {
    let bytes = fs::read(path(file)?).unwrap_or_else(|e| panic!("{file}: {e}"));
    Some(Tensors { bytes })
}

/// Tensors by name, converted on the way out.
pub struct Tensors {
    bytes: Vec<u8>,
}

impl Tensors {
    fn with<T>(&self, name: &str, read: impl FnOnce(&[usize], Dtype, &[u8]) -> T) -> T {
        let all = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = all.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        read(tensor.shape(), tensor.dtype(), tensor.data())
    }

    /// Names of all tensors.
    pub fn names(&self) -> Vec<String> {
        let all = SafeTensors::deserialize(&self.bytes).unwrap();
        all.names().into_iter().map(str::to_owned).collect()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.with(name, |shape, _, _| shape.to_vec())
    }

    /// Values of any number type.
    pub fn f64(&self, name: &str) -> Vec<f64> {
        self.with(name, |_, dtype, data| match dtype {
            Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Dtype::F32 => {
                data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            Dtype::I64 => {
                data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
            }
            Dtype::I32 => {
                data.chunks_exact(4).map(|b| f64::from(i32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            Dtype::U8 => data.iter().map(|b| f64::from(*b)).collect(),
            other => panic!("{name}: no reader for {other:?}"),
        })
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.f64(name).into_iter().map(|v| v as f32).collect()
    }

    pub fn u8(&self, name: &str) -> Vec<u8> {
        self.f64(name).into_iter().map(|v| v as u8).collect()
    }
}

/// A number of the JSON files, where `"nan"` and `"inf"` are strings.
pub fn number(value: &serde_json::Value) -> f64 {
    match value.as_str() {
        Some("nan") => f64::NAN,
        Some("inf") => f64::INFINITY,
        _ => value.as_f64().unwrap_or_else(|| panic!("{value} is not a number")),
    }
}

/// Largest absolute difference.
pub fn max_abs_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// `||ours - theirs|| / ||theirs||`.
pub fn relative_l2(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let difference: f64 = ours.iter().zip(theirs).map(|(a, b)| (a - b).powi(2)).sum();
    let size: f64 = theirs.iter().map(|b| b * b).sum();
    (difference / size).sqrt()
}

/// A safetensors file whose tensor `at` (in the order of the header) has its shape turned round, flattened
/// or lengthened, as `how` says; the values stay. For tests of what reads such files without trust.
///
/// # Panics
/// When the bytes are no safetensors file.
pub fn misshapen(bytes: &[u8], at: usize, how: usize) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let tensors = header.as_object_mut().unwrap();
    tensors.remove("__metadata__");
    let count = tensors.len();
    let tensor = tensors.values_mut().nth(at % count).unwrap();
    let mut shape: Vec<u64> =
        tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let before = shape.clone();
    match how % 3 {
        0 => shape.reverse(),
        1 => shape = vec![shape.iter().product()],
        _ => shape.push(1),
    }
    if shape == before {
        shape.push(1);
    }
    tensor["shape"] = shape.into();
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(&bytes[8 + length..]);
    file
}
