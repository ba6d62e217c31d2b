//! For tests: where the reference numbers and sample images are, which lie beside the repository, and
//! small files of every format.

pub mod dicom;
pub mod metaimage;
pub mod nifti;

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
