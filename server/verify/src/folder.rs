//! A folder of reference files, read without trust: whatever is wrong with a file is an error in words.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use safetensors::{Dtype, SafeTensors};

use super::Tolerance;

/// Why a file cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(String);

impl Problem {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Largest reference file that is read.
const SIZE_LIMIT: u64 = 1 << 30;
/// Deepest nesting of folders that is listed.
const DEPTH_LIMIT: usize = 8;

/// The folder, its files, and what has been looked at.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    files: Vec<String>,
    /// Files that a check asked for.
    asked: RefCell<BTreeSet<String>>,
    opened: RefCell<BTreeMap<String, Rc<Tensors>>>,
}

impl Folder {
    /// Lists the folder.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        let mut files = Vec::new();
        list(root, "", 0, &mut files)?;
        files.sort();
        Ok(Self { root: root.to_owned(), files, asked: RefCell::default(), opened: RefCell::default() })
    }

    /// All files, as paths with `/` relative to the folder.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    pub fn has(&self, file: &str) -> bool {
        self.files.binary_search_by(|f| f.as_str().cmp(file)).is_ok()
    }

    /// Where a file is; that it was asked for is remembered.
    pub fn path(&self, file: &str) -> PathBuf {
        self.asked.borrow_mut().insert(file.to_owned());
        self.root.join(file)
    }

    /// Whether a check asked for a file.
    pub fn was_asked(&self, file: &str) -> bool {
        self.asked.borrow().contains(file)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bytes of a file.
    pub fn bytes(&self, file: &str) -> Result<Vec<u8>, Problem> {
        let path = self.path(file);
        let wrong = |e: std::io::Error| Problem::new(format!("{file}: {e}"));
        let size = fs::metadata(&path).map_err(wrong)?.len();
        if size > SIZE_LIMIT {
            return Err(Problem::new(format!("{file} has {size} bytes, more than {SIZE_LIMIT}")));
        }
        fs::read(&path).map_err(wrong)
    }

    /// A JSON file.
    pub fn json(&self, file: &str) -> Result<serde_json::Value, Problem> {
        serde_json::from_slice(&self.bytes(file)?).map_err(|e| Problem::new(format!("{file}: {e}")))
    }

    /// A safetensors file; which of its tensors are asked for is remembered.
    pub fn tensors(&self, file: &str) -> Result<Rc<Tensors>, Problem> {
        if let Some(tensors) = self.opened.borrow().get(file) {
            return Ok(tensors.clone());
        }
        let tensors = Rc::new(Tensors::parse(file, self.bytes(file)?)?);
        self.opened.borrow_mut().insert(file.to_owned(), tensors.clone());
        Ok(tensors)
    }

    /// Bounds of every tensor of a `*_tolerances.json` file: file name to tensor to bound.
    pub fn tolerances(&self, file: &str) -> Result<Tolerances, Problem> {
        Ok(Tolerances { file: file.to_owned(), table: self.json(file)? })
    }

    /// Tensors of opened files that nobody asked for.
    pub fn untouched(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (file, tensors) in self.opened.borrow().iter() {
            let used = tensors.used.borrow();
            all.extend(tensors.names().filter(|n| !used.contains(*n)).map(|n| (file.clone(), n.to_owned())));
        }
        all
    }
}

fn list(root: &Path, inside: &str, depth: usize, files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(inside))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        // Links are not followed: a folder must not lead out of itself.
        if entry.file_type()?.is_dir() {
            if depth < DEPTH_LIMIT {
                list(root, &path, depth + 1, files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Bounds by file and tensor.
#[derive(Debug)]
pub struct Tolerances {
    file: String,
    table: serde_json::Value,
}

impl Tolerances {
    /// The bound of a tensor; `file` without its group.
    pub fn of(&self, file: &str, tensor: &str) -> Result<Tolerance, Problem> {
        let entry = &self.table[file][tensor];
        match (entry["tol_rel_l2"].as_f64(), entry["tol_max_abs"].as_f64()) {
            (Some(rel_l2), Some(max_abs)) => Ok(Tolerance { rel_l2, max_abs }),
            _ => Err(Problem::new(format!("{} has no tolerance for {file} {tensor}", self.file))),
        }
    }
}

/// A number of the JSON files, where `"nan"`, `"inf"` and `"-inf"` are strings.
pub fn number(value: &serde_json::Value) -> Result<f64, Problem> {
    match value.as_str() {
        Some("nan") => Ok(f64::NAN),
        Some("inf") => Ok(f64::INFINITY),
        Some("-inf") => Ok(f64::NEG_INFINITY),
        _ => value.as_f64().ok_or_else(|| Problem::new(format!("{value} is not a number"))),
    }
}

/// A list of numbers, nested lists flattened.
pub fn numbers(value: &serde_json::Value) -> Result<Vec<f64>, Problem> {
    match value.as_array() {
        None => Ok(vec![number(value)?]),
        Some(items) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(numbers(item)?);
            }
            Ok(all)
        }
    }
}

/// A whole number that is at least `low`.
pub fn whole(value: &serde_json::Value, what: &str, low: usize) -> Result<usize, Problem> {
    let n = value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| (low..=1 << 20).contains(n));
    n.ok_or_else(|| Problem::new(format!("{what} is {value}, not a whole number from {low} on")))
}

/// Values with a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f64>,
}

impl Array {
    pub fn f32(&self) -> Vec<f32> {
        self.data.iter().map(|v| *v as f32).collect()
    }
}

/// A safetensors file in memory.
#[derive(Debug)]
pub struct Tensors {
    file: String,
    entries: BTreeMap<String, Entry>,
    bytes: Vec<u8>,
    used: RefCell<BTreeSet<String>>,
}

#[derive(Debug)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    range: std::ops::Range<usize>,
}

impl Tensors {
    fn parse(file: &str, bytes: Vec<u8>) -> Result<Self, Problem> {
        let wrong = |e: safetensors::SafeTensorError| Problem::new(format!("{file}: {e}"));
        let parsed = SafeTensors::deserialize(&bytes).map_err(wrong)?;
        let base = bytes.as_ptr() as usize;
        let entries = parsed
            .iter()
            .map(|(name, sampling)| {
                let start = sampling.data().as_ptr() as usize - base;
                let range = start..start + sampling.data().len();
                (name.to_owned(), Entry { dtype: sampling.dtype(), shape: sampling.shape().to_vec(), range })
            })
            .collect();
        Ok(Self { file: file.to_owned(), entries, bytes, used: RefCell::default() })
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Values of a tensor of any number type.
    pub fn get(&self, name: &str) -> Result<Array, Problem> {
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| Problem::new(format!("{} has no tensor {name}", self.file)))?;
        self.used.borrow_mut().insert(name.to_owned());
        let bytes = &self.bytes[entry.range.clone()];
        macro_rules! read {
            ($type:ty) => {
                bytes
                    .chunks_exact(size_of::<$type>())
                    .map(|b| <$type>::from_le_bytes(b.try_into().expect("chunks of this size")) as f64)
                    .collect()
            };
        }
        let data = match entry.dtype {
            Dtype::F64 => read!(f64),
            Dtype::F32 => read!(f32),
            Dtype::F16 => {
                bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f64()).collect()
            }
            Dtype::I64 => read!(i64),
            Dtype::I32 => read!(i32),
            Dtype::I16 => read!(i16),
            Dtype::I8 => read!(i8),
            Dtype::U8 | Dtype::BOOL => read!(u8),
            other => return Err(Problem::new(format!("{}: {name} has type {other:?}", self.file))),
        };
        Ok(Array { shape: entry.shape.clone(), data })
    }
}
