//! For tests: where the reference numbers and sample images are, which lie beside the repository, and
//! small files of every format.

pub mod dicom;
pub mod metaimage;
pub mod nifti;
pub mod picture;

use std::{collections::BTreeMap, path::PathBuf};

/// The shared folder (`TRANSFERSCOPE_SHARED`, else `../shared` beside the repository); where it is
/// absent a line says that `test` was skipped.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TRANSFERSCOPE_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")));
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("skipped {test}: {} is absent", folder.display());
        None
    }
}

/// All f32 and u8 tensors of a file by name, with their shape.
pub fn tensors(path: &std::path::Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let values = match view.dtype() {
                safetensors::Dtype::F32 => {
                    view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
                }
                safetensors::Dtype::U8 => view.data().iter().map(|b| f32::from(*b)).collect(),
                other => panic!("{name}: {other:?}"),
            };
            (name.to_owned(), (view.shape().to_vec(), values))
        })
        .collect()
}

/// ||a - b|| / ||b||.
pub fn relative_l2(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(x, y)| f(f64::from(*x), f64::from(*y))).sum()
    };
    (sum(&|x, y| (x - y) * (x - y)) / sum(&|_, y| y * y).max(1e-300)).sqrt()
}
